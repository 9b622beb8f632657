"""The offline gate: whether a variant is worth showing to live traffic, by the validation part alone."""

from firstflight.workloads.workload import Evaluation, GateResult

ALLOWED_ACCURACY = 0.05
ALLOWED_LOG_LOSS = 0.15
"""How much worse than the reference a candidate may be: 5 points of the digits, and what halving half a bit costs."""


def judge(candidate: Evaluation, reference: Evaluation | None) -> GateResult:
    """Every variant must know more than the commonest digit; one with a reference must be about as good."""
    accuracy, commonest = _number(candidate, "accuracy"), _number(candidate, "commonest")
    ok = accuracy > commonest
    answers = [(ok, f"accuracy {accuracy:.4f} {'is' if ok else 'is not'} above {commonest:.4f}, the commonest digit's")]
    if reference is not None:
        answers += [
            _not_worse("accuracy", candidate, reference, ALLOWED_ACCURACY, sign=-1),
            _not_worse("log_loss", candidate, reference, ALLOWED_LOG_LOSS, sign=1),
        ]
    verdict = {True: "passed", False: "refused"}
    return GateResult(
        passed=all(ok for ok, _ in answers), reasons=tuple(f"{verdict[ok]}: {why}" for ok, why in answers)
    )


def _not_worse(
    name: str, candidate: Evaluation, reference: Evaluation, allowed: float, *, sign: int
) -> tuple[bool, str]:
    ours, theirs = _number(candidate, name), _number(reference, name)
    worse_by = sign * (ours - theirs)
    found = f"worse than the reference's {theirs:.4f} by {worse_by:.4f}"
    if worse_by <= 0:
        found = f"not worse than the reference's {theirs:.4f}"
    return worse_by <= allowed, f"{name.replace('_', ' ')} {ours:.4f} is {found}, allowed {allowed}"


def _number(figures: Evaluation, name: str) -> float:
    found = figures[name]
    assert isinstance(found, float)  # noqa: S101 - `fit` put it there
    return found
