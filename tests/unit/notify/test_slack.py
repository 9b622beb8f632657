"""Slack over real HTTP: a server on loopback plays Slack and checks what arrives."""

import json
import logging
import pickle
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr

from firstflight.domain.errors import NotificationFailedError, Outage
from firstflight.notify import Delivery, open_notifier
from firstflight.notify.blocks import to_blocks, to_text
from firstflight.notify.messages import Message
from firstflight.notify.notifier import LogNotifier
from firstflight.notify.slack import SlackNotifier
from firstflight.settings import Settings

TOKEN = "xoxb-not-a-real-token-7c1f"  # noqa: S105 - no secret: the loopback server's
MESSAGE = Message(
    kind="promoted",
    model="churn",
    rollout="churn-r1",
    headline="churn: b & <b>-v2 promoted",
    facts=(("Replaced", "a-v1, still loaded"), ("Rollout", "churn-r1")),
    link="http://127.0.0.1/run?a=1&b=2",
)


class Slack(ThreadingHTTPServer):
    """Answers `chat.postMessage` with what `answers` holds next, and keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Door)
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.posted: list[dict[str, Any]] = []
        self.delay = threading.Event()
        self.delay.set()

    @property
    def url(self) -> str:
        """Address to give as base URL."""
        return f"http://127.0.0.1:{self.server_port}/api/"

    def will_answer(self, status: int, body: dict[str, Any] | bytes, **headers: str) -> None:
        """Queue an answer."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.append((status, {name.replace("_", "-"): value for name, value in headers.items()}, raw))


class Door(BaseHTTPRequestHandler):
    """One request to the Slack above."""

    server: Slack

    def do_POST(self) -> None:
        """Take a message, or refuse it as Slack does."""
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        sent = (
            json.loads(text) if "json" in self.headers["Content-Type"] else {k: v[0] for k, v in parse_qs(text).items()}
        )
        self.server.posted.append({"path": self.path, "authorization": self.headers["Authorization"], **sent})
        self.server.delay.wait(timeout=30)
        good: dict[str, Any] = {"ok": True, "ts": "1700000000.000100", "channel": sent["channel"]}
        status, headers, body = (
            self.server.answers.pop(0) if self.server.answers else (200, {}, json.dumps(good).encode())
        )
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is reached directly, whatever proxy the machine has."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def slack() -> Iterator[Slack]:
    """A Slack that takes everything until told otherwise."""
    with Slack() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.delay.set()
        server.shutdown()
        thread.join()


def notifier(url: str) -> SlackNotifier:
    """A notifier for the channel #releases at `url`."""
    return SlackNotifier(SecretStr(TOKEN), "#releases", url)


def test_a_message_arrives_whole(slack: Slack) -> None:
    """Path, token, channel, fallback text and blocks are what Slack wants; the receipt is kept."""
    delivery = notifier(slack.url).send(MESSAGE)
    [posted] = slack.posted
    assert "/api/chat.postMessage" == posted["path"]
    assert f"Bearer {TOKEN}" == posted["authorization"]
    assert "#releases" == posted["channel"]
    assert to_text(MESSAGE) == posted["text"]
    blocks = posted["blocks"]
    assert to_blocks(MESSAGE) == (json.loads(blocks) if isinstance(blocks, str) else blocks)
    assert "b &amp; &lt;b&gt;-v2" in posted["text"]
    assert Delivery(delivered=True, where="Slack channel #releases", reason="message 1700000000.000100") == delivery


def test_a_base_url_without_its_slash_works(slack: Slack) -> None:
    """`…/api` and `…/api/` are the same place."""
    assert notifier(slack.url.removesuffix("/")).send(MESSAGE).delivered


def test_a_rate_limit_is_waited_out(slack: Slack) -> None:
    """429 with Retry-After is obeyed, and the message is posted once in the end."""
    slack.will_answer(429, {"ok": False, "error": "ratelimited"}, Retry_After="1")
    begun = time.monotonic()
    assert notifier(slack.url).send(MESSAGE).delivered
    assert time.monotonic() - begun >= 1
    assert 2 == len(slack.posted)


@pytest.mark.parametrize("wait", ["3600", "soon"])
def test_a_rate_limit_that_would_hold_a_rollout_up_is_a_failure(slack: Slack, wait: str) -> None:
    """A wait of an hour, or one nobody can read, is not waited."""
    slack.will_answer(429, {"ok": False, "error": "ratelimited"}, Retry_After=wait)
    with pytest.raises(NotificationFailedError, match="ratelimited"):
        notifier(slack.url).send(MESSAGE)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, {"ok": False, "error": "invalid_auth"}, "invalid_auth; set a valid FIRSTFLIGHT_SLACK_TOKEN"),
        (200, {"ok": False, "error": "not_in_channel"}, "not_in_channel; invite the app to the channel"),
        (200, {"ok": False, "error": "invalid_blocks"}, "invalid_blocks"),
        (500, {"ok": False, "error": "internal_error"}, "internal_error"),
        (503, b"<html>down for maintenance</html>", "maintenance"),
        (200, b"not json", "not json"),
        (200, b"{broken", "JSONDecodeError"),
    ],
    ids=["invalid_auth", "not_in_channel", "invalid_blocks", "500", "503 in HTML", "no JSON", "broken JSON"],
)
def test_a_refusal_is_a_failed_notification(slack: Slack, status: int, body: dict[str, Any] | bytes, said: str) -> None:
    """Whatever Slack answers, the caller meets one error that says what and what to do; nothing is sent twice."""
    slack.will_answer(status, body)
    with pytest.raises(NotificationFailedError) as caught:
        notifier(slack.url).send(MESSAGE)
    assert isinstance(caught.value, Outage)
    assert said in str(caught.value)
    assert "'promoted' of churn-r1 for channel #releases" in str(caught.value)
    assert 1 == len(slack.posted)


