"""What is killed, where and when: drawn from a seed, so that a run can be continued and repeated."""

import random
from itertools import product
from typing import Literal

from benchmarks.faults.crossings import Doom
from firstflight.domain.values import Value

Kind = Literal["attempts", "flow", "parts"]

ROLLOUT_POINTS = (
    "append rollout.started",
    "hold lease",
    "append stage.intended",
    "set_traffic",
    "replace fences.json",
    "replace cds.json",
    "replace rds.json",
    "append stage.entered",
    "append check",
    "append stage.passed",
    "append promotion.intended",
    "set_alias",
    "append bake.started",
    "append rollout.promoted",
    "release lease",
)
"""Every transition of a rollout that nobody stops."""
HOME_POINTS = (
    "append driver.attached",
    "append rollback.intended",
    "go_home",
    "set_traffic",
    "replace fences.json",
    "replace rds.json",
    "surrender lease",
    "append rollout.rolled_back",
    "release lease",
)
"""Every transition of bringing it home: crossed by whoever takes over from the first that died, hook or guard."""
CONTROL = ("worker", "prefect", "postgres", "mlflow", "collector", "guard")
DATA = ("gateway", "model.stable", "model.candidate")


class Strike(Value):
    """Parts that are killed together, `pause` seconds after the last strike has been got over."""

    parts: tuple[str, ...]
    pause: float

    @property
    def is_data(self) -> bool:
        """Whether clients may meet it: the gateway or a model server dies."""
        return any(part in DATA for part in self.parts)


class Scenario(Value):
    """One story: attempts that die one after the other, a flow that dies, or a rollout around which parts die."""

    number: int
    kind: Kind
    dooms: tuple[Doom, ...] = ()
    strikes: tuple[Strike, ...] = ()

    @property
    def points(self) -> int:
        """How many kills it plans."""
        return len(self.dooms) + len(self.strikes)

    @property
    def is_data(self) -> bool:
        """Whether a strike is one that clients may meet."""
        return any(strike.is_data for strike in self.strikes)


def attempts(number: int, seed: int, kills: int = 25) -> Scenario:
    """Attempts of one rollout, each killed a few crossings further, or a moment later at any instruction."""
    luck = random.Random(f"{seed}-{number}")
    dooms = tuple(
        Doom(
            id=f"{number}.{step}",
            point="*",
            nth=luck.randint(1, 24),
            later=luck.choice((None, None, luck.uniform(0, 0.03))),
        )
        for step in range(kills)
    )
    return Scenario(number=number, kind="attempts", dooms=dooms)


def flow(number: int, seed: int, place: int, also: tuple[tuple[str, ...], ...]) -> Scenario:
    """A flow's process dies at a transition, by turns with other parts; one in four of those that follow dies too."""
    luck = random.Random(f"{seed}-{number}")
    transitions = list(product(ROLLOUT_POINTS, ("before", "after")))
    point, when = transitions[place % len(transitions)]
    nth = luck.randint(1, 3) if point in {"append stage.intended", "set_traffic", "append stage.entered"} else 1
    dooms = [
        Doom(
            id=f"{number}.0",
            point=point,
            when=when,
            nth=nth,
            later=luck.choice((None, None, luck.uniform(0, 0.05))),
            also=luck.choice(also),
        )
    ]
    if luck.random() < 0.25:
        second, then = luck.choice(list(product(HOME_POINTS, ("before", "after"))))
        dooms.append(Doom(id=f"{number}.1", point=second, when=then))
    return Scenario(number=number, kind="flow", dooms=tuple(dooms))


def parts(number: int, seed: int, names: tuple[str, ...], kills: int = 8) -> Scenario:
    """Parts die around a rollout that goes on."""
    luck = random.Random(f"{seed}-{number}")
    order = [name for _ in range(-(-kills // len(names))) for name in luck.sample(names, len(names))][:kills]
    strikes = tuple(Strike(parts=(name,), pause=luck.uniform(0.0, 2.0)) for name in order)
    return Scenario(number=number, kind="parts", strikes=strikes)


def schedule(points: int, seed: int) -> list[Scenario]:
    """About `points` kills: six in ten of attempts, two of control parts, one each of flows and of data parts.

    Together with a flow die by turns nobody else, its worker, the guard, both, Prefect's server and PostgreSQL.
    """
    also = ((), (), ("worker",), ("guard",), ("worker", "guard"), ("prefect",), ("postgres",))
    flows = [flow(number, seed, 7 * number, also) for number in range(round(0.1 * points / 1.25))]
    chains = [attempts(1000 + number, seed) for number in range(max(1, round(0.6 * points / 25)))]
    around = [parts(2000 + number, seed, CONTROL) for number in range(round(0.2 * points / 8))]
    fronts = [parts(3000 + number, seed, DATA) for number in range(-(-round(0.1 * points) // 8))]
    mixed = [*flows, *chains, *around]
    random.Random(seed).shuffle(mixed)
    return [*mixed, *fronts]


def sample(seed: int) -> list[Scenario]:
    """Forty kills that take a few minutes on two lanes: each kind is there, what is slow is rare."""
    alone, orphaned, unguarded = (
        Doom(id="alone", point="replace rds.json", when="before", nth=3),
        Doom(id="orphaned", point="append stage.entered", when="after", also=("worker",)),
        Doom(id="unguarded", point="set_alias", when="after", also=("guard",)),
    )
    twice = Doom(id="twice", point="append rollback.intended", when="after")
    return [
        attempts(1, seed, kills=15),
        parts(2, seed, CONTROL, kills=6),
        Scenario(number=3, kind="flow", dooms=(orphaned,)),
        Scenario(number=4, kind="flow", dooms=(alone, twice)),
        Scenario(number=5, kind="flow", dooms=(unguarded,)),
        attempts(6, seed, kills=15),
    ]
