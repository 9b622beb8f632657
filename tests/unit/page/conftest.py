"""Rollouts that really went, in memory, and the page that shows them."""

import asyncio
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx
import pytest

from firstflight.acts.ledger_view import history
from firstflight.acts.start import resume_or_start
from firstflight.orchestrator import FlowRun, Orchestrator
from firstflight.page.app import Keys, app
from firstflight.page.reading import Reading
from firstflight.rollout.machine import Rollout
from firstflight.settings import Settings
from tests.unit.acts.twin import MODEL, PLAN, Twin, drive

RUN = "5f3c9a52-9a3f-4d35-9f61-8f8f5a3b5a11"


def waiting(twin: Twin) -> Rollout:
    """Return a rollout whose run is suspended before its second stage."""
    twin.champion()
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number, "approvals": (50,), "approval_seconds": 300})
    return drive(twin.world, resume_or_start(twin.world, plan, run=RUN))


@dataclass
class Prefect:
    """A server whose run waits, and takes what it is told."""

    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def run(self, run: str) -> FlowRun:
        """The run, suspended."""
        return FlowRun(id=UUID(run), name="owl", state_type="PAUSED", state_name="Suspended", message="")

    def resume(self, run: str, answer: dict[str, Any]) -> None:
        """Keep it."""
        self.told.append((run, answer))


@dataclass
class Browser:
    """Whoever asks the page of a twin's rollouts by this machine's own name."""

    twin: Twin
    home: Path
    prefect: Prefect = field(default_factory=Prefect)
    keys: Keys = field(default_factory=Keys)

    def __post_init__(self) -> None:
        self.settings = Settings(home=self.home, page_port=4813)
        prefect = cast("Orchestrator", self.prefect)
        self._app = app(Reading(self.twin.world.ledger), prefect, self.settings, self.keys, threading.Event())

    @property
    def rollout(self) -> Rollout:
        """The newest."""
        return history(self.twin.world.ledger, MODEL)[-1]

    def ask(self, method: str, path: str, at: str = "http://127.0.0.1:4813", **sent: Any) -> httpx.Response:
        """Return the answer to one request."""

        async def answer() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url=at) as client:
                return await client.request(method, path, **sent)

        return asyncio.run(answer())

    def post(
        self, path: str, *, origin: str | None = "http://127.0.0.1:4813", key: str | None = None, **sent: Any
    ) -> httpx.Response:
        """Send something as a page of `origin` does, showing `key`."""
        headers = {"Origin": origin, "Authorization": None if key is None else f"Bearer {key}"}
        return self.ask("POST", path, headers={name: value for name, value in headers.items() if value}, **sent)


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    """A browser before a twin in which nothing has happened."""
    return Browser(Twin(), tmp_path)
