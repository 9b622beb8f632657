"""What a rolled-back candidate cost: which limits it broke, whom it harmed, how long it took."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from firstflight.acts.ledger_view import checks
from firstflight.analysis.exceedance import above, edges_for
from firstflight.decision.verdicts import MetricVerdict
from firstflight.domain.plans import Guardrail
from firstflight.domain.samples import Counts, Histogram, Sample
from firstflight.domain.values import Value
from firstflight.rollout.machine import Rollout
from firstflight.world import World


class RollbackImpact(Value):
    """`breaches`: the guardrails that fired, as the last check saw them.

    `home_fails` says that the stable model was failing when traffic went there. `requests` the candidate failed, or
    answered later than a latency guardrail's limit (None: nobody counted); `seconds` from the first look with harm to
    home, where a look has harm when a request failed or more were late than the guardrail lets pass.
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
    name, guardrails = rollout.candidate.served_name, rollout.plan.guardrails
    spoiled = [(look.window.since, _spoiled(look.samples.get(name, {}), guardrails)) for look, _ in told]
    counted = [found for _, found in spoiled if found is not None]
    first = next((since for since, found in spoiled if found is not None and found.harmful), None)
    ended = rollout.ended_at or world.now()
    return RollbackImpact(
        breaches=tuple(row for row in told[-1][1].metrics if row.status == "harm"),
        home_fails=bool(told[-1][1].failing),
        requests=sum(found.failed + found.late for found in counted) if counted else None,
        seconds=(ended - first).total_seconds() if first else None,
    )


class _Spoiled(NamedTuple):
    failed: int
    late: int
    harmful: bool


def _spoiled(samples: Mapping[str, Sample], guardrails: Sequence[Guardrail]) -> _Spoiled | None:
    """Return what one look counted; None when it counted nothing."""
    errors = samples.get("error_rate")
    failed = errors.events if isinstance(errors, Counts) else 0
    known, late, harmful = isinstance(errors, Counts), 0, failed > 0
    for guardrail in guardrails:
        times = samples.get(guardrail.metric)
        if guardrail.quantile is None or guardrail.limit is None or not isinstance(times, Histogram):
            continue
        edge = edges_for(times.edges, guardrail.limit).harm
        beyond = 0 if edge is None else above(times.counts, edge)
        harmful = harmful or beyond > (1 - guardrail.quantile) * sum(times.counts)
        known, late = True, late + beyond
    return _Spoiled(failed, late, harmful) if known else None
