"""What goes wrong, with whom, and what a client sees of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from benchmarks.worlds.events import CANDIDATE, STABLE
from benchmarks.worlds.world import Model

Change = Callable[[Model], Model]
Harm = Literal["failed", "slow", "wrong"]

LIMIT_ERRORS, LIMIT_P95, MARGIN_ACCURACY, MARGIN_MEAN = 0.01, 200.0, 0.05, 20.0
"""What the default plan allows, and the milliseconds of mean latency that `plans` may add to it."""


@dataclass(frozen=True)
class Fault:
    """`changes` says, by arm, what becomes of a model; `harm` what is wrong with the answers of those arms.

    `margin` names the metric that the fault puts exactly where the plan draws the line: nothing may be proven of it.
    """

    name: str
    about: str
    changes: dict[int, Change]
    harm: Harm | None = None
    margin: str | None = None


def _candidate(name: str, about: str, harm: Harm, change: Change) -> Fault:
    return Fault(name, about, {CANDIDATE: change}, harm)


def _fewer_right(points: float) -> Change:
    return lambda model: replace(model, accuracy=model.accuracy - points / 100)


def _dead(model: Model) -> Model:
    return replace(model, errors=1.0, p95=model.p95 / 10)


def _outage(model: Model) -> Model:
    return replace(model, errors=0.05)


def _at_limit_errors(model: Model) -> Model:
    return replace(model, errors=LIMIT_ERRORS)


def _at_limit_latency(model: Model) -> Model:
    return replace(model, p95=LIMIT_P95)


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("none", "nothing is wrong", {}),
        _candidate("errors-2", "2 % of the candidate's requests fail", "failed", lambda m: replace(m, errors=0.02)),
        _candidate("errors-5", "5 % of the candidate's requests fail", "failed", lambda m: replace(m, errors=0.05)),
        _candidate("p95-250", "the candidate's p95 becomes 250 ms", "slow", lambda m: replace(m, p95=250.0)),
        _candidate("accuracy-5", "the candidate is right 5 points less often", "wrong", _fewer_right(5)),
        _candidate("accuracy-20", "the candidate is right 20 points less often", "wrong", _fewer_right(20)),
        _candidate("accuracy-30", "the candidate is right 30 points less often", "wrong", _fewer_right(30)),
        _candidate("inverted", "the candidate says the opposite", "wrong", lambda m: replace(m, inverted=True)),
        _candidate("all-fail", "every request of the candidate fails, at once", "failed", _dead),
        Fault("stable-dead", "every request of the stable model fails, at once", {STABLE: _dead}, "failed"),
        Fault(
            "outside",
            "5 % of both models' requests fail, from one cause",
            {STABLE: _outage, CANDIDATE: _outage},
            "failed",
        ),
        Fault(
            "errors-at-limit",
            "exactly 1 % of the requests of both models fail",
            {STABLE: _at_limit_errors, CANDIDATE: _at_limit_errors},
            "failed",
            margin="error_rate",
        ),
        Fault(
            "p95-at-limit",
            "both models' p95 is exactly 200 ms",
            {STABLE: _at_limit_latency, CANDIDATE: _at_limit_latency},
            "slow",
            margin="latency",
        ),
        Fault(
            "accuracy-at-margin",
            "the candidate is right exactly 5 points less often",
            {CANDIDATE: _fewer_right(100 * MARGIN_ACCURACY)},
            "wrong",
            margin="accuracy",
        ),
        Fault(
            "mean-at-margin",
            "every answer of the candidate takes exactly 20 ms longer (needs `--also latency_mean`)",
            {CANDIDATE: lambda m: replace(m, added=MARGIN_MEAN)},
            "slow",
            margin="latency_mean",
        ),
    )
}
