"""MLflow's REST API: whatever is asked of it but files.

Its own package takes three seconds of a core to import, which neither the start of a rollout nor its way home can wait
for. Paths and fields: https://mlflow.org/docs/latest/api_reference/rest-api.html. What names the server's users to that
package does so here: MLFLOW_TRACKING_USERNAME with _PASSWORD, or MLFLOW_TRACKING_TOKEN.
"""

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from firstflight.domain.errors import RegistryRefusedError, RegistryUnavailableError
from firstflight.settings import trusted

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = "6"
REFUSALS = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")
"""MLflow's error codes that say nothing about the request: the same one may succeed later."""
_LISTED = 200
_REFUSED, _TOO_MANY, _FAILED = 400, 429, 500


class MlflowRest:
    """The server at `uri`. Each call opens a connection of its own, which no fork and no restart can break.

    Raises RegistryUnavailableError when the server gives no answer within seconds, RegistryRefusedError with MLflow's
    own code when it refuses.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Return the answer to a question; what is None is not asked for."""
        return self._call("GET", path, params={name: value for name, value in query.items() if value is not None})

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        """Return the answer to a request; what is None is not sent."""
        return self._call("POST", path, json={name: value for name, value in body.items() if value is not None})

    def pages(self, path: str, found: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Yield everything that `path` lists under the name `found`."""
        token: str | None = None
        while True:
            page = self.get(path, max_results=_LISTED, page_token=token, **query)
            yield from page.get(found, [])
            if not (token := page.get("next_page_token")):
                return

    def experiment(self, name: str) -> str | None:
        """Return the id of experiment `name`, deleted or not; None when there is none."""
        found = self._experiment(name)
        return None if found is None else str(found["experiment_id"])

    def make_experiment(self, name: str) -> str:
        """Return the id of experiment `name`, made if missing.

        Raises RegistryRefusedError when somebody deleted it: its name is taken, and nothing can be kept in it.
        """
        told = self._experiment(name) or {}
        if told.get("lifecycle_stage") == "deleted":
            number = told["experiment_id"]
            raise RegistryRefusedError(
                f"MLflow at {self.uri}: experiment {name!r} (id {number}) was deleted, so nothing can be kept in it; "
                f"restore it: `MLFLOW_TRACKING_URI={self.uri} mlflow experiments restore --experiment-id {number}`",
                "EXPERIMENT_DELETED",
            )
        if told:
            return str(told["experiment_id"])
        try:
            return str(self.post("experiments/create", name=name)["experiment_id"])
        except RegistryRefusedError as error:
            if error.code != "RESOURCE_ALREADY_EXISTS" or (found := self.experiment(name)) is None:
                raise
            return found  # somebody else was faster

    def _experiment(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self.get("experiments/get-by-name", experiment_name=name)["experiment"]
        except RegistryRefusedError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        return found

    def _call(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        import httpx  # noqa: PLC0415 - who brings traffic home hardly ever asks

        seconds = float(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", ANSWER_SECONDS))
        name, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
        token = os.environ.get("MLFLOW_TRACKING_TOKEN")
        try:
            answer = httpx.request(
                method,
                f"{self.uri}/api/2.0/mlflow/{path}",
                timeout=httpx.Timeout(seconds, connect=CONNECT_SECONDS),
                auth=(name, password) if name and password else None,
                headers={"authorization": f"Bearer {token}"} if token else None,
                verify=trusted(),
                **content,
            )
        except httpx.ConnectError as error:
            raise RegistryUnavailableError(
                f"nobody answers at the MLflow server {self.uri}: {error}; is the stack up?"
            ) from error
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise RegistryUnavailableError(f"MLflow at {self.uri} did not answer {path}: {error!r}") from error
        return _body(answer.status_code, answer.content, f"MLflow at {self.uri} to {path}")


def _body(status: int, content: bytes, where: str) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if isinstance(body, dict) and status < _REFUSED:
        return body
    said = body if isinstance(body, dict) else {"message": content[:200].decode(errors="replace")}
    code = str(said.get("error_code", status))
    if status >= _FAILED or status in {_TOO_MANY, 200} or code in REFUSALS:
        raise RegistryUnavailableError(f"{where}: {status} {code} {said.get('message', '')}; see the server's log")
    raise RegistryRefusedError(f"{where}: {status} {code} {said.get('message', '')}", code)


def named(pairs: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags or parameters as MLflow takes them."""
    return [{"key": key, "value": value} for key, value in pairs.items()]
