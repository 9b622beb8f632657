"""What comes out of a simulated service is what its world says, by closed forms."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.worlds.blocks import Blocks, Luck
from benchmarks.worlds.catalogue import WORLDS
from benchmarks.worlds.courses import steady
from benchmarks.worlds.events import CANDIDATE, STABLE, Events, earned, right, squared_error
from benchmarks.worlds.faults import FAULTS
from benchmarks.worlds.payoffs import Rare, Skewed
from benchmarks.worlds.service import Service, harmed, steepness
from benchmarks.worlds.world import Labels, Model, World

IID = World("iid", "requests by themselves")
NONE = FAULTS["none"]


def serve(world: World = IID, fault: str = "none", seconds: int = 2000, percent: int = 50, onset: float = 0) -> Events:
    """Return the requests of some time from the start."""
    return Service(world, FAULTS[fault], np.random.default_rng(7)).serve(0, seconds, percent, onset)


def close(share: float, mean: float, count: int) -> bool:
    """Whether a share of `count` lies within five standard errors of its mean."""
    return abs(share - mean) < 5 * np.sqrt(mean * (1 - mean) / count)


def test_requests_come_at_the_rate_and_go_where_the_split_says() -> None:
    """A Poisson number of requests; each goes to the candidate with the split's chance."""
    events = serve(percent=5)
    assert abs(len(events) - 40_000) < 5 * 200
    assert close(float(np.mean(events.arm == CANDIDATE)), 0.05, len(events))
    assert np.all(np.diff(events.arrived) >= 0)


def test_gaps_between_requests_are_exponential() -> None:
    """A gap's standard deviation is its mean."""
    gaps = np.diff(serve().arrived)
    assert pytest.approx(1.0, abs=0.03) == gaps.std() / gaps.mean()


def test_healthy_models_are_alike() -> None:
    """Failures, slow answers, wrong answers and Brier's score of either model are those of the world."""
    steep = steepness(0.9)
    sure = 0.25 / (2 * steep + 1)
    brier = 0.9 * sure + 0.1 * (1 - 1 / (steep + 1) + sure)
    for arm in (STABLE, CANDIDATE):
        mine = (events := serve()).where(events.arm == arm)
        answered = mine.where(~mine.failed)
        assert close(float(mine.failed.mean()), 0.001, len(mine))
        assert close(float(np.mean(mine.latency > 80)), 0.05, len(mine))
        assert close(float(right(answered.prediction, answered.truth).mean()), 0.9, len(answered))
        assert pytest.approx(brier, abs=0.008) == squared_error(answered.prediction, answered.truth).mean()


def test_confidence_is_right_on_the_whole() -> None:
    """The mean confidence of a healthy model is its accuracy."""
    said = (events := serve()).where(~events.failed).prediction
    assert pytest.approx(0.9, abs=0.005) == np.maximum(said, 1 - said).mean()


@pytest.mark.parametrize(
    ("fault", "failing", "slow", "wrong"),
    [
        ("errors-2", 0.02, 0.05, 0.1),
        ("errors-5", 0.05, 0.05, 0.1),
        ("accuracy-20", 0.001, 0.05, 0.3),
        ("inverted", 0.001, 0.05, 0.9),
    ],
)
def test_a_fault_meets_the_candidate_alone(fault: str, failing: float, slow: float, wrong: float) -> None:
    """The candidate's shares are the fault's, the stable model's stay."""
    events = serve(fault=fault)
    for arm, shares in ((CANDIDATE, (failing, slow, wrong)), (STABLE, (0.001, 0.05, 0.1))):
        mine = events.where(events.arm == arm)
        answered = mine.where(~mine.failed)
        seen = (mine.failed.mean(), np.mean(mine.latency > 80), 1 - right(answered.prediction, answered.truth).mean())
        assert [True] * 3 == [close(float(each), mean, len(answered)) for each, mean in zip(seen, shares, strict=True)]


def test_a_slow_candidate_has_its_p95_where_the_fault_says() -> None:
    """5 % of the answers take more than 250 ms, and clients who waited more than 200 ms are the harmed ones."""
    events = serve(fault="p95-250")
    mine = events.where(events.arm == CANDIDATE)
    assert close(float(np.mean(mine.latency > 250)), 0.05, len(mine))
    assert int(np.sum(mine.latency > 200)) == int(harmed(events, FAULTS["p95-250"], 0).sum())


def test_a_fault_waits_for_its_onset() -> None:
    """Before it the candidate is healthy; after it everything fails."""
    mine = (events := serve(fault="all-fail", onset=1500.5)).where(events.arm == CANDIDATE)
    assert mine.where(mine.arrived >= 1500.5).failed.all()
    assert mine.where(mine.arrived < 1500.5).failed.mean() < 0.01


def test_luck_of_a_block_has_the_correlation_asked_for() -> None:
    """Variance over blocks is icc p (1 - p) for each model; the models share their part of it."""
    luck = Luck(Blocks(size=6, icc=0.3, shared=0.5), 0.9, np.random.default_rng(7)).of(np.arange(200_000))
    assert pytest.approx(np.full(2, 0.9), abs=0.002) == luck.mean(axis=1)
    assert pytest.approx(0.3 * 0.09 * np.array([[1, 0.5], [0.5, 1]]), abs=0.0006) == np.cov(luck)


def test_luck_of_a_block_does_not_change_when_it_is_asked_again() -> None:
    """A block that reaches into the next window keeps its luck."""
    luck = Luck(Blocks(seconds=300, icc=0.3), 0.9, np.random.default_rng(7))
    first = luck.of(np.array([0, 1]))
    assert np.array_equal(first[:, 1:], luck.of(np.array([1, 5]))[:, :1])


