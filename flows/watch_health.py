"""The guard's rounds, by Prefect: the second net for rollouts that nobody looks after."""

from prefect import flow

from tasks import guarding


@flow
def watch_health() -> list[str]:
    """Watch every rollout for a minute, bring home what has to come home, and return what was done."""
    return guarding.go_rounds()
