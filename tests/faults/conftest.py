"""Models of their own on the shared stack, for tests that kill what drives and serves them."""

import pytest

from benchmarks.faults.ground import Lane, prepare
from firstflight.settings import Settings

LEASE_SECONDS = 12.0
"""What needs the guard would take 45 s each with the lease that is shipped."""


@pytest.fixture(scope="session")
def impatient(stack: Settings) -> Settings:
    """The stack with short leases for what these tests drive."""
    return stack.model_copy(update={"lease_seconds": LEASE_SECONDS})


@pytest.fixture(scope="session")
def lanes(impatient: Settings) -> tuple[Lane, ...]:
    """Two models with a candidate each."""
    return prepare(impatient, 2)
