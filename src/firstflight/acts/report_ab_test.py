"""How a report tells an A/B test."""

from collections.abc import Sequence
from typing import Any

from firstflight.ledger.record import RecordStore
from firstflight.rollout import Rollout


def ab_test_sections(ledger: RecordStore, told: Sequence[Rollout]) -> dict[str, Any]:
    """Return the report's sections on the last A/B test among `told`; empty when there was none."""
    return {}
