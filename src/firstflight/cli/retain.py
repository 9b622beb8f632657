"""Drop the days of predictions and truths that are past keeping, as their owner: `python -m firstflight.cli.retain`.

The local stack's collector does so each hour. In a cluster the CronJob `retention` does each night, with a URL that no
service is given.
"""

import logging

from firstflight.settings import Settings
from firstflight.stack import retention
from firstflight.supervision.logs import begin_log

if __name__ == "__main__":
    begin_log(logging.INFO)
    retention.retain(Settings())
