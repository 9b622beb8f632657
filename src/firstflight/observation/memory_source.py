"""What was observed, kept in memory: for tests and dry runs, with the answers of the store."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from datetime import UTC, datetime, timedelta
from typing import Self

from firstflight.domain.latency import EDGES, bucket, histogram
from firstflight.domain.metrics import UNSCORED, Judged, Scoring
from firstflight.domain.questions import Question
from firstflight.domain.samples import Counts, NoData, Sample, Window
from firstflight.observation import absence
from firstflight.observation.blocks import moments, of_blocks, of_pairs
from firstflight.observation.records import BLOCK_SECONDS, Outcome, Prediction, Scored, unit_of

_INSTANT = timedelta(microseconds=1)
_EVER, _NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_BLOCK = timedelta(seconds=BLOCK_SECONDS)
_Outcomes = dict[tuple[str | None, str | None], tuple[Outcome, datetime]]
"""By request, or by route and unit: what was told and when."""


def _clock() -> datetime:
    return datetime.now(UTC)


class _Stamps:
    """Moments that follow each other, by a clock that may stand still or go back."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.began = self._last = now()

    def next(self) -> datetime:
        """Return a moment after all that were returned before."""
        self._last = max(self._now(), self._last + _INSTANT)
        return self._last


class MemorySource:
    """MetricSource over records that are appended; `now` dates them, `scoring` says what outcomes mean."""

    def __init__(self, now: Callable[[], datetime] = _clock, scoring: Scoring = UNSCORED) -> None:
        """Begin with nothing."""
        self._now = now
        self._scoring = scoring
        self._stamps = _Stamps(now)
        self._predictions: dict[tuple[str, str], tuple[Prediction, datetime]] = {}
        self._outcomes: _Outcomes = {}
        self._scored: dict[tuple[str, str, str], Scored] = {}

    def scored_by(self, scoring: Scoring) -> Self:
        """Return this source, with outcomes that mean what `scoring` says; it has the same records."""
        other = copy(self)
        other._scoring = scoring  # noqa: SLF001 - one of our own kind
        return other

    def add_predictions(self, predictions: Iterable[Prediction]) -> None:
        """Append predictions; one that is there already stays as it is."""
        stamp = self._stamps.next()
        fresh = []
        for prediction in predictions:
            if (key := (prediction.counted_as, prediction.listener)) not in self._predictions:
                self._predictions[key] = (prediction, stamp)
                fresh.append(prediction)
        self._score([(p, stamp, told) for p in fresh for told in self._truths_about(p, self._outcomes)], stamp)

    def add_outcomes(self, outcomes: Iterable[Outcome]) -> None:
        """Append truths; the first about a request, or a unit, stays."""
        stamp = self._stamps.next()
        fresh = {}
        for outcome in outcomes:
            if (key := (outcome.route, outcome.rid or outcome.unit)) not in self._outcomes:
                self._outcomes[key] = fresh[key] = (outcome, stamp)
        known = self._predictions.values()
        self._score([(p, seen, told) for p, seen in known for told in self._truths_about(p, fresh)], stamp)

    @staticmethod
    def _truths_about(asked: Prediction, outcomes: _Outcomes) -> list[Outcome]:
        """Return what is known of a request: by its own name, then by its unit's."""
        keys = ((None, asked.rid), (asked.route, asked.unit and unit_of(asked.unit)))
        return [outcomes[key][0] for key in keys if key in outcomes]

    def add_truths(self, route: str, questions: Iterable[Question]) -> int:
        """Give each request to `route` that asked one of `questions` its truth, where it has none; return how many."""
        truths = {question.unit: question for question in questions}
        waiting = [
            p for p, _ in self._predictions.values() if p.route == route and not self._truths_about(p, self._outcomes)
        ]
        asked = {p.rid: unit_of(p.unit) for p in waiting if p.unit is not None}
        known = [(rid, truths[unit]) for rid, unit in asked.items() if unit in truths]
        self.add_outcomes(Outcome.of(rid, question, self._now()) for rid, question in known)
        return len(known)

    def watermark(self, route: str) -> Window | None:
        """Return the window from the beginning until now."""
        del route
        return Window(since=self._stamps.began, until=self._stamps.next())

    def samples(
        self, route: str, name: str, window: Window, *, answered_since: datetime | None = None
    ) -> Mapping[str, Sample]:
        """Return a sample, or NoData, of every known metric of `name` first seen in `window`."""
        since = answered_since or _EVER
        return {**self._of_requests(route, name, window), **self._of_outcomes(route, name, window, since, _NEVER)}

    def outcomes(self, route: str, name: str, window: Window, *, answered_until: datetime) -> Mapping[str, Sample]:
        """Return a sample, or NoData, of every outcome metric of `name` first seen in `window`."""
        return self._of_outcomes(route, name, window, _EVER, answered_until)

    def paired(
        self,
        route: str,
        control: str,
        name: str,
        window: Window,
        *,
        answered_since: datetime | None = None,
        answered_until: datetime | None = None,
    ) -> Mapping[str, Sample]:
        """Return PairedMoments, or NoData, per outcome metric over blocks of which both models saw units."""
        since, until = answered_since or _EVER, answered_until or _NEVER
        known = [*self._about(route, control, window), *self._about(route, name, window)]
        blocks = [
            [one for one in block if one.served == control or since < one.answered_at <= until]
            for block in _closed(known, window)
        ]
        halves = [both for block in blocks if all(both := _halves(block, control, name))]
        if not halves:
            return self._none(absence.of_pairs(control, name, window))
        return of_pairs(self._scoring, (control, name), [(_judged(c), _judged(t)) for c, t in halves])

    def assignments(self, route: str, window: Window) -> Mapping[str, int]:
        """Return how many requests of `route` were assigned to each served model in `window`."""
        arms = (p.arm for p in self._inside(route, window) if p.listener == "main")
        return Counter(arm for arm in arms if arm is not None)

    def units(self, route: str, window: Window, *, begun: datetime) -> Mapping[str, int]:
        """Return how many units were first routed to each served model in `window`, none of them since `begun`."""
        before = {p.unit for p in self._inside(route, Window(since=begun, until=max(begun, window.since)))}
        fresh = {
            (p.arm, p.unit or p.counted_as)
            for p in self._inside(route, window)
            if p.listener == "main" and p.arm is not None and (p.unit is None or p.unit not in before)
        }
        return Counter(arm for arm, _ in fresh)

    def _score(self, joined: Iterable[tuple[Prediction, datetime, Outcome]], stamp: datetime) -> None:
        for p, seen, o in sorted(joined, key=lambda one: (one[0].at, one[0].rid)):
            if p.served is not None and p.prediction is not None and p.arm is not None:
                unit = o.unit or (p.unit and unit_of(p.unit)) or p.rid
                block = o.block or unit
                scored = Scored(p.route, p.served, unit, block, p.prediction, o.truth, o.payoff, seen, stamp)
                self._scored.setdefault((p.route, p.served, unit), scored)

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
            on_route = [p.arm is not None for p in inside if p.listener == "main"]
            reason = absence.of_requests(route, name, window, sum(on_route), len(on_route) - sum(on_route))
            return dict.fromkeys(absence.REQUEST_METRICS, NoData(reason=reason))
        taken = [p for p in ours if not p.refused]
        known: dict[str, Sample] = {
            absence.REFUSED: Counts(exposures=len(ours), events=len(ours) - len(taken)),
        }
        if not taken:
            nothing = NoData(reason=absence.of_answers(name, window, len(ours)))
            return {**dict.fromkeys(absence.REQUEST_METRICS, nothing), **known}
        known["error_rate"] = Counts(exposures=len(taken), events=sum(p.failed for p in taken))
        milliseconds = [p.us / 1000 for p in taken if p.us is not None]
        if not milliseconds:
            nothing = NoData(reason=absence.of_latencies(name, window, len(taken)))
            return {**known, "latency": nothing, "latency_mean": nothing}
        places = Counter(bucket(value) for value in milliseconds)
        return {
            **known,
            "latency": histogram([places[index] for index in range(len(EDGES) + 1)]),
            "latency_mean": moments(milliseconds),
        }

    def _of_outcomes(
        self, route: str, name: str, window: Window, since: datetime, until: datetime
    ) -> dict[str, Sample]:
        about = self._about(route, name, window)
        closed = [[one for one in block if since < one.answered_at <= until] for block in _closed(about, window)]
        blocks = [block for block in closed if block]
        if not blocks:
            return self._none(self._why_no_outcomes(route, name, window))
        return of_blocks(self._scoring, name, map(_judged, blocks))

    def _none(self, reason: str) -> dict[str, Sample]:
        return {metric.name: NoData(reason=reason) for metric in self._scoring.metrics}

    def _why_no_outcomes(self, route: str, name: str, window: Window) -> str:
        answers = [p for p in self._inside(route, window) if p.served == name and p.prediction is not None]
        known = {key: told for key, told in self._outcomes.items() if told[1] <= window.until}
        judged = any(window.since < one.at for one in self._about(route, name, window))
        return absence.of_outcomes(
            name, window, len(answers), sum(not self._truths_about(p, known) for p in answers), judged=judged
        )


def _closed(units: Iterable[Scored], window: Window) -> Iterator[list[Scored]]:
    """Yield each block that closes in `window`, once all its models have begun; what is known later is left out."""
    blocks: dict[str, list[Scored]] = defaultdict(list)
    for one in units:
        blocks[one.block].append(one)
    for found in blocks.values():
        closes = max(min(one.at for one in found if one.served == name) for name in {one.served for one in found})
        closes += _BLOCK
        if window.since < closes <= window.until:
            yield [one for one in found if one.at <= closes]


def _judged(block: Iterable[Scored]) -> list[Judged]:
    return [(one.prediction, one.truth, one.payoff) for one in block]


def _halves(block: Sequence[Scored], control: str, name: str) -> tuple[list[Scored], list[Scored]]:
    """Return what each of two models answered of a block: the units both did, or where there are none, its own."""
    mine = {one.unit: one for one in block if one.served == name}
    theirs = {one.unit: one for one in block if one.served == control}
    common = mine.keys() & theirs.keys()
    return (
        [one for unit, one in theirs.items() if not common or unit in common],
        [one for unit, one in mine.items() if not common or unit in common],
    )
