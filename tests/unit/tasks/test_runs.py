"""What a run knows of itself, and hears of the library."""

import logging

from tasks import runs


def test_a_run_hears_what_the_library_says() -> None:
    """Prefect hands the library's records to the run, but leaves its logger at the root's WARNING."""
    assert runs.top_run
    assert logging.INFO == logging.getLogger("firstflight").level
