"""What proves that traffic is home, and what proves nothing."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from firstflight.domain.errors import BackendUnavailableError, TrafficNotAppliedError
from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.backend import RouterTally
from firstflight.serving.going_home import HomeProof, bring_traffic_home
from firstflight.serving.memory import MemoryBackend
from tests.serving_bench import MODEL, artifact

STABLE, CANDIDATE = "baseline-predictor-v1", "lightweight-predictor-v2"


class Router(MemoryBackend):
    """Counts for those of its models that are not in `uncounted`; clients ask `asking` while somebody waits."""

    uncounted: frozenset[str] = frozenset()
    asking: Mapping[str, int] = {}
    stays = False

    def tallies(self, route: str) -> Mapping[str, RouterTally]:
        """Leave out who is not counted."""
        return {name: one for name, one in super().tallies(route).items() if name not in self.uncounted}

    def is_ready(self, name: str) -> bool:
        """One that stays cannot be stopped."""
        return self.stays or super().is_ready(name)

    def wait(self, _seconds: float) -> None:
        """Clients go on asking."""
        for name, requests in self.asking.items():
            self.count(name, requests)


@pytest.fixture
def router(tmp_path: Path) -> Router:
    """A route of which half goes to a candidate."""
    backend = Router()
    for number, variant in enumerate(("baseline", "lightweight"), 1):
        backend.deploy(artifact(tmp_path / variant, number, variant=variant), tmp_path / variant)
    backend.set_traffic(MODEL, TrafficSplit.canary(STABLE, CANDIDATE, 50), 1)
    return backend


def home(router: Router, first: Callable[[], Any] | None = None, *candidates: str) -> HomeProof:
    """Bring the route home."""
    return bring_traffic_home(
        router, MODEL, candidates or (CANDIDATE,), first or (lambda: router.go_home(MODEL)), router.wait
    )


def test_a_proof_says_what_was_counted_and_how_much(router: Router) -> None:
    """The candidate's counter stands still while others are asked."""
    router.count(CANDIDATE, 1200)
    router.asking = {STABLE: 25}
    proof = home(router)
    assert ("router", TrafficSplit.all_to(STABLE)) == (proof.way, proof.reported)
    assert f"no request reached {CANDIDATE} (1,200 before that) for 0.5 s, 25 reached the others" == proof.counted


def test_a_count_that_the_router_no_longer_keeps_is_not_told(router: Router) -> None:
    """Envoy forgets a cluster that no split names: 0 before would be untrue."""
    router.asking = {STABLE: 25}
    assert f"no request reached {CANDIDATE} for 0.5 s, 25 reached the others" == home(router).counted


@pytest.mark.parametrize(
    ("percent", "asking", "said"),
    [
        (50, 4, "for 1.5 s, 12 reached the others"),
        (5, 4, "for 1.5 s, 12 reached the others, by chance in 54%"),
        (5, 200, "for 0.5 s, 200 reached the others"),
        (100, 1, "for 0.5 s, 1 reached the others"),
    ],
)
def test_the_less_a_candidate_had_the_longer_it_must_be_quiet(
    router: Router, percent: int, asking: int, said: str
) -> None:
    """Until so many have missed it that it is no chance; where the time is over before, the chance is told."""
    router.count(CANDIDATE, 5)
    router.asking = {STABLE: asking}
    proof = bring_traffic_home(
        router, MODEL, [CANDIDATE], lambda: router.go_home(MODEL), router.wait, share=percent / 100
    )
    assert proof.counted.endswith(said)


def test_a_router_whose_own_routes_were_read_need_not_be_outwaited(router: Router) -> None:
    """That a small share missed the candidate says little; that no route leads to it says all."""
    router.reads_router = True
    router.count(CANDIDATE, 5)
    router.asking = {STABLE: 4}
    first = partial(router.go_home, MODEL)
    proof = bring_traffic_home(router, MODEL, [CANDIDATE], first, router.wait, share=0.05)
    assert proof.counted.endswith("for 0.5 s, 4 reached the others")


def test_no_traffic_at_all_is_said(router: Router) -> None:
    """Where nobody asks, that the candidate is not asked says little."""
    assert home(router).counted.endswith("nor anybody else: there was no traffic at all")


@pytest.mark.parametrize("uncounted", [{CANDIDATE}, {CANDIDATE, STABLE}])
def test_who_is_missing_from_the_counters_is_not_quiet(router: Router, uncounted: set[str]) -> None:
    """Nothing was counted of the candidate, before and after: that is unknown, so it is stopped."""
    router.uncounted = frozenset(uncounted)
    proof = home(router)
    assert "eviction" == proof.way
    assert f"{CANDIDATE} stopped and no longer answering" in proof.counted
    assert not router.is_ready(CANDIDATE)


def test_what_can_neither_be_counted_nor_stopped_is_not_proved(router: Router) -> None:
    """Unknown to the counters and still answering: no proof, whatever the router says."""
    router.uncounted, router.stays = frozenset({CANDIDATE}), True
    with pytest.raises(TrafficNotAppliedError, match="neither way home worked"):
        home(router)


def test_one_unknown_of_two_candidates_proves_nothing_of_both(router: Router, tmp_path: Path) -> None:
    """One that is quiet does not speak for the other."""
    third = artifact(tmp_path / "enhanced", 3, variant="enhanced")
    router.deploy(third, tmp_path / "enhanced")
    router.uncounted = frozenset({third.served_name})
    assert "eviction" == home(router, None, CANDIDATE, third.served_name).way


def test_who_is_not_served_cannot_be_reached(router: Router) -> None:
    """A candidate that was undeployed before it ever had traffic: the proof names that, not its counter."""
    assert "other-predictor-v9 is not served" == home(router, None, "other-predictor-v9").counted


def test_a_candidate_that_is_still_asked_is_stopped(router: Router) -> None:
    """The router says home, its counters say otherwise."""
    router.asking = {CANDIDATE: 1}
    assert "eviction" == home(router).way


def test_counters_that_were_away_once_have_to_be_read_twice(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two readings that failed are not two equal ones."""

    def away(_route: str) -> Mapping[str, RouterTally]:
        raise BackendUnavailableError("the router does not answer")

    monkeypatch.setattr(router, "tallies", away)
    assert "eviction" == home(router).way


def again(router: Router, proved: HomeProof, *candidates: str) -> tuple[HomeProof, list[float]]:
    """Bring the route home a moment after it was `proved` to be; also return what was waited for."""
    waited: list[float] = []
    first = partial(router.go_home, MODEL)
    return bring_traffic_home(router, MODEL, candidates, first, waited.append, proved=proved), waited


def test_what_was_proved_is_not_waited_for_again(router: Router) -> None:
    """Whoever writes the end down reads the counters once more: nobody was asked since, so the proof stands."""
    proved = home(router)
    assert (proved, []) == again(router, proved, CANDIDATE)
    assert "asked" not in proved.model_dump()


def test_what_was_proved_of_others_or_is_over_is_proved_anew(router: Router) -> None:
    """Another candidate, one that was asked since, counters that are away, an eviction: nothing of before holds."""
    proved = home(router)
    assert [0.5] == again(router, proved, CANDIDATE, "other-predictor-v9")[1]
    router.count(CANDIDATE, 1)
    assert [0.5] == again(router, proved, CANDIDATE)[1]
    evicted = proved.model_copy(update={"way": "eviction"})
    assert [0.5] == again(router, evicted, CANDIDATE)[1]
    router.uncounted = frozenset({CANDIDATE})
    assert "eviction" == again(router, proved, CANDIDATE)[0].way