@pytest.mark.parametrize("name", ["block-6", "block-6-own", "block-6-common"])
def test_answers_of_a_block_are_right_together(name: str) -> None:
    """Correlation of two answers in a block: 0.3 of one model, its shared part of two."""
    world = WORLDS[name]
    events = serve(world, seconds=4000)
    answered = events.where(~events.failed)
    excess = right(answered.prediction, answered.truth) - 0.9
    blocks = int(answered.block.max()) + 1
    sums = np.stack(
        [np.bincount(answered.block, weights=excess * (answered.arm == arm), minlength=blocks) for arm in (0, 1)]
    )
    sizes = np.stack([np.bincount(answered.block[answered.arm == arm], minlength=blocks) for arm in (0, 1)])
    own = (np.square(sums[1]).sum() - np.square(excess[answered.arm == 1]).sum()) / (sizes[1] * (sizes[1] - 1)).sum()
    cross = (sums[0] * sums[1]).sum() / (sizes[0] * sizes[1]).sum()
    assert pytest.approx(0.3, abs=0.05) == own / 0.09
    assert pytest.approx(0.3 * world.blocks.shared, abs=0.04) == cross / 0.09


def test_blocks_of_seconds_hold_what_came_in_their_time() -> None:
    """A block lasts as long as it should, and cannot be complete before it is over."""
    events = serve(World("t", "", blocks=Blocks(seconds=10), labels=Labels(after=7)))
    for block in (3, 50):
        inside = events.where(events.block == block)
        assert np.ptp(inside.arrived) < 10
        assert {inside.closes[0]} == set(inside.closes)
        assert 0 <= inside.closes[0] - 7 - inside.arrived.max() < 1.5


def test_labels_come_late_by_their_delay() -> None:
    """After each answer by the same time; never after a failure."""
    events = serve(World("t", "", labels=Labels(after=1200)))
    assert np.allclose(1200, (events.known - events.answered)[~events.failed])
    assert np.isinf(events.known[events.failed]).all()


def test_labels_may_wait_for_the_end_of_the_block() -> None:
    """Everything of a block is known at one moment."""
    events = serve(World("t", "", blocks=Blocks(seconds=300), labels=Labels(after=60, with_block=True)), seconds=900)
    inside = events.where((events.block == 1) & ~events.failed)
    assert pytest.approx(0, abs=1e-6) == np.ptp(inside.known)
    assert np.all(inside.known - inside.arrived >= 60)


def test_one_request_in_a_hundred_earns_a_hundred() -> None:
    """The payoff that is rare is large, and comes to 1 on average."""
    events = serve(World("t", "", payoff=Rare(share=1 / 45, value=100.0), model=Model(errors=0.0)), seconds=4000)
    pay = earned(events.prediction, events.payoff)
    assert {0.0, 100.0} == set(pay)
    assert close(float(np.mean(pay == 100)), 0.01, len(events))


def test_skewed_payoffs_have_mean_zero() -> None:
    """What is lost again and again is won back at once."""
    paid = Skewed(once_in=50).draw(np.random.default_rng(7), np.zeros(1_000_000))
    assert {-1.0, 49.0} == set(paid)
    assert abs(paid.mean()) < 5 * 7 / 1000


@pytest.mark.parametrize("name", ["iid", "rare-payoff", "skewed-pairs"])
def test_no_answer_earns_what_its_bounds_exclude(name: str) -> None:
    """The bounds that a plan may be told are kept, and reached or nearly so."""
    world = WORLDS[name]
    events = serve(world, seconds=4000)
    pay = earned(events.prediction, events.payoff)
    low, high = world.payoff.bounds
    assert pytest.approx((low, high), abs=0.01 * (high - low)) == (pay.min(), pay.max())
    assert low <= pay.min() <= pay.max() <= high


def test_mirrored_models_answer_the_same_question() -> None:
    """Both answers are right as often as the world says, whoever answered the client; leaning costs no accuracy."""
    world = World("t", "", mirrored=True, model=Model(lean=0.0), candidate=Model(lean=1.0))
    answered = (events := serve(world, percent=10)).where(~events.failed & np.isfinite(events.mirrored))
    for said in (answered.prediction, answered.mirrored):
        assert close(float(right(said, answered.truth).mean()), 0.9, len(answered))
    mine = answered.arm == CANDIDATE
    wrong = np.where(mine, answered.prediction, answered.mirrored)[
        ~right(np.where(mine, answered.prediction, answered.mirrored), answered.truth)
    ]
    assert (wrong >= 0.5).all()


def test_the_same_seed_gives_the_same_service() -> None:
    """Rollouts can be repeated."""
    assert np.array_equal(serve().latency, serve().latency)


def test_a_world_that_contradicts_itself_is_refused() -> None:
    """Leaning and shared luck, or labels that wait for a block without an end."""
    with pytest.raises(ValueError, match="leans"):
        World("t", "", model=Model(lean=1.0), blocks=Blocks(size=6, icc=0.3))
    with pytest.raises(ValueError, match="no seconds"):
        World("t", "", labels=Labels(with_block=True))


def test_time_does_not_run_beyond_the_course() -> None:
    """A rollout that lasts too long is an error, not one without requests."""
    service = Service(replace(IID, course=steady(1.0)), NONE, np.random.default_rng(7))
    with pytest.raises(ValueError, match="a course lasts"):
        service.serve(0, 10**6, 5)
