"""The networks of the three designs."""

import pytest
import torch

from firstflight.workloads.market.training.networks import DirectionNetwork, ProbabilityNetwork
from firstflight.workloads.market.training.variants import VARIANTS


@pytest.mark.parametrize(("name", "features", "parameters"), [("baseline", 8, 52_289), ("lightweight", 8, 5_409)])
def test_designs_have_their_size(name: str, features: int, parameters: int) -> None:
    """The numbers of parameters are those of the designs that were measured, less two of their three heads."""
    network = DirectionNetwork(VARIANTS[name], features)
    assert parameters == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("name", sorted(VARIANTS))
@pytest.mark.parametrize("batch", [1, 5])
def test_one_probability_per_window(name: str, batch: int) -> None:
    """Every design answers one number in (0, 1) per window, a batch of one included."""
    network = ProbabilityNetwork(DirectionNetwork(VARIANTS[name], 4)).eval()
    answer = network(torch.randn(batch, 10, 4))
    assert (batch,) == tuple(answer.shape)
    assert ((answer > 0) & (answer < 1)).all()


def test_only_enhanced_attends() -> None:
    """Attention belongs to the enhanced design, and its weights let every step count."""
    assert ["enhanced"] == [name for name, variant in VARIANTS.items() if variant.attention]
    network = DirectionNetwork(VARIANTS["enhanced"], 4).eval()
    window = torch.randn(1, 10, 4, requires_grad=True)
    network(window).backward()
    assert window.grad is not None
    assert (window.grad.abs().sum(dim=2) > 0).all()
