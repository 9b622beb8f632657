"""What the ledger and the router say of rollouts, as metrics."""

import logging
from collections.abc import Iterator, Mapping

from prometheus_client.core import Metric

from firstflight.acts.impact import impact_of
from firstflight.acts.ledger_view import models
from firstflight.acts.tell import owed
from firstflight.decision.verdicts import Decision, Verdict
from firstflight.domain.errors import LedgerError, StoreUnavailableError
from firstflight.domain.traffic import TrafficSplit
from firstflight.ledger.record import Record
from firstflight.rollout.machine import UNREADABLE, Phase, Rollout, checks_stream, stream
from firstflight.telemetry.families import Family, family
from firstflight.telemetry.following import Followed
from firstflight.world import World

log = logging.getLogger(__name__)


class Rollouts:
    """The last rollout of each model, and what the router reports of it; each record is read once."""

    def __init__(self, world: World) -> None:
        """Remember nothing yet."""
        self._world = world
        self._known: dict[str, Followed] | None = None
        self._harmed: dict[str, int | None] = {}

    @property
    def _followed(self) -> dict[str, Followed]:
        if self._known is None:
            raise StoreUnavailableError("the ledger could not be read: nobody knows which rollouts there are")
        return self._known

    @property
    def last(self) -> Mapping[str, Rollout]:
        """The last rollout of each model; raises StoreUnavailableError when the last `read` did."""
        return {model: one.rollout for model, one in self._followed.items() if one.rollout is not None}

    def read(self) -> None:
        """Read what was written since; raises an Outage, after which everything is read anew: it may be another one.

        A stream that the database cannot give hides no others.
        """
        before, self._known = self._known or {}, None
        read = {}
        for model in models(self._world.ledger):
            one = before.get(model) or Followed()
            try:
                one.read(self._world.ledger.read(stream(model), one.head))
            except LedgerError as error:
                log.error("%s: its records cannot be read: %s", model, error)
            else:
                read[model] = one
        self._known = read

    def told(self) -> Iterator[Metric]:
        """Yield what is known as of the last `read`; raises an Outage."""
        yield from self._of_their_course()
        yield from self._of_their_checks()
        yield from self._of_their_ends()

    def routed(self) -> Iterator[Metric]:
        """Yield what the router reports of every route, whatever the ledger says; raises an Outage."""
        percent = family("firstflight_router_percent")
        for model in self._world.backend.stables():
            if (split := self._world.backend.get_traffic(model)) is not None:
                _add_split(percent, model, split)
        yield percent

    def _of_their_course(self) -> Iterator[Metric]:
        info, phase = family("firstflight_rollout_info"), family("firstflight_rollout_phase")
        since, stage = (
            family("firstflight_rollout_phase_start_timestamp_seconds"),
            family("firstflight_rollout_stage_percent"),
        )
        declared, waiting = family("firstflight_rollout_declared_percent"), family("firstflight_messages_owed")
        for model, rollout in self.last.items():
            arms = rollout.arms
            candidates = ",".join(one.served_name for one in arms.candidates)
            info.add((model, rollout.id, rollout.activity, arms.stable.served_name, candidates), 1)
            for one in Phase:
                phase.add((model, one.value), one is rollout.phase)
            if (at := self._followed[model].since) is not None:
                since.add((model,), at.timestamp())
            if rollout.stage is not None:
                stage.add((model,), rollout.stage)
            if rollout.split is not None:
                _add_split(declared, model, rollout.split)
            waiting.add((model,), owed(self._world.ledger, rollout))
        yield from (info, phase, since, stage, declared, waiting)

    def _of_their_checks(self) -> Iterator[Metric]:
        at, every = (
            family("firstflight_rollout_check_timestamp_seconds"),
            family("firstflight_rollout_check_interval_seconds"),
        )
        verdict, failing = family("firstflight_rollout_verdict"), family("firstflight_rollout_stable_failing")
        evidence, threshold = (
            family("firstflight_guardrail_log_evidence"),
            family("firstflight_guardrail_log_threshold"),
        )
        for model, rollout in self.last.items():
            every.add((model,), rollout.plan.check_seconds)
            for record in self._world.ledger.tail(checks_stream(rollout), "check")[:1]:
                if (decision := _decision(record)) is None:
                    continue
                at.add((model,), record.at.timestamp())
                failing.add((model,), decision.verdict is Verdict.HOLD or bool(decision.failing))
                for one in Verdict:
                    verdict.add((model, one.value), one is decision.verdict)
                for row in decision.metrics:
                    evidence.add((model, row.metric, "harm"), row.log_e_rollback)
                    threshold.add((model, row.metric, "harm"), row.log_threshold_rollback)
                    if row.log_e_promote is not None:
                        evidence.add((model, row.metric, "proof"), row.log_e_promote)
                        threshold.add((model, row.metric, "proof"), row.log_threshold_promote)
        yield from (at, every, verdict, failing, evidence, threshold)

    def _of_their_ends(self) -> Iterator[Metric]:
        ends, triggers = family("firstflight_rollouts"), family("firstflight_rollbacks")
        harmed = family("firstflight_rollout_harmed_requests")
        for model, one in self._followed.items():
            for phase, count in one.ends.items():
                ends.add((model, phase.value), count)
            for trigger, count in one.triggers.items():
                triggers.add((model, trigger), count)
        ended = {model: one for model, one in self.last.items() if one.phase is Phase.ROLLED_BACK}
        self._harmed = {
            one.id: self._harmed[one.id] if one.id in self._harmed else impact_of(self._world, one).requests
            for one in ended.values()
        }
        for model, rollout in ended.items():
            if (requests := self._harmed[rollout.id]) is not None:
                harmed.add((model,), requests)
        yield from (ends, triggers, harmed)


def _add_split(percent: Family, model: str, split: TrafficSplit) -> None:
    for name, share in split.weights.items():
        percent.add((model, name), share)


def _decision(record: Record) -> Decision | None:
    """Return what was decided on a check, None where nobody can read it."""
    try:
        return Decision.model_validate(record.body["decision"])
    except UNREADABLE:
        return None
