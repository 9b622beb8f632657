"""What a run leaves on Prefect's pages: progress while it goes, a decision table per stage."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, cast
from uuid import UUID

import httpx
from prefect.artifacts import (
    create_link_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from firstflight.decision.reasons import ends, meaning, outlasting
from firstflight.decision.verdicts import Decision
from firstflight.domain.plans import ABTestPlan, CanaryPlan
from firstflight.domain.samples import Look
from firstflight.domain.wording import metric_name, odds, quantity
from firstflight.rollout.machine import Rollout
from firstflight.settings import Settings

HOLD = (
    "**Suspend holds this rollout** where it is when its stage ends, watched, until **Resume**: for the time you give, "
    "and for {:,.0f} s at most; then traffic goes home, as it does at Cancel. "
    "`firstflight freeze --as YOU --reason WHY` holds every rollout until `firstflight thaw`."
)
NO_HOLD = (
    "**Suspend does not hold an A/B test.** It ends the run's process when the test has run its length, and the guard "
    "then brings traffic home, as Cancel does at once. `firstflight freeze --as YOU --reason WHY` keeps new ones from "
    "beginning."
)
"""What Prefect's buttons do to a run that is under way, on its page."""
log = logging.getLogger("firstflight.artifacts")  # below the one that Prefect keeps with the run


class Progress:
    """The rollout's progress bar, and the table of the stage when it is decided.

    The bar is one artifact, updated in place once a minute and when a stage ends: a row for each check
    would be hundreds a rollout. Nothing waits for Prefect here, and what it does not take is left out: a page that is
    behind must cost no rollout its lease.
    """

    def __init__(self, rollout: Rollout) -> None:
        self.rollout = rollout
        self._artifact: UUID | None = None
        self._updated_at: float = 0.0
        self._poster = ThreadPoolExecutor(max_workers=1, thread_name_prefix="artifacts")
        self._posted: Future[None] | None = None

    def update(self, look: Look, decision: Decision) -> None:
        """Show the check; a decided stage also leaves its table."""
        decided = decision.verdict.decides
        if decided or self._posted is None or self._posted.done():
            self._posted = self._poster.submit(copy_context().run, self._post, look, decision, decided=decided)
        if decided:
            self._poster.shutdown(wait=False)

    def _post(self, look: Look, decision: Decision, *, decided: bool) -> None:
        try:
            self._show(look, decision, decided=decided)
        except httpx.HTTPError as error:
            log.warning("%s: Prefect did not take what its page is to show: %s", self.rollout.id, error)

    def _show(self, look: Look, decision: Decision, *, decided: bool) -> None:
        if self._artifact is None:
            key = f"progress-{self.rollout.id}"
            created = create_progress_artifact(
                self._percent(look, decided=False), key=key, description=_introduction(self.rollout)
            )
            self._artifact = cast("UUID", created)  # awaitable only where an event loop runs, and none does here
        if decided or look.at.timestamp() - self._updated_at >= 60:  # noqa: PLR2004 - a minute, as the class says
            update_progress_artifact(self._artifact, progress=self._percent(look, decided=decided))
            self._updated_at = look.at.timestamp()
        if decided:
            test = self.rollout.activity == "ab_test"
            create_table_artifact(
                key=f"decision-{self.rollout.id}-{look.stage}",
                table=decision_table(decision),
                description=f"**{decision.verdict}** {'of the A/B test' if test else f'at {look.stage} %'}\n\n"
                + "\n".join(f"- {reason}" for reason in decision.reasons),
            )

    def _percent(self, look: Look, *, decided: bool) -> float:
        if isinstance(self.rollout.plan, ABTestPlan):
            return 100.0 if decided else 50.0
        stages = self.rollout.plan.stages
        done = len(self.rollout.passed) + decided
        within = min(1.0, look.stage_elapsed / self.rollout.plan.stage_seconds)
        return round(100.0 * min(1.0, (done + (0.0 if decided else within)) / len(stages)), 1)


def show_link(key: str, link: str, description: str) -> None:
    """Leave a link on the run's page; a page that does not answer is no reason for the run to fail."""
    try:
        create_link_artifact(key=key, link=link, description=description)
    except httpx.HTTPError as error:
        log.warning("Prefect did not take the link %s: %s", key, error)


def decision_table(decision: Decision) -> list[dict[str, Any]]:
    """One row for each metric: what is certain, both arms, the interval and the evidence."""
    return [
        {
            "metric": metric_name(row.metric, row.quantile),
            "status": row.status.replace("_", " "),
            "meaning": meaning(row),
            "stable": quantity(row.stable, row.unit),
            "candidate": quantity(row.candidate, row.unit),
            "interval": f"{ends(row)}{' of the difference' if row.interval_of == 'difference' else ''}",
            "evidence of harm": f"{odds(row.log_e_rollback)}, {odds(row.log_threshold_rollback)} needed",
            "requests or units": f"{row.n_stable:,} / {row.n_candidate:,}",
        }
        for row in decision.metrics
    ]


def _introduction(rollout: Rollout) -> str:
    """Return what is tried against what, where it is shown live, what no stage can see, and what Suspend does."""
    settings = Settings()
    live = (
        f"[Live on its own page]({settings.page}/rollouts/{rollout.id}), while `firstflight open` runs on that machine"
    )
    tried = ", ".join(version.served_name for version in rollout.arms.candidates)
    plan = rollout.plan
    blind = {each.metric: outlasting(plan, each) for each in plan.guardrails} if isinstance(plan, CanaryPlan) else {}
    return "\n\n".join(
        [
            f"{rollout.id}: {tried} against {rollout.arms.stable.served_name}",
            *([live] if settings.work_pool == "local" else []),
            *[f"**{metric_name(metric)}**: {why}" for metric, why in blind.items() if why],
            HOLD.format(plan.approval_seconds) if isinstance(plan, CanaryPlan) else NO_HOLD,
        ]
    )
