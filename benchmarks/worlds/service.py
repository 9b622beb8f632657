"""The live service: requests come in, one of two models answers, and later the truth is known."""

from collections.abc import Mapping
from dataclasses import fields

import numpy as np

from benchmarks.worlds.blocks import Luck
from benchmarks.worlds.courses import SECONDS
from benchmarks.worlds.events import ARMS, CANDIDATE, STABLE, Bools, Events, Floats, Ints
from benchmarks.worlds.faults import Fault
from benchmarks.worlds.world import Model, World

NEVER = np.inf
PATIENCE = 10_000.0
"""Milliseconds after which a client takes what it has: no latency is longer."""


class Service:
    """One rollout's service; time runs forward."""

    def __init__(self, world: World, fault: Fault, rng: np.random.Generator) -> None:
        """Draw what is fixed for the rollout."""
        self.course = world.course(rng)
        self._world, self._rng = world, rng
        self._table = {each.name: _table(models_of(world, fault), each.name) for each in fields(Model)}
        self._router = world.routing.router(rng)
        self._luck = Luck(world.blocks, world.model.accuracy, rng)
        self._phase = rng.uniform(0, world.blocks.seconds or 0)
        self.requests = 0

    @property
    def growing(self) -> int:
        """The first block that may gain requests yet, as far as their number says; see `Events.closes` for time."""
        return self.requests // self._world.blocks.size

    def serve(self, since: int, until: int, percent: int, onset: float = NEVER) -> Events:
        """Return the requests that come in between two whole seconds, `percent` of them for the candidate.

        What comes in from `onset` on meets the fault.
        """
        if until > SECONDS:
            raise ValueError(f"a rollout of {until} s, but a course lasts {SECONDS} s")
        rng, world, course = self._rng, self._world, self.course
        each = rng.poisson(course.rate[since:until])
        count = int(each.sum())
        second = np.repeat(np.arange(since, until), each)
        arrived = np.sort(second + rng.random(count))
        unit, arm = self._router.route(self.requests, count, percent / 100)
        block, ends = self._blocks(count, arrived)
        self.requests += count
        broken = (arrived >= onset).astype(np.int64)

        risk = np.minimum(1.0, self._table["errors"][broken, arm] * course.errors[arm, second])
        failed = rng.random(count) < risk
        latency = world.latency.draw(rng, count) * self._table["p95"][broken, arm] * course.slowness[second]
        latency = np.minimum(PATIENCE, latency + self._table["added"][broken, arm])
        answered = arrived + latency / 1000

        truth = (rng.random(count) < 0.5).astype(np.float64)
        luck = self._luck.of(block) * course.easiness[second]
        prediction = np.where(failed, np.nan, self._predict(arm, broken, luck, truth))
        mirrored = np.full(count, np.nan)
        if world.mirrored:
            other = CANDIDATE + STABLE - arm
            gone = rng.random(count) < self._table["errors"][broken, other] * course.errors[other, second]
            mirrored = np.where(gone, np.nan, self._predict(other, broken, luck, truth))

        silent = failed | course.lost[arm, second]
        known = np.maximum(answered, ends if world.labels.with_block else 0.0) + world.labels.after
        return Events(
            arrived=arrived,
            answered=answered,
            known=np.where(silent, NEVER, known),
            closes=ends + world.labels.after,
            unit=unit,
            block=block,
            stage=np.full(count, percent),
            arm=arm,
            failed=failed,
            risk=risk,
            latency=latency,
            prediction=prediction,
            mirrored=mirrored,
            truth=truth,
            payoff=world.payoff.draw(rng, truth),
        )

    def _blocks(self, count: int, arrived: Floats) -> tuple[Ints, Floats]:
        """Return each request's block, and when it ends; one that is counted ends with its last request."""
        blocks = self._world.blocks
        if blocks.seconds is None:
            return (self.requests + np.arange(count)) // blocks.size, arrived
        block = np.floor((arrived + self._phase) / blocks.seconds).astype(np.int64)
        return block, (block + 1) * blocks.seconds - self._phase

    def _predict(self, arm: Ints, broken: Ints, luck: Floats, truth: Floats) -> Floats:
        """Return a probability of the positive class for each truth.

        Confidence has the healthy accuracy as its mean and does not know better within a block.
        """
        rng, healthy = self._rng, self._world.model.accuracy
        chance = np.minimum(1.0, luck[arm, np.arange(arm.size)] * self._table["accuracy"][broken, arm] / healthy)
        lean = self._table["lean"][broken, arm]
        wrong = rng.random(arm.size) < 2 * (1 - chance) * np.where(truth > 0.5, 1 - lean, lean)
        confidence = 1 - 0.5 * rng.random(arm.size) ** steepness(healthy)
        says = np.where(wrong, 1 - truth, truth)
        said = np.where(says > 0.5, confidence, 1 - confidence)
        return np.where(self._table["inverted"][broken, arm] > 0, 1 - said, said)


def _table(models: tuple[Mapping[int, Model], Mapping[int, Model]], field: str) -> Floats:
    """Return a field of both models, before (row 0) and after the onset."""
    return np.array([[getattr(each[arm], field) for arm in ARMS] for each in models], dtype=float)


def models_of(world: World, fault: Fault) -> tuple[Mapping[int, Model], Mapping[int, Model]]:
    """Return both models by arm, before and after the fault's onset."""
    before = {STABLE: world.model, CANDIDATE: world.candidate or world.model}
    return before, {**before, **{arm: change(before[arm]) for arm, change in fault.changes.items()}}


def steepness(accuracy: float) -> float:
    """Return k for which the confidence 1 - U**k / 2, U uniform, has the mean `accuracy` (above one half)."""
    return 0.5 / (1 - accuracy) - 1


def harmed(events: Events, fault: Fault, onset: float) -> Bools:
    """Return which clients got a bad answer of the fault's kind, from a model it changed."""
    hit = np.isin(events.arm, list(fault.changes)) & (events.arrived >= onset)
    match fault.harm:
        case "failed":
            return np.asarray(hit & events.failed)
        case "slow":
            return np.asarray(hit & (events.latency > 200.0))
        case "wrong":
            return np.asarray(hit & ~events.failed & ((events.prediction >= 0.5) != (events.truth >= 0.5)))
    return np.zeros(len(events), dtype=bool)