def test_nobody_at_the_address_is_a_failed_notification(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection is tried again, after a pause each time, then reported."""
    pauses: list[float] = []
    monkeypatch.setattr("slack_sdk.http_retry.handler.time.sleep", pauses.append)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/api/"
    with pytest.raises(NotificationFailedError, match="refused"):
        notifier(url).send(MESSAGE)
    assert 2 == len(pauses)


def test_a_silent_slack_is_given_up_and_not_asked_twice(slack: Slack, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time limit the message may have been posted, so it is not posted again."""
    monkeypatch.setattr("firstflight.notify.slack._TIMEOUT_SECONDS", 0.2)
    slack.delay.clear()
    with pytest.raises(NotificationFailedError, match="timed out"):
        notifier(slack.url).send(MESSAGE)
    assert 1 == len(slack.posted)


@pytest.mark.parametrize("answer", ["good", "invalid_auth", "broken", "echo"])
def test_the_token_is_nowhere_to_be_seen(slack: Slack, caplog: pytest.LogCaptureFixture, answer: str) -> None:
    """Logs at their most talkative, representations, errors and their pickles do not hold the token."""
    caplog.set_level(logging.DEBUG)
    if answer == "broken":
        slack.will_answer(200, b"{broken")
    elif answer == "echo":
        slack.will_answer(200, {"ok": False, "error": f"who is {TOKEN}?"})
    elif answer != "good":
        slack.will_answer(200, {"ok": False, "error": answer})
    client = notifier(slack.url)
    seen = [repr(client), str(client)]
    try:
        seen.append(repr(client.send(MESSAGE)))
    except NotificationFailedError as error:
        seen += ["".join(traceback.format_exception(error)), repr(pickle.dumps(error)), repr(error.__context__)]
    if answer != "echo":  # what Slack's library logs of an answer is not ours
        seen.append(caplog.text)
    assert "Slack" in "".join(seen)
    assert TOKEN not in "".join(seen)


@pytest.mark.parametrize("token", [f"{TOKEN}\nX-Evil: 1", f"{TOKEN}ü", "", "  ", f"{TOKEN} {TOKEN}", f"{TOKEN}\0"])
def test_a_token_no_header_can_carry_is_refused_unseen(token: str) -> None:
    """It is refused before the HTTP library meets it, which would print it."""
    with pytest.raises(ValueError, match="Slack token is empty or holds") as caught:
        SlackNotifier(SecretStr(token), "#releases", "http://127.0.0.1/")
    assert TOKEN not in str(caught.value)


def test_a_token_read_from_a_file_may_end_in_a_newline(slack: Slack) -> None:
    """Blanks around the token are not part of it."""
    SlackNotifier(SecretStr(f"{TOKEN}\n"), "#releases", slack.url).send(MESSAGE)
    assert f"Bearer {TOKEN}" == slack.posted[0]["authorization"]


def settings_with(**values: object) -> Settings:
    """Settings in which nothing of Slack is set but `values`."""
    return Settings.model_validate({"slack_token": None, "slack_channel": None, **values})


def test_without_a_token_the_log_has_the_message(caplog: pytest.LogCaptureFixture) -> None:
    """The log holds the whole message, and the delivery says that nobody was reached and why."""
    caplog.set_level(logging.INFO)
    delivery = open_notifier(settings_with()).send(MESSAGE)
    assert MESSAGE.text in caplog.text
    reason = "no Slack token configured: kept in the log and the report"
    assert Delivery(delivered=False, where="log", reason=reason) == delivery


@pytest.mark.parametrize(
    ("values", "said"),
    [({"slack_token": TOKEN}, "no Slack channel"), ({"slack_token": "a b", "slack_channel": "#c"}, "holds blanks")],
    ids=["no channel", "malformed token"],
)
def test_a_wrong_configuration_does_not_stop_anybody(values: dict[str, str], said: str) -> None:
    """Who opens the notifier may be about to roll back: it opens, and says what is wrong."""
    opened = open_notifier(settings_with(**values))
    assert isinstance(opened, LogNotifier)
    assert said in opened.send(MESSAGE).reason


def test_token_and_channel_open_slack(slack: Slack) -> None:
    """With both set, messages go to the address of the settings."""
    opened = open_notifier(settings_with(slack_token=TOKEN, slack_channel="C123", slack_url=slack.url))
    assert opened.send(MESSAGE).delivered
    assert "C123" == slack.posted[0]["channel"]


def test_messages_are_frozen() -> None:
    """A message that travels cannot be changed on the way."""
    with pytest.raises(ValueError, match="frozen"):
        MESSAGE.headline = "promoted?"  # type: ignore[misc] # the point of the test
    assert MESSAGE == Message.model_validate(MESSAGE.model_dump())
