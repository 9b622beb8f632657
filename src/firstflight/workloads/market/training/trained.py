"""What training leaves behind: frozen values that travel as JSON. Nothing here needs torch."""

from collections.abc import Callable
from pathlib import Path

from firstflight.domain.values import Value
from firstflight.workloads.market.training.evaluation import Evaluation
from firstflight.workloads.workload import GateResult, TrainedModel


class Epoch(Value):
    """One pass over the training part and what the validation part said after it; `number` starts at 1."""

    number: int
    train_loss: float
    validation_loss: float
    validation_auc: float


OnEpoch = Callable[[Epoch], None]


class Origin(Value):
    """Where a model comes from."""

    model: str
    variant: str
    seed: int
    training_data_hash: str
    git_commit: str
    weights_digest: str


class FittedVariant(Origin):
    """One variant fitted, evaluated and exported to `artifact`; the gate has not been asked yet.

    `wall_seconds` and `cpu_seconds` cover fitting, evaluation and export, not the start of the process.
    """

    artifact: Path
    features: tuple[str, ...]
    parameters: int
    training_rows: int
    epochs: tuple[Epoch, ...]
    best_epoch: int
    validation: Evaluation
    test: Evaluation
    wall_seconds: float
    cpu_seconds: float


class TrainedVariant(FittedVariant):
    """One variant ready to be registered, or refused by the gate. `run` is its run in the tracker."""

    gate: GateResult
    run: str | None

    @property
    def tags(self) -> dict[str, str]:
        """Tags to register the artifact with."""
        tags = {
            "training_data_hash": self.training_data_hash,
            "git_commit": self.git_commit,
            "weights_digest": self.weights_digest,
            "seed": str(self.seed),
            "gate": "passed" if self.gate.passed else "refused",
            "gate_reasons": "\n".join(self.gate.reasons),
        }
        return tags if self.run is None else {**tags, "mlflow_run": self.run}

    @property
    def told(self) -> TrainedModel:
        """What everybody else needs to know of it; of the figures the gate's part first, the untouched test part."""
        v, t = self.validation, self.test
        return TrainedModel(
            model=self.model,
            variant=self.variant,
            artifact=self.artifact,
            gate=self.gate,
            validation=v.model_dump(mode="json"),
            tags=self.tags,
            parameters=self.parameters,
            shown={
                "AUC": f"{v.scores.auc:.4f}",
                "MCC": f"{v.scores.mcc:+.4f}",
                "Brier": f"{v.scores.brier:.4f}",
                "Sharpe": f"{v.trading.sharpe:.2f}",
                "test AUC": f"{t.scores.auc:.4f}",
                "test Sharpe": f"{t.trading.sharpe:.2f}",
                "CPU s": f"{self.cpu_seconds:.0f}",
            },
        )
