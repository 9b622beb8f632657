"""How the budget of false alarms is shared: between guardrails, and between the times a fault may begin."""

import functools
import math
from collections.abc import Mapping
from types import MappingProxyType

from firstflight.analysis.log_space import log_sum
from firstflight.domain.plans import CanaryPlan, Guardrail

_ON_LOOKS = 0.5
_ON_WAITS = 0.05  # of what is put on looks: for those while a person is asked, home fails, or the new champion bakes
_ON_FIRST_STAGE = 0.7


def alpha_of(plan: CanaryPlan, guardrail: Guardrail) -> float:
    """Return a guardrail's part of the rollback budget."""
    return plan.alpha_rollback * guardrail.share / sum([each.share for each in plan.guardrails])


def stage_weight(plan: CanaryPlan, number: int) -> float:
    """Return the share of stage `number` among all stages with which a fault may begin.

    The first has the most: a bad candidate is usually bad from its first request.
    """
    if number >= len(plan.stages):
        return 0.0
    if len(plan.stages) == 1:
        return 1.0
    return _ON_FIRST_STAGE if number == 0 else (1 - _ON_FIRST_STAGE) / (len(plan.stages) - 1)


def start_weight(plan: CanaryPlan, number: int, *, entered: bool, elapsed: float) -> float:
    """Return the weight of faults that begin with this look: half by stages, half evenly by planned looks.

    `elapsed` are the seconds since the stage began. Looks after its time is over are those of a wait, which has a part
    of its own: what later stages may spend does not depend on how long people took.
    """
    planned = len(plan.stages) * math.ceil(plan.stage_seconds / plan.check_seconds)
    if elapsed > plan.stage_seconds:
        waits = (len(plan.approvals) * plan.approval_seconds + plan.bake_seconds) / plan.check_seconds
        on_look = _ON_LOOKS * _ON_WAITS / max(planned, math.ceil(waits))
    else:
        on_look = _ON_LOOKS * (1 - _ON_WAITS) / planned
    return on_look + ((1 - _ON_LOOKS) * stage_weight(plan, number) if entered else 0.0)


def total_log_e(plan: CanaryPlan, log_harm: Mapping[str, float]) -> float:
    """Return log e of "the candidate harms anything": the mean over guardrails, weighted by their shares.

    A mean of e-values is one, whatever their dependence (Vovk and Wang, "E-values: calibration, combination and
    applications", Ann. Stat. 49, 2021), so it may be compared with 1/alpha as a whole; one guardrail that reaches
    1/alpha divided by its share is enough, and several that nearly do are too.
    """
    whole = sum([each.share for each in plan.guardrails])
    return log_sum([math.log(each.share / whole) + log_harm[each.metric] for each in plan.guardrails])


@functools.lru_cache(maxsize=32)
def certain_log_e(plan: CanaryPlan) -> Mapping[str, float]:
    """Return, per guardrail, the log e-value from which on harm to it alone is certain."""
    return MappingProxyType({each.metric: -math.log(alpha_of(plan, each)) for each in plan.guardrails})


def harmed(
    plan: CanaryPlan, certain: Mapping[str, float], before: tuple[str, ...], log_harm: Mapping[str, float]
) -> tuple[str, ...]:
    """Return the guardrails whose harm is certain now or was at an earlier look."""
    fired = [metric for metric, log_e in log_harm.items() if log_e >= certain[metric]]
    enough = -math.log(plan.alpha_rollback)
    # a mean is no more than its largest part
    if not fired and max(log_harm.values(), default=0.0) >= enough and total_log_e(plan, log_harm) >= enough:
        fired = [max(log_harm, key=lambda metric: log_harm[metric])]
    return tuple(dict.fromkeys((*before, *fired))) if fired else before
