"""Who may ask the stack's real Prefect server: its home's owner; no other user, and no page of another origin."""

import os
import shutil
import socket
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from firstflight.domain.errors import OrchestratorUnavailableError
from firstflight.orchestrator import Orchestrator
from firstflight.settings import Settings
from firstflight.stack.sign_in import door
from tests.e2e.runs import prefect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATHS = ("/flow_runs/filter", "/deployments/filter", "/work_pools/filter", "/logs/filter", "/artifacts/filter")

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's own Chromium."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine's path")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=CHROMIUM) as browser:
        yield browser


@pytest.mark.parametrize("path", PATHS)
def test_a_process_without_the_password_gets_nothing(stack: Settings, path: str) -> None:
    """401, and nothing of what is there; with another password too."""
    url = stack.prefect_api + path
    for auth in (None, ("firstflight", "guessed"), ("", "")):
        refused = httpx.post(url, json={}, auth=auth, trust_env=False)
        assert (401, {"exception_message": "Unauthorized"}) == (refused.status_code, refused.json())
    with prefect(stack) as client:
        client.post(path, json={}).raise_for_status()


def test_no_run_is_made_without_the_password(stack: Settings) -> None:
    """A run whose job variables name a command of somebody else's is refused, and is not there."""
    with prefect(stack) as client:
        [found] = client.post("/deployments/filter", json={"deployments": {"name": {"any_": ["roll-back"]}}}).json()
        command = {"name": "foreign", "job_variables": {"command": "touch /tmp/foreign"}}
        url = f"{stack.prefect_api}/deployments/{found['id']}/create_flow_run"
        assert 401 == httpx.post(url, json=command, trust_env=False).status_code
        named = {"flow_runs": {"name": {"any_": ["foreign"]}}}
        assert [] == client.post("/flow_runs/filter", json=named).json()


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "http://localhost:8888", "null"])
def test_a_page_of_another_origin_is_refused(stack: Settings, origin: str) -> None:
    """The browser is told so before it sends anything, whatever host it believes to ask."""
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    url = f"{stack.prefect_api}/flow_runs/filter"
    refused = httpx.options(url, headers=asked, trust_env=False)
    assert 400 == refused.status_code
    assert "access-control-allow-origin" not in refused.headers
    rebound = httpx.post(url, json={}, headers={"Origin": origin, "Host": "elsewhere.example"}, trust_env=False)
    assert 401 == rebound.status_code


def test_health_is_no_secret(stack: Settings) -> None:
    """Whoever watches the server needs no password to see that it lives."""
    assert 200 == httpx.get(f"{stack.prefect_api}/health", trust_env=False).status_code


def test_the_page_asks_for_the_password(stack: Settings, browser: Browser) -> None:
    """Opened by its address alone it shows nothing of the runs."""
    page = browser.new_page()
    page.goto(f"{stack.prefect_page}/v2/runs")
    expect(page.get_by_role("button", name="Login")).to_be_visible(timeout=180_000)
    assert page.evaluate("localStorage.getItem('prefect-password')") is None
    page.close()


def test_the_private_file_opens_it_signed_in(stack: Settings, browser: Browser) -> None:
    """Nobody types anything; the address of the page that is then shown holds no secret."""
    assert stack.prefect_auth is not None
    page: Page = browser.new_page()
    page.goto(door(stack, "/v2/deployments").as_uri())
    page.wait_for_url(f"{stack.prefect_page}/v2/deployments")
    expect(page.get_by_text("ab-test").first).to_be_visible(timeout=180_000)
    page.close()


def test_a_link_cannot_lead_elsewhere(stack: Settings, browser: Browser) -> None:
    """The page that signs in goes on to this server alone."""
    door(stack, "/v2/runs")
    page = browser.new_page()
    for path in ("//elsewhere.example/", "https://elsewhere.example/", "javascript:document.title='taken'"):
        page.goto(f"{stack.prefect_page}/sign-in.html#word,{path}")
        assert "Firstflight" == page.title()
        assert page.url.startswith(f"{stack.prefect_page}/sign-in.html")
        assert page.evaluate("localStorage.getItem('prefect-password')") is None
    page.close()


def test_the_files_of_the_home_are_the_owner_s_alone(stack: Settings) -> None:
    """What holds the password: its own file, the file that leads to the page, and the supervisor's of each program."""
    assert stack.prefect_auth is not None
    word = stack.prefect_auth.get_secret_value().encode()
    holding = [
        path
        for path in stack.home.rglob("*")
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 1_000_000 and word in path.read_bytes()
    ]
    assert {"prefect-password", "prefect.conf", "worker.conf", "guard.conf"} <= {path.name for path in holding}
    assert [] == [path for path in holding if path.stat().st_mode & 0o077]
    assert [] == [path for path in holding if path.suffix == ".log"]
    assert os.getuid() == stack.home.stat().st_uid
    assert 0o700 == stack.home.stat().st_mode & 0o777


def test_prefect_listens_on_loopback_alone(stack: Settings) -> None:
    """The machine's own name leads nowhere, unless it is loopback."""
    own = socket.gethostbyname(socket.gethostname())
    if own.startswith("127."):
        pytest.skip("this machine's name is loopback")
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{own}:{stack.ports.prefect}/api/health", trust_env=False, timeout=5)


def test_another_password_is_said_as_such(stack: Settings) -> None:
    """A command with the wrong password says what to set; no flow starts and no command falls into a trace."""
    with pytest.raises(OrchestratorUnavailableError, match="PREFECT_API_AUTH_STRING"):
        Orchestrator(stack.prefect_api).suspended()
