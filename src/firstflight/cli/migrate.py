"""Bring the tables of Firstflight's database up to date, as their owner: `python -m firstflight.cli.migrate`.

The local stack does so when it comes up. In a cluster the worker does before it works, with a URL that no other process
is given.
"""

from firstflight.settings import Settings
from firstflight.stack import postgres

if __name__ == "__main__":
    postgres.migrate(Settings().database("firstflight", owner=True))
