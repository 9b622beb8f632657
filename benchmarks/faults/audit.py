"""What a run of kills adds up to: points, rollouts, what clients saw, and who answered after traffic was home."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from pydantic import Field

from benchmarks.faults.clients import BUCKET_SECONDS
from benchmarks.faults.results import DEADLINE_SECONDS, Ended, Line, Played, Point
from firstflight.domain.values import Value
from firstflight.ledger.record import Record, RecordStore
from firstflight.rollout.machine import Phase, rollouts, stream

PROMISED_SECONDS = 60.0
GRACE_SECONDS = 0.5
"""The router's workers take a new split one after the other; what was sent this soon after is not held against it."""


class Group(Value):
    """Kills of one kind."""

    killed: str
    points: int
    in_time: int
    median: float
    p95: float
    longest: float
    back: float | None = Field(default=None, description="Median of the seconds until the part answered again.")


class Seen(Value):
    """What clients saw."""

    requests: int = 0
    failed: int = 0
    why: dict[str, int] = Field(default={}, description="How often each failure was seen.")

    def __str__(self) -> str:
        if not self.requests:
            return "nobody asked: nothing is known"
        answered = 100 * (1 - self.failed / self.requests)
        return f"{self.failed:,} of {self.requests:,} ({answered:.3f} % answered)"


class Summary(Value):
    """A run of kills, added up."""

    groups: tuple[Group, ...]
    median: float
    p95: float
    longest: float
    load: float = Field(description="Processes that wanted a core, the median over all kills.")
    crossings: dict[str, int]
    phases: dict[str, int]
    faults: tuple[str, ...]
    given_up: tuple[str, ...]
    control: Seen
    data: Seen
    rolled_back: int
    home_requests: int = Field(description="Requests that were sent while a rolled-back model was home.")
    after_home: int = Field(description="How many of them the candidate answered.")

    @property
    def points(self) -> int:
        """All kills."""
        return sum(group.points for group in self.groups)

    @property
    def in_time(self) -> int:
        """Kills that were got over in the promised time."""
        return sum(group.in_time for group in self.groups)


def summarise(lines: Iterable[Line], ledger: RecordStore, models: tuple[str, ...], folder: Path) -> Summary:
    """Add up the results in `folder` of the rollouts of `models`."""
    lines = list(lines)
    points = [line for line in lines if isinstance(line, Point)]
    ends = [line for line in lines if isinstance(line, Ended)]
    buckets = [*_buckets(folder / "clients-control.jsonl"), *_buckets(folder / "clients-data.jsonl")]
    homes = [home for model in models for home in _homes(model, ledger.read(stream(model)))]
    chosen = [_chosen(home, buckets) for home in homes]
    overall = _group("all", [seconds for _, seconds in since_last_kill(points)])
    return Summary(
        groups=tuple(_groups(points)),
        median=overall.median,
        p95=overall.p95,
        longest=overall.longest,
        load=median(point.load for point in points),
        crossings=dict(Counter(_where(point) for point in points).most_common()),
        phases=dict(Counter(end.phase for end in ends)),
        faults=tuple(fault for end in ends for fault in end.faults),
        given_up=tuple(line.problem for line in lines if isinstance(line, Played) and line.problem),
        control=_seen(folder / "clients-control.jsonl"),
        data=_seen(folder / "clients-data.jsonl"),
        rolled_back=len(homes),
        home_requests=sum(one.total() for one in chosen),
        after_home=sum(one[home.candidate] for home, one in zip(homes, chosen, strict=True)),
    )


def _groups(points: list[Point]) -> Iterator[Group]:
    kinds: defaultdict[str, list[float]] = defaultdict(list)
    for point, seconds in since_last_kill(points):
        kinds[point.killed].append(seconds)
    for killed, known in sorted(kinds.items()):
        back = [point.back for point in points if point.killed == killed and point.back is not None]
        yield _group(killed, known).model_copy(update={"back": median(back) if back else None})


def _group(killed: str, seconds: list[float]) -> Group:
    return Group(
        killed=killed,
        points=len(seconds),
        in_time=sum(one <= PROMISED_SECONDS for one in seconds),
        median=median(seconds),
        p95=quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0],
        longest=max(seconds),
    )


def since_last_kill(points: Iterable[Point]) -> Iterator[tuple[Point, float]]:
    """Each kill with the seconds until the rollout was right, counted from the last kill before that.

    Who is killed again before all is right has not had his time. What was not got over within the deadline counts as
    the deadline's three minutes.
    """
    points = list(points)
    right = {id(point): round(point.at + (point.seconds or 0.0), 1) for point in points}
    last: dict[tuple[str, float], float] = {}
    for point in points:
        key = (point.model, right[id(point)])
        last[key] = max(point.at, last.get(key, 0.0))
    for point in points:
        if point.seconds is None:
            yield point, DEADLINE_SECONDS
        else:
            yield point, point.at + point.seconds - last[point.model, right[id(point)]]


def _where(point: Point) -> str:
    """The transition, without how long past it."""
    return point.crossing.rpartition(" past ")[2].removeprefix("before ").removeprefix("after ")


class _Home(Value):
    """From `since` to `until` no request may reach `candidate`."""

    model: str
    candidate: str
    since: float
    until: float


def _homes(model: str, records: tuple[Record, ...]) -> Iterator[_Home]:
    """The times between a rollout's homecoming and the next one's first stage."""
    told = rollouts(records)
    moves = [record.at for record in records if record.kind == "stage.intended"]
    for rollout in told:
        if rollout.phase is Phase.ROLLED_BACK and rollout.ended_at is not None:
            since = rollout.ended_at + timedelta(seconds=GRACE_SECONDS)
            until = min((at for at in moves if at > rollout.ended_at), default=rollout.ended_at + timedelta(days=1))
            yield _Home(
                model=model,
                candidate=rollout.candidate.served_name,
                since=since.timestamp(),
                until=until.timestamp() - BUCKET_SECONDS,
            )


def _buckets(file: Path) -> Iterator[tuple[float, str, dict[str, int]]]:
    for line in _lines(file):
        if "sent" in line:
            yield line["sent"], line["model"], line["chosen"]


def _chosen(home: _Home, buckets: list[tuple[float, str, dict[str, int]]]) -> Counter[str]:
    """Whom the gateway chose for requests of that model and time."""
    found = Counter[str]()
    for sent, model, chosen in buckets:
        if model == home.model and home.since <= sent < home.until:
            found.update(chosen)
    return found


def _seen(file: Path) -> Seen:
    requests, why = 0, Counter[str]()
    for line in _lines(file):
        if "sent" in line:
            requests += sum(line["chosen"].values())
        else:
            why[line["why"].partition(" ")[0][:60]] += 1
    return Seen(requests=requests, failed=why.total(), why=dict(why))


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    if file.exists():
        for text in file.read_text(encoding="utf-8").splitlines():
            yield json.loads(text)
