"""Questions to Prometheus over HTTP (https://prometheus.io/docs/prometheus/latest/querying/api/)."""

import functools
import math
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx

from firstflight.domain.errors import MetricsUnavailableError
from firstflight.observation.counters import Readings

_ANSWER_SECONDS = 5.0
_PAUSES = (0.2, 1.0)  # before the second and the third try
_LONGEST_EXCUSE = 200
_BUSY = {httpx.codes.TOO_MANY_REQUESTS, *range(500, 600)}
T = TypeVar("T")


class PrometheusApi:
    """The server at `url`, below which `/api/v1` lies. What is asked is read-only, so it may be asked again.

    Every method raises MetricsUnavailableError when there is no whole answer: none at all, a refusal, or one that the
    server itself calls incomplete.
    """

    def __init__(self, url: str) -> None:
        """Keep the address; nothing is asked yet."""
        self._url = url.rstrip("/")
        self._shown = httpx.URL(self._url).copy_with(username="", password="", query=None)

    def newest(self, selector: str) -> tuple[int, ...]:
        """Return when each live series of `selector` was last scraped, in milliseconds; one that ended is none."""
        asked = {"query": f"timestamp({selector})"}
        return self._query(asked, "vector", lambda one: _milliseconds(float(one["value"][1])))

    def readings(self, selector: str, since: int, until: int) -> tuple[Readings, ...]:
        """Return every scraped value of `selector` from `since` to `until`, both included, in milliseconds."""
        # Up to Prometheus 2 a range includes its beginning, from 3 on it does not
        asked = {"query": f"{selector}[{until - since + 1}ms]", "time": f"{until / 1000:.3f}"}
        return self._query(asked, "matrix", lambda one: _readings(one, since))

    def read(self, path: str, asked: Mapping[str, str], parse: Callable[[Any], T]) -> T:
        """Return what `parse` makes of the data that answers `asked` below `/api/v1/`.

        A ValueError, KeyError, TypeError, AttributeError or IndexError of `parse` says that it is something else.
        """
        answer = self._patiently(path, asked)
        try:
            body = answer.json()
            if body["status"] != "success":
                raise self._fault(f"refused with {answer.status_code}: {body.get('error', 'it does not say why')}")
            if body.get("warnings"):
                raise self._fault(f"answered in part only: {'; '.join(body['warnings'])}")
            return parse(body["data"])
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise self._fault(f"answered {answer.status_code} with something else than {path} gives") from error

    def _query(self, asked: Mapping[str, str], kind: str, parse: Callable[[Any], T]) -> tuple[T, ...]:
        def results(data: Any) -> tuple[T, ...]:
            if data["resultType"] != kind:
                raise self._fault(f"answered a {data['resultType']} instead of a {kind}")
            return tuple(parse(one) for one in data["result"])

        return self.read("query", asked, results)

    def _patiently(self, path: str, asked: Mapping[str, str]) -> httpx.Response:
        """Ask up to three times, while the server is away or busy."""
        with httpx.Client(timeout=_ANSWER_SECONDS, trust_env=False, verify=_trusted()) as client:
            for pause in (*_PAUSES, None):
                try:
                    answer = client.get(f"{self._url}/api/v1/{path}", params=asked)
                except (httpx.RequestError, httpx.InvalidURL) as error:
                    if pause is None:
                        raise self._fault(f"gave no answer: {error!r}") from error
                else:
                    if answer.status_code not in _BUSY or pause is None:
                        return answer
                time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _fault(self, what: str) -> MetricsUnavailableError:
        return MetricsUnavailableError(f"Prometheus at {self._shown} {what[:_LONGEST_EXCUSE]}")


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Return the certificates this machine trusts; to read them takes longer than any question."""
    return ssl.create_default_context()


def _readings(one: Mapping[str, Any], since: int) -> Readings:
    labels = frozenset((name, value) for name, value in one["metric"].items() if name != "__name__")
    values = {_milliseconds(at): float(value) for at, value in one["values"]}
    return Readings(labels, {at: value for at, value in values.items() if at >= since})


def _milliseconds(seconds: float) -> int:
    return math.floor(seconds * 1000 + 0.5)
