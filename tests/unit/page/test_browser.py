"""The page in a real browser: led in, answering, told of news without a reload; readable without its script."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.sync_api import expect, sync_playwright

from firstflight.cli.open import listen, server
from firstflight.orchestrator import Orchestrator
from firstflight.page.app import Keys, app
from firstflight.page.reading import Reading
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import Rollout
from firstflight.settings import Settings
from tests.conftest import free_ports
from tests.unit.acts.twin import Twin, drive
from tests.unit.page.conftest import Prefect, waiting

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE_MS = 120_000


@dataclass
class Driven(Prefect):
    """A server whose run goes on, to its end, once it has its answer."""

    go_on: Any = None
    begun: list[threading.Thread] = field(default_factory=list)

    def resume(self, run: str, answer: dict[str, Any]) -> None:
        """Keep it, and go on."""
        super().resume(run, answer)
        self.begun.append(threading.Thread(target=self.go_on, args=(Answer(**answer),)))
        self.begun[-1].start()


@contextmanager
def served(twin: Twin, rollout: Rollout, home: Path) -> Iterator[tuple[Settings, Keys, Driven]]:
    """Serve the page as `firstflight open` does."""
    port = free_ports().prefect
    settings, keys = Settings(home=home, page_port=port), Keys()
    prefect = Driven(go_on=lambda given: drive(twin.world, rollout, given))
    ended = threading.Event()
    site = app(Reading(twin.world.ledger), cast("Orchestrator", prefect), settings, keys, ended)
    answering = server(site, ended)
    with listen(settings) as listening:
        thread = threading.Thread(target=answering.run, args=([listening],))
        thread.start()
        try:
            yield settings, keys, prefect
        finally:
            answering.should_exit = True
            for each in (thread, *prefect.begun):
                each.join()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine's path")
def test_a_person_answers_and_sees_what_becomes_of_it(tmp_path: Path) -> None:
    """Signed in by the link, by keyboard; the page follows to the end by itself, and needs no script to be read."""
    twin = Twin()
    rollout = waiting(twin)
    expect.set_options(timeout=PATIENCE_MS)
    with (
        served(twin, rollout, tmp_path) as (settings, keys, prefect),
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, timeout=PATIENCE_MS) as browser,
    ):
        faults: list[str] = []
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda said: faults.append(said.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{settings.page}/sign-in#{keys.code},/rollouts/{rollout.id}")
        expect(page.locator("#answer")).to_be_visible()
        page.get_by_label("Your name").focus()
        page.keyboard.type("mara")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
        page.keyboard.type("go")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("#told")).to_contain_text("lightweight-predictor-v2 goes on to 50 % within seconds")
        expect(page.locator("#badge")).to_have_text("Promoted")
        expect(page.locator("#answer")).to_have_count(0)
        assert [] == faults

        read = browser.new_page(java_script_enabled=False, viewport={"width": 390, "height": 844})
        read.goto(f"{settings.page}/rollouts/{rollout.id}")
        expect(read.locator("#timeline + .panel")).to_contain_text("mara approved the 50 % stage: go")
        assert 390 == read.locator("html").bounding_box()["width"]  # type: ignore[index]  # the page has one
    assert [("mara", "approve", "go")] == [tuple(told.values()) for _, told in prefect.told]
