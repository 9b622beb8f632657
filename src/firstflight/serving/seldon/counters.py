"""What the mesh's Envoys count, read from themselves: the guard's eyes while Prometheus is away."""

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, urlsplit

import httpx

from firstflight.domain.errors import BackendUnavailableError
from firstflight.serving.backend import RouterTally
from firstflight.serving.seldon.addresses import addresses
from firstflight.serving.tallies import ATTEMPTED, tallies
from firstflight.settings import trusted

_COUNTED = rf"^cluster\..*\.upstream_({'|'.join(ATTEMPTED)}|rq_([1-5]xx|retry|time|active))$"

_CONNECTED = re.compile(r"^envoy_control_plane_connected_state(?:\{[^}]*\})? (\d)", re.MULTILINE)
_OF_MODEL = re.compile(r'envoy_cluster_name="([a-z0-9-]+)_\d+_http"')


class Counters:
    """The Envoys behind one name, each at an address of its own."""

    def __init__(self, url: str, seconds: float) -> None:
        """Keep where they answer, and for how long to wait."""
        self._url = urlsplit(url)
        self._seconds = seconds

    def tallies(self, names: Iterable[str]) -> Mapping[str, RouterTally]:
        """Return what all of them together counted of each of `names`.

        Raises:
            BackendUnavailableError: One of them does not answer: what it has counted is unknown, and not nothing.
        """
        # without a timeout on any route, a candidate that hangs shows by the clients that left alone
        return tallies("\n".join(self._read()), names, with_abandoned=True)

    def models(self) -> frozenset[str]:
        """Return the models that any of them has a cluster of, whether or not the API still knows a Model of the name.

        Raises:
            BackendUnavailableError: One of them does not answer.
        """
        return frozenset(found[1] for text in self._read() for found in _OF_MODEL.finditer(text))

    def without_scheduler(self) -> tuple[int, int]:
        """Return how many of them are not connected to the scheduler, whatever its pod says, and how many there are.

        Raises:
            BackendUnavailableError: One of them does not answer.
        """
        told = [_CONNECTED.search(text) for text in self._read(r"^control_plane\.connected_state$")]
        return sum(one is not None and one[1] == "0" for one in told), len(told)

    def _read(self, counted: str = _COUNTED) -> Iterator[str]:
        with httpx.Client(timeout=self._seconds, trust_env=False, verify=trusted()) as client:
            for host in addresses(self._url, "nobody reads what the mesh counts; is the Service mesh-stats there?"):
                url = f"{self._url.scheme}://{host}:{self._url.port or 80}{self._url.path}?filter={quote(counted)}"
                try:
                    answer = client.get(url).raise_for_status()
                except httpx.HTTPError as error:
                    raise BackendUnavailableError(f"the mesh's counters at {url} gave no answer: {error!r}") from error
                yield answer.text
