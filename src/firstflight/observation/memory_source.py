"""What was observed, kept in memory: for tests and dry runs, with the answers of the store."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from firstflight.domain.latency import EDGES, bucket, histogram
from firstflight.domain.questions import Question
from firstflight.domain.samples import Counts, Moments, NoData, PairedMoments, Sample, Window
from firstflight.observation import absence
from firstflight.observation.records import BLOCK_SECONDS, Outcome, Prediction, Scored, unit_of

_INSTANT = timedelta(microseconds=1)
T = TypeVar("T")
_BLOCK = timedelta(seconds=BLOCK_SECONDS)


def _clock() -> datetime:
    return datetime.now(UTC)


class MemorySource:
    """MetricSource over records that are appended; `now` dates them."""

    def __init__(self, now: Callable[[], datetime] = _clock) -> None:
        """Begin with nothing."""
        self._now = now
        self._stamp = self._began = now()
        self._predictions: dict[tuple[str, str], tuple[Prediction, datetime]] = {}
        self._outcomes: dict[str, tuple[Outcome, datetime]] = {}
        self._scored: dict[tuple[str, str, str], Scored] = {}

    def add_predictions(self, predictions: Iterable[Prediction]) -> None:
        """Append predictions; one that is there already stays as it is."""
        stamp = self._next()
        fresh = []
        for prediction in predictions:
            if (key := (prediction.rid, prediction.listener)) not in self._predictions:
                self._predictions[key] = (prediction, stamp)
                fresh.append(prediction)
        self._score(((p, self._outcomes[p.rid][0]) for p in fresh if p.rid in self._outcomes), stamp)

    def add_outcomes(self, outcomes: Iterable[Outcome]) -> None:
        """Append truths; the first about a request stays."""
        stamp = self._next()
        fresh = {}
        for outcome in outcomes:
            if outcome.rid not in self._outcomes:
                self._outcomes[outcome.rid] = (outcome, stamp)
                fresh[outcome.rid] = outcome
        self._score(((p, fresh[p.rid]) for p, _ in self._predictions.values() if p.rid in fresh), stamp)

    def add_truths(self, route: str, questions: Iterable[Question]) -> int:
        """Give each request to `route` that asked one of `questions` its truth, where it has none; return how many."""
        truths = {question.unit: question for question in questions}
        waiting = [p for p, _ in self._predictions.values() if p.route == route and p.rid not in self._outcomes]
        asked = {p.rid: unit_of(p.unit) for p in waiting if p.unit is not None}
        known = [(rid, truths[unit]) for rid, unit in asked.items() if unit in truths]
        self.add_outcomes(Outcome.of(rid, question, self._now()) for rid, question in known)
        return len(known)

    def watermark(self, route: str) -> Window | None:
        """Return the window from the beginning until now."""
        del route
        return Window(since=self._began, until=self._next())

    def samples(self, route: str, name: str, window: Window) -> Mapping[str, Sample]:
        """Return a sample, or NoData, of every known metric of `name` first seen in `window`."""
        return {**self._of_requests(route, name, window), **self._of_outcomes(route, name, window)}

    def paired(self, route: str, control: str, name: str, window: Window) -> Mapping[str, Sample]:
        """Return PairedMoments, or NoData, per outcome metric over blocks of units both models answered."""
        ours = {scored.unit: scored for scored in self._about(route, name, window)}
        pairs = [(c, ours[c.unit]) for c in self._about(route, control, window) if c.unit in ours]
        blocks = list(_closed([(max(c.at, t.at), c.block, (c, t)) for c, t in pairs], window))
        values = {
            "accuracy": [_means([(c.accuracy, t.accuracy) for c, t in block]) for block in blocks],
            "brier": [_means([(c.brier, t.brier) for c, t in block]) for block in blocks],
            "profit": [_means([(c.profit, t.profit) for c, t in block]) for block in blocks],
        }
        nothing = NoData(reason=absence.of_pairs(control, name, window))
        return {metric: _paired(found) if found else nothing for metric, found in values.items()}

    def assignments(self, route: str, window: Window) -> Mapping[str, int]:
        """Return how many requests of `route` were assigned to each served model in `window`."""
        arms = (p.arm for p in self._inside(route, window) if p.listener == "main")
        return Counter(arm for arm in arms if arm is not None)

    def _next(self) -> datetime:
        self._stamp = max(self._now(), self._stamp + _INSTANT)
        return self._stamp

    def _score(self, joined: Iterable[tuple[Prediction, Outcome]], stamp: datetime) -> None:
        for p, o in sorted(joined, key=lambda pair: (pair[0].at, pair[0].rid)):
            if p.served is not None and p.prediction is not None:
                scored = Scored(p.route, p.served, o.unit, o.block, p.prediction, o.truth, o.payoff, stamp)
                self._scored.setdefault((p.route, p.served, o.unit), scored)

    def _inside(self, route: str, window: Window) -> Iterator[Prediction]:
        for prediction, stamp in self._predictions.values():
            if prediction.route == route and window.since < stamp <= window.until:
                yield prediction

    def _about(self, route: str, name: str, window: Window) -> list[Scored]:
        return [s for s in self._scored.values() if (s.route, s.served) == (route, name) and s.at <= window.until]

    def _of_requests(self, route: str, name: str, window: Window) -> dict[str, Sample]:
        inside = list(self._inside(route, window))
        ours = [p for p in inside if p.arm == name]
        if not ours:
            on_route = sum(p.listener == "main" for p in inside)
            return dict.fromkeys(
                absence.REQUEST_METRICS, NoData(reason=absence.of_requests(route, name, window, on_route))
            )
        requests = Counts(exposures=len(ours), events=sum(p.failed for p in ours))
        milliseconds = [p.us / 1000 for p in ours if p.us is not None]
        if not milliseconds:
            nothing = NoData(reason=absence.of_latencies(name, window, len(ours)))
            return {"error_rate": requests, "latency": nothing, "latency_mean": nothing}
        places = Counter(bucket(value) for value in milliseconds)
        return {
            "error_rate": requests,
            "latency": histogram([places[index] for index in range(len(EDGES) + 1)]),
            "latency_mean": _moments(milliseconds),
        }

    def _of_outcomes(self, route: str, name: str, window: Window) -> dict[str, Sample]:
        about = self._about(route, name, window)
        seen = [scored for scored in about if window.since < scored.at]
        profits = [_mean(block) for block in _closed([(s.at, s.block, s.profit) for s in about], window)]
        if not seen:
            nothing = NoData(reason=self._why_no_outcomes(route, name, window))
            return {"accuracy": nothing, "brier": nothing, "profit": _moments(profits) if profits else nothing}
        return {
            "accuracy": Counts(exposures=len(seen), events=sum(scored.accuracy == 1 for scored in seen)),
            "brier": _moments([scored.brier for scored in seen]),
            "profit": _moments(profits) if profits else NoData(reason=absence.of_blocks(window)),
        }

    def _why_no_outcomes(self, route: str, name: str, window: Window) -> str:
        answers = [p for p in self._inside(route, window) if p.served == name and p.prediction is not None]
        known = {rid for rid, (_, stamp) in self._outcomes.items() if stamp <= window.until}
        return absence.of_outcomes(name, window, len(answers), sum(p.rid not in known for p in answers))


def _closed(units: Sequence[tuple[datetime, str, T]], window: Window) -> Iterator[list[T]]:
    """Yield the values of each block that closes in `window`; a unit known after its block closed is left out."""
    blocks: dict[str, list[tuple[datetime, T]]] = defaultdict(list)
    for at, block, value in units:
        blocks[block].append((at, value))
    for found in blocks.values():
        closes = min(at for at, _ in found) + _BLOCK
        if window.since < closes <= window.until:
            yield [value for at, value in found if at <= closes]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _means(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return _mean([c for c, _ in pairs]), _mean([t for _, t in pairs])


def _moments(values: Sequence[float]) -> Moments:
    mean = _mean(values)
    return Moments(count=len(values), mean=mean, m2=math.fsum((value - mean) ** 2 for value in values))


def _paired(values: Sequence[tuple[float, float]]) -> PairedMoments:
    control, treatment = _moments([c for c, _ in values]), _moments([t for _, t in values])
    return PairedMoments(
        count=len(values),
        control_mean=control.mean,
        treatment_mean=treatment.mean,
        control_m2=control.m2,
        treatment_m2=treatment.m2,
        cross=math.fsum((c - control.mean) * (t - treatment.mean) for c, t in values),
    )
