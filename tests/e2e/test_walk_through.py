"""A way through Prefect's page, by mouse in headless Chromium: start, see the evidence, approve, reject, cancel."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from firstflight.domain.traffic import TrafficSplit
from firstflight.ledger import open_store
from firstflight.ledger.record import Record
from firstflight.rollout.machine import Phase, stream
from firstflight.serving import open_backend
from firstflight.stack.sign_in import door
from tests.e2e.runs import CANARY, MODEL, Runs, assert_home, canary, candidate, prefect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PLAN = CANARY.model_copy(update={"approval_seconds": 300.0})
PATIENCE_MS = 180_000

pytestmark = [
    pytest.mark.local,
    pytest.mark.usefixtures("released"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine's path"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's own Chromium."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=CHROMIUM) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, runs: Runs, tmp_path: Path) -> Iterator[Page]:
    """A page that reaches nothing but this machine, signed in as `firstflight open` does it.

    How it looked at the end is kept beside the test's files.
    """
    with browser.new_context(viewport={"width": 1280, "height": 1300}) as context:
        context.set_default_timeout(PATIENCE_MS)
        context.route(lambda url: urlsplit(url).hostname not in {"127.0.0.1", None}, lambda route: route.abort())
        page = context.new_page()
        page.goto(door(runs.settings, "/v2/runs").as_uri())
        # Prefect's page forgets the password when it is left before the server has confirmed it.
        expect(page.get_by_text("Deployments", exact=True).first).to_be_visible()
        yield page
        page.screenshot(path=tmp_path / "last.png")


def field(page: Page, title: str) -> Locator:
    """The first field of the form under this title."""
    return page.get_by_text(title, exact=True).first.locator("xpath=ancestor::div[contains(@class, 'group')][1]")


def in_the_menu(page: Page, link: str, item: str) -> Locator:
    """Open a run's page by `link` and choose `item` in its menu, top right; return the dialog that follows."""
    page.goto(link)
    page.get_by_role("button", name="Open menu").click()
    page.get_by_role("menuitem", name=item, exact=True).click()
    return page.locator("[role=dialog], [role=alertdialog]")


def answer(page: Page, dialog: Locator, name: str, decision: str, comment: str) -> None:
    """Fill in the form below the evidence, and send it."""
    dialog.get_by_label("Your name").fill(name)
    dialog.get_by_text("Select", exact=True).click()
    page.get_by_role("option", name=decision).click()
    dialog.get_by_label("Comment").fill(comment)
    dialog.get_by_role("button", name="Resume").click()
    expect(dialog).to_be_hidden()


def last(runs: Runs, kind: str) -> Record:
    """The newest record of a kind in the model's ledger."""
    return [record for record in open_store(runs.settings).read(stream(MODEL)) if record.kind == kind][-1]


def test_a_canary_is_started_in_the_form_and_approved_by_clicks(
    page: Page, runs: Runs, reports: Path, tmp_path: Path
) -> None:
    """One guardrail changed, the others as they stood; the evidence read; approved: the candidate serves everything."""
    version = candidate(runs, "walked")
    with prefect(runs.settings) as client:
        deployment = client.get("/deployments/name/canary/canary").json()["id"]
    given = json.dumps({"plan": PLAN.model_dump(mode="json", exclude={"candidate"})})
    form = f"{runs.settings.prefect_page}/v2/deployments/deployment/{deployment}/run"
    page.goto(f"{form}?parameters={quote(given)}")
    field(page, "Candidate version (Optional)").get_by_role("tab", name="int").click()
    field(page, "Candidate version (Optional)").get_by_role("spinbutton").fill(str(version.number))
    field(page, "Limit (Optional)").get_by_role("spinbutton").fill("0.02")
    page.screenshot(path=tmp_path / "form.png")
    with page.expect_response("**/create_flow_run") as sent:
        page.get_by_role("button", name="Submit").click()
    run = UUID(sent.value.json()["id"])

    runs.suspended(run)
    rollout = runs.rollout(run)
    assert (PLAN.guardrails[0].model_copy(update={"limit": 0.02}), *PLAN.guardrails[1:]) == rollout.plan.guardrails
    assert rollout.split_at(25) == open_backend(runs.settings).get_traffic(MODEL)
    dialog = in_the_menu(page, last(runs, "approval.asked").body["link"], "Resume")
    report = reports / f"{rollout.id}.html"
    for told in (f"shall {version.served_name} get 50 % of traffic?", "Last look at 25 %", str(report)):
        expect(dialog).to_contain_text(told)
    expect(dialog.get_by_role("row")).to_have_count(1 + len(PLAN.guardrails))
    page.screenshot(path=tmp_path / "asked.png")
    with page.context.new_page() as story:
        story.goto(report.as_uri())
        expect(story.locator("body")).to_contain_text("Approve 50 % of traffic?")
        story.screenshot(path=tmp_path / "report.png")

    answer(page, dialog, "ada", "approve", "looks right")
    assert "Promoted" == runs.ended(run).state_name
    assert Phase.PROMOTED is runs.rollout(run).phase
    assert TrafficSplit.all_to(version.served_name) == open_backend(runs.settings).get_traffic(MODEL)
    given = last(runs, "approval.answered")
    assert ("ada", "approve", "looks right") == (given.actor, given.body["decision"], given.body["comment"])


def test_a_no_by_clicks_leads_home(page: Page, runs: Runs) -> None:
    """The router reports the stable model alone, and the ledger who said no and why."""
    run = canary(runs, candidate(runs, "unwanted"), PLAN).id
    runs.suspended(run)
    dialog = in_the_menu(page, last(runs, "approval.asked").body["link"], "Resume")
    answer(page, dialog, "grace", "reject", "not on a Friday")
    assert "RolledBack" == runs.ended(run).state_name
    rollout = runs.rollout(run)
    assert_home(runs, rollout)
    assert ("grace rejected: not on a Friday",) == rollout.reasons


def test_a_cancel_by_clicks_while_it_is_suspended_leads_home(page: Page, runs: Runs) -> None:
    """It holds the model: a second is refused. No process is there to act; traffic is home, and the ledger says why."""
    version = candidate(runs, "dropped")
    run = canary(runs, version, PLAN).id
    runs.suspended(run)
    second = runs.ended(canary(runs, version).id)
    assert "FAILED" == second.state_type
    assert "already has rollout" in second.message
    assert runs.orchestrator.run(run).suspended
    dialog = in_the_menu(page, last(runs, "approval.asked").body["link"], "Cancel")
    dialog.get_by_role("button", name="Cancel Flow Run").click()
    assert "CANCELLED" == runs.wait(run, lambda found: found.state_type == "CANCELLED").state_type
    rollout = runs.home(run)
    assert_home(runs, rollout)
    assert "Cancell" in " ".join(rollout.reasons)  # by the guard or by the automation, whoever is first
