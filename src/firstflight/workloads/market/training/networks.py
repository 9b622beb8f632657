"""The networks, built from a design."""

import torch
from torch import nn

from firstflight.workloads.market.training.variants import Variant


class Attention(nn.Module):
    """Additive attention over time (Bahdanau et al. 2015): [B, T, H] → [B, H], a weighted mean of the steps."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(hidden, hidden // 2), nn.Tanh(), nn.Linear(hidden // 2, 1, bias=False))

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        """Return the mean of `steps` under softmax weights of their scores."""
        weights = torch.softmax(self.score(steps), dim=1)
        return (weights * steps).sum(dim=1)


class DirectionNetwork(nn.Module):
    """LSTM over [B, T, features], then one logit [B]: the log-odds that the next close is higher."""

    def __init__(self, variant: Variant, features: int) -> None:
        super().__init__()
        between = variant.dropout if variant.layers > 1 else 0.0  # PyTorch drops out between layers only
        self.lstm = nn.LSTM(features, variant.hidden, variant.layers, dropout=between, batch_first=True)
        self.attention = Attention(variant.hidden) if variant.attention else None
        self.dropout = nn.Dropout(variant.dropout)
        self.head = nn.Linear(variant.hidden, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logit of each window."""
        steps, _ = self.lstm(x)
        context = steps[:, -1] if self.attention is None else self.attention(steps)
        logit: torch.Tensor = self.head(self.dropout(context)).squeeze(-1)
        return logit


class ProbabilityNetwork(nn.Module):
    """What is served: the same network, answering with a probability in (0, 1)."""

    def __init__(self, network: DirectionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the probability [B] that the next close is higher."""
        return torch.sigmoid(self.network(features))
