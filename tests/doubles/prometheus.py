"""A Prometheus that keeps what it is told to have scraped, and answers over HTTP the two questions asked of it.

What it does as the real one does is checked against the real one in tests/e2e/test_prometheus.py: the five minutes
that an instant query looks back, series that ended, ranges, errors and labels. It knows no PromQL besides
`timestamp(selector)` and `selector[range]`.
"""

import http.server
import json
import re
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

LOOK_BACK = 300_000
Labels = frozenset[tuple[str, str]]

_SELECTOR = r"[a-z_]+\{[^}]*\}"
_MATCHER = re.compile(r'([a-z_]+)(=~|=)"([^"]*)"')


@dataclass
class PrometheusDouble:
    """Samples by series, `now` in milliseconds, and what to do to the next requests instead of answering them."""

    url: str = ""
    now: int = 0
    scraped: dict[Labels, dict[int, float | None]] = field(default_factory=dict)
    faults: deque[tuple[int, bytes, Mapping[str, str]]] = field(default_factory=deque)
    asked: list[dict[str, str]] = field(default_factory=list)

    def scrape(self, at: int, found: Mapping[Labels, float], target: Mapping[str, str]) -> None:
        """Keep what a target exposed at `at`; series of the target that are missing now have ended (None)."""
        self.now = max(self.now, at)
        own = set(target.items())
        fresh = {frozenset({*series, *own}): value for series, value in found.items()}
        gone = [series for series in self.scraped if own <= series and series not in fresh]
        for series, value in fresh.items():
            self.scraped.setdefault(series, {})[at] = value
        for series in gone:
            self.scraped[series][at] = None

    def answer(self, query: str, time: int) -> dict[str, Any]:
        """Return the body of an answer."""
        if instant := re.fullmatch(rf"timestamp\(({_SELECTOR})\)", query):
            return _success("vector", self._instant(instant[1], time))
        if matrix := re.fullmatch(rf"({_SELECTOR})\[(\d+)ms\]", query):
            return _success("matrix", self._range(matrix[1], time - int(matrix[2]), time))
        return {"status": "error", "errorType": "bad_data", "error": f"parse error: {query}"}

    def _instant(self, selector: str, time: int) -> Iterator[dict[str, Any]]:
        for series, values in self._matching(selector):
            newest = max((at for at in values if time - LOOK_BACK < at <= time), default=None)
            if newest is not None and values[newest] is not None:
                yield {"metric": _named(series), "value": [time / 1000, str(newest / 1000)]}

    def _range(self, selector: str, after: int, until: int) -> Iterator[dict[str, Any]]:
        for series, values in self._matching(selector):
            inside = sorted((at, value) for at, value in values.items() if after < at <= until and value is not None)
            if inside:
                yield {"metric": dict(series), "values": [[at / 1000, _text(value)] for at, value in inside]}

    def _matching(self, selector: str) -> Iterator[tuple[Labels, dict[int, float | None]]]:
        name, _, matchers = selector.partition("{")
        wanted = [("__name__", "=", name), *_MATCHER.findall(matchers)]
        for series, values in self.scraped.items():
            labels = dict(series)
            if all(_matches(labels.get(name, ""), operator, text) for name, operator, text in wanted):
                yield series, values


def _matches(value: str, operator: str, text: str) -> bool:
    return value == text if operator == "=" else re.fullmatch(text, value) is not None


def _named(series: Labels) -> dict[str, str]:
    """A function drops the name of what it was given."""
    return {name: value for name, value in series if name != "__name__"}


def _text(value: float) -> str:
    return {"nan": "NaN", "inf": "+Inf"}.get(str(value), f"{value:g}" if value % 1 else f"{value:.0f}")


def _success(kind: str, result: Iterator[dict[str, Any]]) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": list(result)}}


@contextmanager
def running_prometheus() -> Iterator[PrometheusDouble]:
    """Serve a double on a free port."""
    double = PrometheusDouble()

    class Answering(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            double.asked.append(asked)
            time = round(float(asked["time"]) * 1000) if "time" in asked else double.now
            body = double.answer(asked["query"], time)
            status, content, headers = 200 if body["status"] == "success" else 400, json.dumps(body).encode(), {}
            if double.faults:
                status, content, headers = double.faults.popleft()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    double.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
