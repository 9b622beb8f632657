"""Fitting: reproducible, stopped in time, loud when it fails."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from firstflight.domain.errors import TrainingFailedError
from firstflight.domain.plans import TrainingPlan
from firstflight.workloads.market.features.dataset import Dataset, Part
from firstflight.workloads.market.training.evaluation import area_under_roc
from firstflight.workloads.market.training.fit import fit, predict
from firstflight.workloads.market.training.trained import Epoch
from firstflight.workloads.market.training.variants import VARIANTS

LIGHT = VARIANTS["lightweight"]


def ignore(_: Epoch) -> None:
    """Take an epoch and do nothing."""


@pytest.mark.parametrize("name", ["baseline", "lightweight"])
def test_the_same_seed_gives_the_same_weights(learnable: Dataset, name: str) -> None:
    """Two fits of one plan agree in every bit and epoch; another seed gives other weights."""
    plan = TrainingPlan(max_epochs=2)
    first = fit(VARIANTS[name], learnable, plan, ignore)
    again = fit(VARIANTS[name], learnable, plan, ignore)
    other = fit(VARIANTS[name], learnable, plan.model_copy(update={"seed": 8}), ignore)
    assert (first.weights_digest, first.epochs) == (again.weights_digest, again.epochs)
    assert first.weights_digest != other.weights_digest


def test_what_can_be_learned_is_learned(learnable: Dataset) -> None:
    """On data with a signal the forecasts rank unseen rows almost perfectly."""
    fitted = fit(LIGHT, learnable, TrainingPlan(max_epochs=15), ignore)
    assert area_under_roc(predict(fitted.network, learnable.test.x), learnable.test.y) > 0.9


def test_the_random_state_of_the_process_is_left_alone(learnable: Dataset) -> None:
    """A fit neither depends on the global random state nor moves it."""
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = fit(LIGHT, learnable, TrainingPlan(max_epochs=1), ignore)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    assert first.weights_digest == fit(LIGHT, learnable, TrainingPlan(max_epochs=1), ignore).weights_digest


def test_it_stops_when_validation_gets_no_better(learnable: Dataset) -> None:
    """On labels that are noise it ends `patience` epochs after the best one, and keeps that one."""
    noise = np.random.default_rng(1).integers(0, 2, len(learnable.train)).astype(np.float32)
    data = replace(learnable, train=replace(learnable.train, y=noise))
    seen: list[Epoch] = []
    fitted = fit(LIGHT, data, TrainingPlan(max_epochs=60, patience=2), seen.append)
    assert tuple(seen) == fitted.epochs
    assert fitted.best_epoch + 2 == len(fitted.epochs)
    best = fitted.epochs[fitted.best_epoch - 1]
    p = predict(fitted.network, data.validation.x)
    assert best.validation_auc == pytest.approx(area_under_roc(p, data.validation.y), abs=1e-12)
    assert best.validation_loss < fitted.epochs[-1].validation_loss + 1e-4


def test_a_loss_that_is_not_finite_fails(learnable: Dataset) -> None:
    """NaN among the features is a failed training that says which epoch and why."""
    x = learnable.train.x.copy()
    x[0, 0, 0] = np.nan
    with pytest.raises(TrainingFailedError, match="lightweight: epoch 1 has training loss nan"):
        fit(LIGHT, replace(learnable, train=replace(learnable.train, x=x)), TrainingPlan(max_epochs=1), ignore)


@pytest.mark.parametrize("name", ["train", "validation"])
def test_an_empty_part_fails(learnable: Dataset, name: str) -> None:
    """A part without rows is named."""
    part: Part = getattr(learnable, name)
    empty = Part(part.x[:0], part.y[:0], part.forward_return[:0], part.symbol[:0], part.date[:0])
    with pytest.raises(TrainingFailedError, match=f"the {name}.* part is empty"):
        fit(LIGHT, replace(learnable, **{name: empty}), TrainingPlan(), ignore)
