"""The files with which a workload of one's own begins: a module, two plans and a test."""

import keyword

from pydantic import TypeAdapter, ValidationError

from firstflight.domain.versions import DnsLabel

_MODULE = '''"""What MODEL is about: what its answers are worth once the truth is known."""

from firstflight.domain.plans import OF_SERVING, Guardrail
from firstflight.workloads.scores import ACCURACY, class_accuracy
from firstflight.workloads.workload import Workload

WORKLOAD = Workload(
    name="MODEL",
    model="MODEL",
    # What a truth tells of an answer: here a class is right or wrong. `firstflight.workloads.scores` has the squared
    # error of numbers and the Brier score of probabilities; one of your own is a function
    # (prediction, truth, payoff) -> {metric: value}, with a Metric for each value it tells.
    metrics=(ACCURACY,),
    score=class_accuracy,
    # What no candidate may spoil, where a plan says nothing of it: OF_SERVING is errors, latency and refusals.
    guardrails=(*OF_SERVING, Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05)),
    # Left out, so its models come ready-made out of a registry (`firstflight adopt`), your clients ask them and tell
    # the truths, and a plan of an A/B test says weights and control. A workload may also have variants, train and judge
    # them (`trains`) and know what to ask (`asks`): `firstflight.workloads.digits` has all of it.
)
'''

_CANARY = """# A canary of MODEL: `firstflight plan MODEL-canary.yaml --rate 50` says what it can answer.
# No candidate is named, so it is the challenger: whom `firstflight adopt` registered last.
model: MODEL
workload: MODULE:WORKLOAD
stages: [5, 25, 50, 100]  # its share of requests, in percent
approvals: [50]           # a person is asked before this one
stage_seconds: 1800       # a stage that is undecided by then goes home
min_stage_seconds: 300
check_seconds: 15
bake_seconds: 900         # so long the model before it stays loaded
guardrails:
  # Home once certainly beyond 1 %, or worse than stable; on once certainly not 5 points worse.
  - {metric: error_rate, limit: 0.01, margin: 0.05}
  # 95 of 100 answers within 200 ms.
  - {metric: latency, limit: 200, quantile: 0.95}
  - {metric: accuracy, direction: higher_is_better, margin: 0.05}
  # Home when it refuses more of the questions than the one before it: they do not fit its signature.
  - {metric: refused_rate, tolerance: 0.01, proves: false}
"""

_AB_TEST = """# An A/B test of MODEL: `firstflight plan MODEL-ab-test.yaml --rate 50` says how long it takes.
model: MODEL
workload: MODULE:WORKLOAD
# Variants as `firstflight adopt --variant` called them, the newest version of each; their shares add up to 100.
weights: {current: 50, new: 50}
control: current          # whom the others are compared with
requests: 20000
seconds: 7200             # the longest time to wait for them
check_seconds: 15
guardrails:
  - {metric: error_rate, limit: 0.01}
  - {metric: latency, limit: 200, quantile: 0.95}
  - {metric: accuracy, direction: higher_is_better, margin: 0.05}
  - {metric: refused_rate, tolerance: 0.01, proves: false}
"""

_TEST = '''"""The workload MODEL: its scores say what they should, and its plans are valid.

Run it with `python -m pytest test_MODULE.py`.
"""

from pathlib import Path

from firstflight.cli.plan_files import plan_from
from firstflight.domain.plans import ABTestPlan, CanaryPlan
from firstflight.workloads.find import find

HERE = Path(__file__).parent
WORKLOAD = find("MODULE:WORKLOAD")


def test_an_answer_is_worth_what_came_true():
    """One for the right class, nothing for a wrong one."""
    assert WORKLOAD.score("stays", "stays", None) == {"accuracy": 1.0}
    assert WORKLOAD.score("stays", "leaves", None) == {"accuracy": 0.0}


def test_the_plans_are_about_it():
    """Both are valid, and watch nothing that it does not tell."""
    told = {metric.name for metric in WORKLOAD.metrics} | {"error_rate", "latency", "refused_rate", "timeout_rate"}
    for kind, file in ((CanaryPlan, "MODEL-canary.yaml"), (ABTestPlan, "MODEL-ab-test.yaml")):
        plan = plan_from(kind, HERE / file, ())
        assert plan.model == WORKLOAD.model
        assert {guardrail.metric for guardrail in plan.guardrails} <= told
'''


def skeleton(name: str) -> dict[str, str]:
    """Return the files of a workload for the model `name`, by their names.

    Raises ValueError when `name` cannot be both a route and a module of Python.
    """
    module = module_of(name)
    try:
        TypeAdapter(DnsLabel).validate_python(name)
    except ValidationError as error:
        raise ValueError(
            f"{name!r} is no name for a model, which is also its route: up to 40 of a-z, 0-9 and -, such as churn"
        ) from error
    if not module.isidentifier() or keyword.iskeyword(module):
        raise ValueError(f"{name!r} cannot name a module of Python; begin with another word, such as my-{name}")
    files = {
        f"{module}.py": _MODULE,
        f"{name}-canary.yaml": _CANARY,
        f"{name}-ab-test.yaml": _AB_TEST,
        f"test_{module}.py": _TEST,
    }
    return {file: text.replace("MODULE", module).replace("MODEL", name) for file, text in files.items()}


def module_of(name: str) -> str:
    """Return the module that holds the workload of the model `name`."""
    return name.replace("-", "_")
