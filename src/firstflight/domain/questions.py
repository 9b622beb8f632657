"""What clients ask a model, and what later turns out to be true."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # whoever goes home reads what was recorded, and has no time for numpy
    import numpy as np
    from numpy.typing import NDArray
    from pydantic import JsonValue


@dataclass(frozen=True)
class Question:
    """One prediction request of the held-out period, with its truth kept aside.

    `unit` names what is asked about, once however often it is asked; units of one `block` share
    their luck (they are correlated, so a block is one observation for anything averaged over units).
    `inputs` are the tensors sent, float64, each with a leading batch dimension of 1.
    `truth` is what the workload's score understands: of a positive class 1.0 when it came true, else 0.0. `payoff` is
    what acting on a positive prediction earned (a return, costs taken off), where that means something.
    """

    unit: str
    block: str
    inputs: "dict[str, NDArray[np.float64]]"
    truth: "JsonValue"
    payoff: float | None = None
