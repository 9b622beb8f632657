"""What a rolled-back candidate cost: which limits it broke, whom it harmed, how long it took."""

from datetime import datetime

from firstflight.acts.ledger_view import checks
from firstflight.decision.verdicts import MetricVerdict
from firstflight.domain.samples import Counts, Look
from firstflight.domain.values import Value
from firstflight.rollout.machine import Rollout
from firstflight.world import World


class RollbackImpact(Value):
    """`breaches`: the guardrails that fired, as the last check saw them.

    `home_fails` says that the stable model was failing when traffic went there. `requests` the candidate failed
    (None: nobody counted); `seconds` from the first look with harm to home.
    """

    breaches: tuple[MetricVerdict, ...] = ()
    home_fails: bool = False
    requests: int | None = None
    seconds: float | None = None


def impact_of(world: World, rollout: Rollout) -> RollbackImpact:
    """Return what the recorded checks of `rollout` say of its harm."""
    told = checks(world.ledger, rollout)
    if not told:
        return RollbackImpact()
    name = rollout.candidate.served_name
    looks = [look for look, _ in told]
    first = _first_harm(looks, name)
    ended = rollout.ended_at or world.now()
    return RollbackImpact(
        breaches=tuple(row for row in told[-1][1].metrics if row.status == "harm"),
        home_fails=bool(told[-1][1].failing),
        requests=_failed(looks, name),
        seconds=(ended - first).total_seconds() if first else None,
    )


def _failed(looks: list[Look], name: str) -> int | None:
    counts = [look.samples.get(name, {}).get("error_rate") for look in looks]
    known = [count.events for count in counts if isinstance(count, Counts)]
    return sum(known) if known else None


def _first_harm(looks: list[Look], name: str) -> datetime | None:
    for look in looks:
        count = look.samples.get(name, {}).get("error_rate")
        if isinstance(count, Counts) and count.events:
            return look.window.since
    return None
