"""Train variants one after another in this process: all that a workload adds is how one is fitted and judged."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from firstflight.domain.plans import TrainingPlan
from firstflight.workloads.tracking import TrackedRun, ending
from firstflight.workloads.workload import Evaluation, GateResult, TrainedModel, Training, Trains

CARD = "model_card.md"


@dataclass(frozen=True)
class Fitted:
    """A variant whose served files lie in a folder.

    Attributes:
        validation: Figures by name on the part that the gate judges; the test part's are told beside and decide
            nothing.
        data_digest: Of exactly the data it was trained on.
        about: Markdown: what it is, what it was trained on, what it is not for.
        parameters: Its size: what an answer costs. None: not known.
    """

    validation: Mapping[str, float]
    test: Mapping[str, float]
    data_digest: str
    about: str
    parameters: int | None = None


Fit = Callable[[str, TrainingPlan, Path], Fitted]
"""Fit a variant by a plan and write what is served to a folder that is not there yet; TrainingFailedError if not."""
Judge = Callable[[Evaluation, Evaluation | None], GateResult]
"""Judge a candidate's figures beside the reference's; None: it is the reference, or there is none."""


def one_by_one(reference: str, fit: Fit, judge: Judge) -> Trains:
    """Return what trains a plan's variants: `reference` first, each in a run of its own in the tracker."""

    def trains(plan: TrainingPlan, training: Training) -> tuple[TrainedModel, ...]:
        against = training.reference
        found: dict[str, TrainedModel] = {}
        for variant in sorted(plan.variants, key=lambda name: name != reference):
            beside = None if variant == reference else against
            with _tracked(variant, plan, training) as run:
                fitted = fit(variant, plan, training.folder / variant)
                found[variant] = _trained(variant, plan, training, fitted, judge(fitted.validation, beside), run)
            training.on_step(variant, plan.max_epochs, "trained")
            if variant == reference:
                against = found[variant].validation
        return tuple(found[variant] for variant in plan.variants)

    return trains


def _tracked(variant: str, plan: TrainingPlan, training: Training) -> AbstractContextManager[TrackedRun]:
    """Open a run for one variant while the block runs."""
    parameters = {name: str(value) for name, value in plan.model_dump(exclude={"model", "variants"}).items()}
    tags = {"git_commit": training.commit, "variant": variant}
    return ending(training.tracker.start(plan.model, variant, {"variant": variant, **parameters}, tags))


def _trained(
    variant: str, plan: TrainingPlan, training: Training, fitted: Fitted, gate: GateResult, run: TrackedRun
) -> TrainedModel:
    artifact = training.folder / variant
    figures = {
        f"{part} {name}": value
        for part, all_of in (("validation", fitted.validation), ("test", fitted.test))
        for name, value in all_of.items()
    }
    (artifact / CARD).write_text(_card(variant, plan, fitted, gate, figures), encoding="utf-8")
    logged = {name.replace(" ", "_"): value for name, value in figures.items()}
    run.log_figures({**logged, "gate_passed": float(gate.passed)})
    run.log_folder(artifact)
    tags = {
        "workload": plan.workload,
        "training_data_hash": fitted.data_digest,
        "git_commit": training.commit,
        "seed": str(plan.seed),
        "gate": "passed" if gate.passed else "refused",
        "gate_reasons": "\n".join(gate.reasons),
    }
    return TrainedModel(
        model=plan.model,
        variant=variant,
        artifact=artifact,
        gate=gate,
        validation=dict(fitted.validation),
        tags=tags if run.id is None else {**tags, "mlflow_run": run.id},
        parameters=fitted.parameters,
        shown={name: f"{value:.4g}" for name, value in figures.items()},
    )


def _card(variant: str, plan: TrainingPlan, fitted: Fitted, gate: GateResult, figures: Mapping[str, float]) -> str:
    reasons = "\n".join(f"- {reason}" for reason in gate.reasons)
    rows = "\n".join(f"| {name} | {value:.4g} |" for name, value in figures.items())
    return f"""# {plan.model}: {variant}

{fitted.about}

Seed {plan.seed}; hash of exactly the data used: `{fitted.data_digest}`.

## Offline gate (validation part): {"passed" if gate.passed else "refused"}
{reasons}

## Figures (the test part decides nothing)
| | |
|---|---|
{rows}
"""
