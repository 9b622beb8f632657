"""A world: everything that is true of a service but the fault."""

from dataclasses import dataclass, field

from benchmarks.worlds.blocks import Blocks
from benchmarks.worlds.courses import Draw, steady
from benchmarks.worlds.latencies import Lognormal, Shape
from benchmarks.worlds.payoffs import Even, Payoff
from benchmarks.worlds.routing import PerRequest, Routing


@dataclass(frozen=True)
class Model:
    """How one model answers.

    `errors` is the chance of failing, `p95` in milliseconds, `added` milliseconds more for every answer, `accuracy`
    the chance of being right. An `inverted` model predicts the opposite of what it means. `lean` is the share of wrong
    answers that are positive.
    """

    errors: float = 0.001
    p95: float = 80.0
    added: float = 0.0
    accuracy: float = 0.9
    inverted: bool = False
    lean: float = 0.5


@dataclass(frozen=True)
class Labels:
    """Truth arrives `after` seconds: after each answer, or `with_block` when the block of some seconds is over."""

    after: float = 5.0
    with_block: bool = False


@dataclass(frozen=True)
class World:
    """One service. Without a fault the candidate is as good as the stable model in every metric.

    `candidate` is None where both models are alike. `mirrored` says that every unit is asked of both models, whoever
    answers the client. People take `approval` seconds to answer.
    """

    name: str
    about: str
    course: Draw = field(default=steady(20.0))
    model: Model = Model()
    candidate: Model | None = None
    latency: Shape = field(default=Lognormal(0.5))
    payoff: Payoff = field(default=Even())
    blocks: Blocks = field(default=Blocks())
    routing: Routing = field(default=PerRequest())
    labels: Labels = Labels()
    mirrored: bool = False
    approval: int = 60

    def __post_init__(self) -> None:
        leans = self.model.lean != 0.5 or (self.candidate is not None and self.candidate.lean != 0.5)
        if leans and self.blocks.icc:
            raise ValueError(f"world {self.name!r}: a model that leans cannot share the luck of a block")
        if self.labels.with_block and self.blocks.seconds is None:
            raise ValueError(f"world {self.name!r}: labels wait for the end of a block, but blocks have no seconds")
