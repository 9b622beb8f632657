"""Scanned digits as a workload: ten classes, and nothing of finance."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from firstflight.domain.errors import InvalidPlanError
from firstflight.domain.plans import Guardrail, TrainingPlan
from firstflight.settings import Settings
from firstflight.workloads.digits.gate import judge
from firstflight.workloads.one_by_one import Fitted, one_by_one
from firstflight.workloads.scores import ACCURACY, LOG_LOSS, class_accuracy, log_loss, together
from firstflight.workloads.workload import Workload

if TYPE_CHECKING:
    from firstflight.domain.questions import Question

REFERENCE, LOGISTIC = "boosted", "logistic"
INPUT = "input"
CLASSES = 10


def fit(variant: str, plan: TrainingPlan, folder: Path) -> Fitted:
    """Fit one variant; what that needs is imported then."""
    from firstflight.workloads.digits.fit import fit as fit_by_sklearn  # noqa: PLC0415 - as above

    return fit_by_sklearn(variant, plan, folder)


def questions(settings: Settings, data: str | None) -> "Iterator[Question]":
    """Ask about each scan of the test part; its truth is what it shows, 0 to 9."""
    from firstflight.domain.questions import Question  # noqa: PLC0415 - numpy comes with the data
    from firstflight.workloads.digits.data import load_digits  # noqa: PLC0415 - as above

    del settings
    if data is not None:
        raise InvalidPlanError(f"the workload digits has no data but scikit-learn's; leave out data {data!r}")
    test = load_digits().test
    for number, (scan, shown) in enumerate(zip(test.scans, test.shown, strict=True)):
        unit = f"scan-{number}"
        yield Question(unit=unit, block=unit, inputs={INPUT: scan[None]}, truth=int(shown))


def likeliest(answer: JsonValue) -> JsonValue:
    """Return the digit with the largest of ten probabilities."""
    return next(digit for digit in range(CLASSES) if class_accuracy(answer, digit, None)["accuracy"])


WORKLOAD = Workload(
    name="digits",
    metrics=(ACCURACY, LOG_LOSS),
    score=together(class_accuracy, log_loss),
    model="digits",
    guardrails=(
        Guardrail(metric="error_rate", limit=0.01),
        Guardrail(metric="latency", limit=200.0, quantile=0.95),
        Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05),
        Guardrail(metric="refused_rate", tolerance=0.01, proves=False, share=0.25),
    ),
    variants=(REFERENCE, LOGISTIC),
    reference=REFERENCE,
    weights={REFERENCE: 60, LOGISTIC: 40},
    shadow=LOGISTIC,
    trains=one_by_one(REFERENCE, fit, judge),
    believes=likeliest,
    asks=questions,
)
