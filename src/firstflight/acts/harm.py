"""What a rolled-back candidate cost: which limits it broke, whom it harmed, how long it took."""

from datetime import datetime

from firstflight.acts.ledger_view import checks
from firstflight.decision.decide import MetricVerdict
from firstflight.domain.samples import Counts, Look
from firstflight.domain.values import Value
from firstflight.notify.messages import Breach
from firstflight.rollout.machine import Rollout
from firstflight.world import World


class Harm(Value):
    """`requests` the candidate failed (None: nobody counted); `seconds` from the first look with harm to home."""

    breaches: tuple[Breach, ...] = ()
    requests: int | None = None
    seconds: float | None = None


def harm_of(world: World, rollout: Rollout) -> Harm:
    """Return what the recorded checks of `rollout` say of its harm."""
    told = checks(world.ledger, rollout)
    if not told:
        return Harm()
    name = rollout.candidate.served_name
    last = told[-1][1]
    first = _first_harm([look for look, _ in told], name)
    ended = rollout.ended_at or world.now()
    return Harm(
        breaches=tuple(_breach(row) for row in last.metrics if row.status == "harm"),
        requests=_failed([look for look, _ in told], name),
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


def _breach(row: MetricVerdict) -> Breach:
    value = f"{row.candidate:.4g}" if row.candidate is not None else "unknown"
    limit = (
        f"limit {row.limit:.4g}"
        if row.limit is not None
        else f"stable {row.stable:.4g}"
        if row.stable is not None
        else "stable"
    )
    return Breach(metric=row.metric, value=value, limit=limit)
