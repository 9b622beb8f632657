"""Judge the recorded looks of a rollout anew, and hold what was decided then against it, to the last bit."""

from collections.abc import Callable, Iterator
from typing import Literal

from pydantic import JsonValue

from firstflight.acts.compare import Watched
from firstflight.acts.ledger_view import history, look_in, models
from firstflight.acts.observe import baked, concluded
from firstflight.acts.rules import rules
from firstflight.decision.decide import start, update
from firstflight.decision.verdicts import Decision, Verdict
from firstflight.domain.errors import NotFoundError, UnreadableRecordError
from firstflight.domain.plans import CanaryPlan
from firstflight.domain.samples import Look
from firstflight.domain.values import Value
from firstflight.ledger.record import Record, RecordStore
from firstflight.rollout.machine import UNREADABLE, Rollout, checks_stream, rollouts, stream


class Rejudged(Value):
    """One check: what was decided, and what its look and those before it say now.

    Attributes:
        number: Of its record.
        stage: In % of traffic, where the look says so.
        recorded: The verdict that was acted on.
        now: The verdict of the same looks now; None where they do not tell it.
        outcome: `agrees` in verdict and every number; `differs`; `seen elsewhere`, for what the router or a model
            server said is in no look; `unreadable`, and then no later check can be judged.
        differences: What differs, each as it was and as it is.
        same_rules: Whether it was judged by the very mathematics that judge now; None where it is not recorded.
    """

    number: int
    stage: int | None
    recorded: Verdict | None
    now: Verdict | None
    outcome: Literal["agrees", "differs", "seen elsewhere", "unreadable"]
    differences: tuple[str, ...] = ()
    same_rules: bool | None = None


def rejudge(ledger: RecordStore, word: str) -> Iterator[Rejudged]:
    """Yield every check of the rollout `word`, in order; raises NotFoundError."""
    rollout = next((one for model in models(ledger) for one in history(ledger, model) if one.id == word), None)
    if rollout is None:
        raise NotFoundError(f"the ledger has no rollout {word!r}; `firstflight history MODEL` names those it has")
    judge = _canary(ledger, rollout, rollout.plan) if isinstance(rollout.plan, CanaryPlan) else _test(rollout)
    for record in ledger.read(checks_stream(rollout)):
        if record.kind != "check":
            continue
        try:
            recorded, look = Decision.model_validate(record.body["decision"]), look_in(record)
        except (UnreadableRecordError, *UNREADABLE) as error:
            yield Rejudged(
                number=record.number,
                stage=None,
                recorded=None,
                now=None,
                outcome="unreadable",
                differences=(str(error),),
            )
            return
        yield _held_against(record, look, recorded, judge(record, look))


def _canary(ledger: RecordStore, rollout: Rollout, plan: CanaryPlan) -> Callable[[Record, Look], Decision]:
    records = ledger.read(stream(rollout.model))
    evidence = start(plan, rollout.arms.stable.served_name, rollout.candidate.served_name)

    def judge(check: Record, look: Look) -> Decision:
        nonlocal evidence
        evidence = update(plan, evidence, look)
        head = check.body.get("head")  # those that have none are told by their time
        told = rollouts([one for one in records if (one.at <= look.at if head is None else one.number <= head)])
        then = next((one for one in told if one.id == rollout.id), rollout)
        return baked(then, plan, concluded(then, plan, evidence, look))

    return judge


def _differences(path: str, was: JsonValue, found: JsonValue) -> Iterator[str]:
    """Yield each leaf that is another, by its path; an item of a list is called by its metric where it has one."""
    if isinstance(was, dict) and isinstance(found, dict) and was.keys() == found.keys():
        for name in was:
            yield from _differences(f"{path}.{name}", was[name], found[name])
    elif isinstance(was, list) and isinstance(found, list) and len(was) == len(found):
        for place, (one, other) in enumerate(zip(was, found, strict=True)):
            named = one.get("metric", place) if isinstance(one, dict) else place
            yield from _differences(f"{path}.{named}", one, other)
    elif was != found:
        yield f"{path.removeprefix('.')}: {was} then, {found} now"


def _test(rollout: Rollout) -> Callable[[Record, Look], Decision]:
    watched = Watched(rollout)
    return lambda _check, look: watched.learn(look)


def _held_against(record: Record, look: Look, recorded: Decision, now: Decision) -> Rejudged:
    by = record.body.get("rules")
    was, found = recorded.model_dump(mode="json"), now.model_dump(mode="json")
    if by != rules():  # the same numbers may be told in other words
        was.pop("reasons"), found.pop("reasons")
    differences = tuple(_differences("", was, found))
    # What a look does not hold: that of the router or a server. It is never good news.
    elsewhere = recorded.verdict is Verdict.ROLL_BACK and recorded.at is None and not recorded.metrics
    outcome: Literal["agrees", "differs", "seen elsewhere"] = "differs" if differences else "agrees"
    if differences and elsewhere:
        outcome, differences = "seen elsewhere", recorded.reasons
    return Rejudged(
        number=record.number,
        stage=look.stage,
        recorded=recorded.verdict,
        now=now.verdict,
        outcome=outcome,
        differences=differences,
        same_rules=None if by is None else by == rules(),
    )
