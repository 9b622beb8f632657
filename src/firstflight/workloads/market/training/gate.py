"""The offline gate: whether a trained candidate is worth showing to live traffic.

It judges the validation part only. The test part is reported beside it and decides nothing, so
that it stays untouched. Accuracy and raw profit decide nothing either: where most days are up, a
model that always says "up" has the best accuracy, and profit rises with exposure, not with skill.
"""

from dataclasses import dataclass

from firstflight.workloads.market.training.evaluation import Evaluation, Scores
from firstflight.workloads.workload import GateResult

SKILL_AUC = 0.5
ONE_CLASS_SHARE = 0.97
ONE_CLASS_MCC = 0.01
"""A model that says the same on over 97 % of the rows and does not correlate with the outcome is a constant."""


@dataclass(frozen=True)
class Margin:
    """How much worse than the reference a candidate may be, in the metric's unit."""

    metric: str
    label: str
    allowed: float
    higher_is_better: bool = True


MARGINS = (
    Margin("auc", "AUC", 0.010),
    Margin("mcc", "MCC", 0.020),
    Margin("brier", "Brier score", 0.001, higher_is_better=False),
    Margin("sharpe", "Sharpe ratio", 0.25),
)
"""Non-inferiority margins, fixed before a variant was first trained on the packaged data.

An AUC of 0.010 is a third of what the baseline has above chance; a Brier score of 0.001 is what a
shift of all probabilities by 0.03 costs. One seed more or less moves a design as far as that (AUC
0.517 to 0.536 over five seeds of the baseline), so the gate keeps out what is plainly worse; it
does not say which of two close designs is better.
"""


def judge(candidate: Evaluation, reference: Evaluation | None) -> GateResult:
    """Judge `candidate` by its validation part, against the reference's; none: it is the reference itself.

    Every candidate must rank better than chance and must not be a constant. One with a reference
    must not be worse than it by more than the margin on any of AUC, MCC, Brier score and Sharpe.
    """
    answers = [_is_no_constant(candidate.scores), _ranks(candidate.scores)]
    if reference is not None:
        answers += [_is_not_worse(margin, candidate, reference) for margin in MARGINS]
    return GateResult(passed=all(ok for ok, _ in answers), reasons=tuple(reason for _, reason in answers))


def _is_no_constant(scores: Scores) -> tuple[bool, str]:
    one_class = not 1 - ONE_CLASS_SHARE <= scores.up_share <= ONE_CLASS_SHARE
    degenerate = one_class and abs(scores.mcc) < ONE_CLASS_MCC
    figures = f"it says up on {scores.up_share:.1%} of the rows with MCC {scores.mcc:+.4f}"
    if degenerate:
        return False, f"refused: it is a constant: {figures} (limits {ONE_CLASS_SHARE:.0%} and {ONE_CLASS_MCC})"
    return True, f"passed: it is no constant: {figures}"


def _ranks(scores: Scores) -> tuple[bool, str]:
    ok = scores.auc > SKILL_AUC
    return ok, f"{_VERDICT[ok]}: AUC {scores.auc:.4f} {'is' if ok else 'is not'} above chance ({SKILL_AUC})"


def _is_not_worse(margin: Margin, candidate: Evaluation, reference: Evaluation) -> tuple[bool, str]:
    ours, theirs = _figure(margin.metric, candidate), _figure(margin.metric, reference)
    worse_by = theirs - ours if margin.higher_is_better else ours - theirs
    ok = worse_by <= margin.allowed
    comparison = (
        f"worse than the reference's {theirs:.4f} by {worse_by:.4f}"
        if worse_by > 0
        else (f"not worse than the reference's {theirs:.4f}")
    )
    return ok, f"{_VERDICT[ok]}: {margin.label} {ours:.4f} is {comparison}, allowed {margin.allowed}"


def _figure(metric: str, evaluation: Evaluation) -> float:
    found: float = getattr(evaluation.trading if metric == "sharpe" else evaluation.scores, metric)
    return found


_VERDICT = {True: "passed", False: "refused"}
