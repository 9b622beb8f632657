"""The one place where evidence becomes a verdict.

    decide(plan, looks) = judge(plan, fold of update over the looks, from start)

The same looks give the same decision to the last bit, whoever asks: flow, guard, replay or simulation. The order
of the questions: is harm certain, is home alive, is there data, is traffic divided as it should be, is the absence of
harm proven, is time up. Harm that was certain once stays certain.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Literal

from firstflight.analysis.sample_ratio import ALPHA as RATIO_ALPHA
from firstflight.decision.evidence import Averaged, Counted, Evidence, Stage, Timed
from firstflight.decision.figures import metric_verdicts
from firstflight.decision.reasons import failing_sentence, harm_sentence, ratio_sentence, sentence, waiting
from firstflight.decision.verdicts import Decision, MetricVerdict, SampleRatio, Verdict
from firstflight.decision.weighing.budget import certain_log_e
from firstflight.decision.weighing.fold import ratio_log_e, start, update
from firstflight.decision.weighing.harm import sides
from firstflight.domain.plans import CanaryPlan
from firstflight.domain.samples import Look

__all__ = [
    "Decision", "Evidence", "MetricVerdict", "SampleRatio", "Verdict", "decide", "judge", "start", "update",
]  # fmt: skip


_HELD = "the split is held, home would be no better, and a person has to decide"


def decide(plan: CanaryPlan, looks: Sequence[Look], stable: str, candidate: str) -> Decision:
    """Return what all looks of a rollout so far, in order, allow to conclude.

    Raises:
        ValueError: A look is that of other arms.
    """
    return judge(
        plan, functools.reduce(lambda known, look: update(plan, known, look), looks, start(plan, stable, candidate))
    )


def judge(plan: CanaryPlan, evidence: Evidence) -> Decision:
    """Return what the evidence allows to conclude at its last look.

    Raises:
        ValueError: The evidence is that of another plan; one with other deadlines is the same plan.
    """
    evidence.refuse_another(plan)
    stage = evidence.stage
    if stage is None:
        return Decision(verdict=Verdict.CONTINUE, reasons=("no look has been taken yet",))
    metrics = metric_verdicts(plan, evidence)
    ratio = _judge_ratio(evidence, stage)
    verdict, reasons = _conclude(plan, evidence, stage, metrics, ratio)
    return Decision(
        verdict=verdict,
        reasons=(*reasons, evidence.ignored) if evidence.ignored else reasons,
        triggers=evidence.harmed,
        failing=evidence.failing,
        broken=_broken(plan, evidence) if verdict is Verdict.HOLD else (),
        metrics=metrics,
        sample_ratio=ratio,
        stage=stage.percent,
        at=evidence.at,
    )


def _conclude(
    plan: CanaryPlan,
    evidence: Evidence,
    stage: Stage,
    metrics: tuple[MetricVerdict, ...],
    ratio: SampleRatio,
) -> tuple[Verdict, tuple[str, ...]]:
    by_name = {metric.metric: metric for metric in metrics}
    failing = tuple([failing_sentence(by_name[name], evidence.home[name].failed) for name in evidence.failing])
    if evidence.harmed:
        return Verdict.ROLL_BACK, (*[harm_sentence(by_name[name]) for name in evidence.harmed], *failing)
    if held := _why_home_is_unsafe(plan, evidence, by_name, failing):
        return Verdict.HOLD, held
    if cause := _why_unanswerable(plan, evidence, ratio):
        return Verdict.INCONCLUSIVE, (cause,)
    if silence := _silence(evidence):
        return _waiting(plan, stage, (f"no data of the candidate for {silence:,.0f} s",))
    return _of_proof(plan, evidence, stage, by_name)


def _of_proof(
    plan: CanaryPlan, evidence: Evidence, stage: Stage, by_name: Mapping[str, MetricVerdict]
) -> tuple[Verdict, tuple[str, ...]]:
    """Return PROMOTE where everything has been shown that must be, and the stage has had its shortest time."""
    proving = [(guardrail, by_name[guardrail.metric]) for guardrail in plan.guardrails if guardrail.proves]
    unproven = [(each, shown) for each, shown in proving if shown.status not in {"proven", "not_applicable"}]
    if unproven or evidence.ignored:  # nothing is promoted on what was known before
        fewest = [(shown, each.proof_requests(plan.alpha_promote)) for each, shown in unproven]
        return _waiting(plan, stage, tuple(waiting(shown, least) for shown, least in fewest))
    if stage.warming_up or stage.elapsed < plan.min_stage_seconds:
        return _waiting(plan, stage, (f"nothing left to prove, but a stage lasts {plan.min_stage_seconds:,.0f} s",))
    proof = tuple(sentence(shown) for _, shown in proving if shown.status == "proven")
    return Verdict.PROMOTE, proof or (f"no guardrail asks for proof at {stage.percent} %, and none shows harm",)


def _why_home_is_unsafe(
    plan: CanaryPlan, evidence: Evidence, by_name: Mapping[str, MetricVerdict], failing: tuple[str, ...]
) -> tuple[str, ...]:
    """Return why the split is to be held and what the candidate shows of its limits; empty while stable is well."""
    silence = _stable_silence(plan, evidence)
    if failing:
        if both := tuple([sentence(by_name[name]) for name in _broken(plan, evidence)]):
            return (f"both models are failing, neither alone to blame: {_HELD}", *failing, *both)
        why = (f"stable is failing: {_HELD}", *failing)
    elif silence:
        why = (f"no data of stable for {silence:,.0f} s while the candidate answers; is it alive? {_HELD}",)
    else:
        return ()
    return (*why, *[sentence(by_name[each.metric]) for each in plan.guardrails if each.limit is not None])


def _broken(plan: CanaryPlan, evidence: Evidence) -> tuple[str, ...]:
    """Return the guardrails whose limit the candidate certainly breaks, whoever else does."""
    found = []
    for guardrail in plan.guardrails:
        known = evidence.metrics.get(guardrail.metric)
        if guardrail.limit is not None and isinstance(known, Counted | Timed | Averaged):
            limit = sides(guardrail, known, evidence.spent).limit
            if limit is not None and limit >= certain_log_e(plan)[guardrail.metric]:
                found.append(guardrail.metric)
    return tuple(found)


def _stable_silence(plan: CanaryPlan, evidence: Evidence) -> float:
    """Return for how long stable has shown nothing while the candidate did, once that is too long; else 0."""
    if evidence.until is None or evidence.stable_until is None or evidence.data_until is None:
        return 0.0
    silence = (evidence.until - evidence.stable_until).total_seconds()
    alone = evidence.data_until > evidence.stable_until and not _silence(evidence)
    return silence if alone and silence > plan.no_data_seconds else 0.0


def _why_unanswerable(plan: CanaryPlan, evidence: Evidence, ratio: SampleRatio) -> str:
    """Return why no amount of evidence would answer; empty when it might."""
    allowed = f"at most {plan.no_data_seconds:,.0f} s allowed"
    if (late := _lateness(evidence)) > plan.no_data_seconds and evidence.until is not None:
        until = f"{evidence.until:%H:%M:%S} UTC, {late:,.0f} s ago"
        return f"blind: requests are recorded up to {until}, {allowed}; is the collector running?"
    silence = _silence(evidence)
    if silence and silence + late > plan.no_data_seconds:
        doubt = "is the collector running" if late > silence else "is it receiving traffic"
        return f"blind: no data of the candidate for {silence + late:,.0f} s, {allowed}; {doubt}?"
    return ratio_sentence(ratio) if evidence.skewed else ""


def _waiting(plan: CanaryPlan, stage: Stage, reasons: tuple[str, ...]) -> tuple[Verdict, tuple[str, ...]]:
    """Return CONTINUE with the reasons, or INCONCLUSIVE once the stage has had its longest time."""
    if stage.elapsed >= plan.stage_seconds:
        allowed = f"at most {plan.stage_seconds:,.0f} s allowed"
        late = f"undecided after {stage.elapsed:,.0f} s at {stage.percent} %, {allowed}"
        return Verdict.INCONCLUSIVE, (late, *reasons)
    note = f"{stage.elapsed:,.0f} of at most {plan.stage_seconds:,.0f} s at {stage.percent} %"
    return Verdict.CONTINUE, (f"{note}, warming up" if stage.warming_up else note, *reasons)


def _lateness(evidence: Evidence) -> float:
    """Return how many seconds the records are behind the clock."""
    return 0.0 if evidence.at is None or evidence.until is None else (evidence.at - evidence.until).total_seconds()


def _silence(evidence: Evidence) -> float:
    """Return for how many seconds of what is recorded the candidate has shown nothing."""
    if evidence.until is None or evidence.data_until is None:
        return 0.0
    return (evidence.until - evidence.data_until).total_seconds()


def _judge_ratio(evidence: Evidence, stage: Stage) -> SampleRatio:
    shares = {name: weight / 100 for name, weight in stage.weights.items() if weight > 0}
    status: Literal["ok", "mismatch", "not_observed"] = "ok" if stage.assignments else "not_observed"
    return SampleRatio(
        status="mismatch" if evidence.skewed else status,
        log_e=ratio_log_e(evidence),
        log_threshold=-math.log(RATIO_ALPHA),
        of=stage.divided,
        observed=stage.assignments,
        expected=shares,
    )
