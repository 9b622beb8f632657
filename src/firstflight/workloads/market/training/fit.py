"""Fit one network to one dataset: seeded, single-threaded, stopped early on the validation loss."""

import copy
import hashlib
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from firstflight.domain.errors import TrainingFailedError
from firstflight.domain.plans import TrainingPlan
from firstflight.workloads.market.features.dataset import Dataset, Part
from firstflight.workloads.market.training.evaluation import area_under_roc
from firstflight.workloads.market.training.networks import DirectionNetwork
from firstflight.workloads.market.training.trained import Epoch, OnEpoch
from firstflight.workloads.market.training.variants import Variant

LEARNING_RATE = 1e-3
WEIGHT_DECAY = 1e-4
BATCH = 512
PREDICTION_BATCH = 4096
MIN_IMPROVEMENT = 1e-4
"""A smaller fall of the validation loss is noise and does not count as an improvement."""


@dataclass(frozen=True)
class Fitted:
    """The network of the best epoch, and every epoch on the way. `weights_digest` is equal for equal weights."""

    network: DirectionNetwork
    epochs: tuple[Epoch, ...]
    best_epoch: int
    weights_digest: str


def fit(variant: Variant, dataset: Dataset, plan: TrainingPlan, on_epoch: OnEpoch) -> Fitted:
    """Fit `variant` by Adam on the cross-entropy and return the epoch with the lowest validation loss (to 0.0001).

    Stops when `plan.patience` epochs in a row brought no improvement. The same plan and data give
    the same weights: one thread, and every random number from `plan.seed`. Torch's thread count is
    set for the whole process, its global random state is left as it was.

    Raises:
        TrainingFailedError: A part is empty or a loss is not finite.
    """
    for name, part in (("training", dataset.train), ("validation", dataset.validation)):
        if len(part) == 0:
            raise TrainingFailedError(f"{variant.name}: the {name} part is empty")
    torch.set_num_threads(1)  # more threads make sums of floats, and so the weights, depend on the schedule
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        return _descend(variant, dataset, plan, on_epoch)


def predict(network: DirectionNetwork, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the probability of a higher close [N] for windows [N, T, F]."""
    network.eval()
    with torch.no_grad():
        logits = [network(torch.from_numpy(x[i : i + PREDICTION_BATCH])) for i in range(0, len(x), PREDICTION_BATCH)]
    return torch.sigmoid(torch.cat(logits)).numpy().astype(np.float64)


def _descend(variant: Variant, dataset: Dataset, plan: TrainingPlan, on_epoch: OnEpoch) -> Fitted:
    x, y = torch.from_numpy(dataset.train.x), torch.from_numpy(dataset.train.y)
    network = DirectionNetwork(variant, x.shape[-1])
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    loss_of = nn.BCEWithLogitsLoss()
    epochs: list[Epoch] = []
    best = math.inf
    best_epoch, best_weights = 0, network.state_dict()
    for number in range(1, plan.max_epochs + 1):
        network.train()
        total = 0.0
        for rows in torch.split(torch.randperm(len(x)), BATCH):
            optimizer.zero_grad()
            loss = loss_of(network(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        epoch = _judged(variant, number, total / len(x), network, dataset.validation)
        epochs.append(epoch)
        on_epoch(epoch)
        if epoch.validation_loss < best - MIN_IMPROVEMENT:
            best, best_epoch, best_weights = epoch.validation_loss, number, copy.deepcopy(network.state_dict())
        elif number - best_epoch >= plan.patience:
            break
    network.load_state_dict(best_weights)
    network.eval()
    return Fitted(network, tuple(epochs), best_epoch, _weights_digest(network))


def _judged(variant: Variant, number: int, train_loss: float, network: DirectionNetwork, validation: Part) -> Epoch:
    p = predict(network, validation.x)
    eps = np.finfo(np.float32).eps
    clipped = np.clip(p, eps, 1 - eps)
    validation_loss = float(-np.mean(np.where(validation.y > 0, np.log(clipped), np.log1p(-clipped))))
    if not (math.isfinite(train_loss) and math.isfinite(validation_loss)):
        raise TrainingFailedError(
            f"{variant.name}: epoch {number} has training loss {train_loss} and validation loss {validation_loss}, "
            "both must be finite; does the data hold NaN or flat prices?"
        )
    return Epoch(
        number=number,
        train_loss=train_loss,
        validation_loss=validation_loss,
        validation_auc=area_under_roc(p, validation.y),
    )


def _weights_digest(network: nn.Module) -> str:
    whole = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        whole.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        whole.update(tensor.numpy().tobytes())
    return f"sha256:{whole.hexdigest()}"
