"""What TAB offers: models, and runs whose rollouts the ledger knows; nothing where it does not answer."""

from contextlib import suppress

from firstflight.acts.ledger_view import history
from firstflight.domain.errors import FirstflightError
from firstflight.ledger import open_store
from firstflight.rollout.machine import Phase, Rollout
from firstflight.settings import Settings

_NEWEST = 10


def models() -> list[str]:
    """Return the models that had a rollout."""
    with suppress(FirstflightError, ValueError):
        return [name.removeprefix("rollout/") for name in open_store(Settings()).streams("rollout/")]
    return []


def runs() -> list[str]:
    """Return the runs of the newest rollouts, and the word for the last of all."""
    return ["latest", *dict.fromkeys(rollout.run for rollout in _rollouts()[-_NEWEST:][::-1])]


def waiting() -> list[str]:
    """Return the runs that ask a person, their models, and the word for the last of them."""
    asking = [rollout for rollout in _rollouts() if rollout.phase is Phase.AWAITING_APPROVAL]
    return ["latest", *(rollout.model for rollout in asking), *(rollout.driver for rollout in asking)]


def _rollouts() -> list[Rollout]:
    with suppress(FirstflightError, ValueError):
        ledger = open_store(Settings())
        return sorted((one for model in models() for one in history(ledger, model)), key=lambda one: one.started_at)
    return []
