"""What a drill leaves as evidence, and how people read it. Pure."""

from collections.abc import Sequence

from pydantic import AwareDatetime, Field

from firstflight.domain.values import Value
from firstflight.drill.faults import DrillFault
from firstflight.drill.timeline import Timeline

HEADERS = ("fault", "kept", "detect", "decide", "zero", "verify", "in all", "promise", "by", "failed")
LEGEND = (
    "Seconds. detect: fault → found; decide: found → decided; zero: decided → last request to the candidate; "
    "verify: that → proof in the ledger; promise: fault → decided + decided → proof. failed: requests that the "
    "candidate failed, of those it was given; clients were answered by the stable model where the router could"
)


class Clients(Value):
    """What the drill's own clients saw from the rollout's start to its end, on the drill's route alone."""

    asked: int = Field(ge=0)
    failed: int = Field(ge=0)


class Result(Value):
    """What became of one fault. `broken` is empty when the candidate came home as promised.

    `candidate_requests` were meant for the candidate and `candidate_failed` is how many of them it failed; a gateway
    that asked the stable model instead hid those from clients. None: they could not be counted.
    """

    fault: DrillFault
    rollout: str | None = None
    times: Timeline | None = None
    broken: tuple[str, ...] = ()
    by: str | None = Field(default=None, description="Who wrote that traffic goes home.")
    way: str | None = Field(default=None, description="router, or eviction: the second way home.")
    reasons: tuple[str, ...] = ()
    proof: str | None = None
    candidate_requests: int | None = None
    candidate_failed: int | None = None
    clients: Clients | None = None

    @property
    def kept(self) -> bool:
        """Whether the candidate came home as promised."""
        return not self.broken


class Drill(Value):
    """One whole fire drill."""

    id: str
    model: str
    route: str
    began_at: AwareDatetime
    ended_at: AwareDatetime
    actor: str
    results: tuple[Result, ...]

    @property
    def kept(self) -> bool:
        """Whether every candidate came home as promised; a drill of nothing has kept nothing."""
        return bool(self.results) and all(result.kept for result in self.results)


def row(result: Result) -> tuple[str, ...]:
    """Return the cells that stand below HEADERS."""
    times, promise = result.times, result.fault.promise
    spans = (("struck", "detected"), ("detected", "decided"), ("decided", "quiet"), ("quiet", "verified"))
    return (
        result.fault.name,
        "yes" if result.kept else "NO",
        *(_seconds(times.seconds(*span) if times else None) for span in spans),
        _seconds(times.seconds("struck", "verified") if times else None),
        f"{promise.decided:g}+{promise.verified:g}",
        f"{result.by or '–'}{', by eviction' if result.way == 'eviction' else ''}",
        "–" if result.candidate_failed is None else f"{result.candidate_failed} of {result.candidate_requests}",
    )


def headline(drill: Drill) -> str:
    """Return the drill in one sentence."""
    kept = sum(result.kept for result in drill.results)
    seconds = (drill.ended_at - drill.began_at).total_seconds()
    return f"{kept} of {len(drill.results)} faults came home as promised, {seconds:.0f} s in all"


def markdown(drill: Drill) -> str:
    """Return the whole drill as a Markdown page."""
    about = (
        f"{headline(drill)}. Model `{drill.model}`, on its drill's route `{drill.route}`; "
        f"began {drill.began_at:%Y-%m-%d %H:%M:%S} UTC; asked for by {drill.actor}."
    )
    parts = [
        f"# Fire drill {drill.id}",
        about,
        _table([row(result) for result in drill.results]),
        f"{LEGEND}.",
        *(_told(result, drill.route) for result in drill.results),
    ]
    return "\n\n".join(parts) + "\n"


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = [HEADERS, tuple("---" for _ in HEADERS), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _told(result: Result, route: str) -> str:
    fault = result.fault
    facts = [
        f"- done: {fault.does}",
        f"- stands for: {fault.simulates}",
        *(f"- **not kept**: {sentence}" for sentence in result.broken),
        *(f"- reason on record: {sentence}" for sentence in result.reasons),
    ]
    if result.proof:
        facts.append(f"- proof: {result.proof}")
    if result.clients:
        facts.append(f"- clients of the drill's route: {result.clients.asked} asked, {result.clients.failed} failed")
    if result.rollout:
        facts.append(
            f"- records: rollout `{result.rollout}` in `rollout/{route}`, its checks in `checks/{result.rollout}`"
        )
    return "\n".join((f"## {fault.name}", "", *facts))


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
