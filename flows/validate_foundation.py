"""Look at everything a release needs, before it starts or whenever in doubt."""

from typing import Any

from prefect import flow
from prefect.client.schemas import State
from prefect.states import Completed, Failed

from tasks import foundation


@flow
def validate_foundation() -> State[Any]:
    """Examine wherever the settings point, leave the table on Prefect's page; fail when something does not work."""
    report = foundation.examine_foundation()
    foundation.publish(report)
    sentence = foundation.sentence(report)
    return Failed(message=sentence) if report.failed else Completed(message=sentence)
