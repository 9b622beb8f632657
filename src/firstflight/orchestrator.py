"""What a terminal needs of Prefect's REST API: start a run, follow it, answer it, cancel it.

The library does not import Prefect. Paths and states: https://docs.prefect.io/v3/api-ref/rest-api.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
from pydantic import Field, SecretStr

from firstflight.domain.errors import (
    ApprovalRefusedError,
    FirstflightError,
    NotFoundError,
    OrchestratorUnavailableError,
)
from firstflight.domain.values import Value
from firstflight.settings import trusted

BROUGHT_HOME = "BroughtHome"
"""Name of the state of a run that waited for a person when somebody else ended its rollout."""
_QUESTION, _RESPONSE = "suspended-", "-response"
"""What Prefect puts before and behind a question's name to name the answer to it."""
FINAL_STATES = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
AUTOMATIONS = ("bring traffic home", "crash silent runs", "crash runs that never begin")
"""What Prefect does when a run can no longer act for itself."""
FOLLOWED = ("canary", "ab-test", "release", "train")
"""Flows of which a person asks what the latest run does."""


class FlowRun(Value):
    """A flow run as Prefect reports it."""

    id: UUID
    name: str
    state_type: str
    state_name: str
    message: str
    parameters: dict[str, Any] = Field(default={})
    since: datetime | None = None
    """When it came into its state."""
    deadline: datetime | None = None
    """Until when a suspended run waits for its answer."""

    @property
    def final(self) -> bool:
        """Whether it will not run again."""
        return self.state_type in FINAL_STATES

    @property
    def cancelled(self) -> bool:
        """Whether a person wanted it to end, whether it has or not."""
        return self.state_type in {"CANCELLING", "CANCELLED"}

    @property
    def suspended(self) -> bool:
        """Whether it waits for a person, its process gone."""
        return self.state_type == "PAUSED"

    @property
    def begins(self) -> bool:
        """Whether it is to start, or to start again once a person has answered, and no process of it is there yet."""
        return self.state_type in {"SCHEDULED", "PENDING"}


class Worker(Value):
    """A process that starts runs of a work pool: `seen` is when it last said so, `online` what Prefect makes of it."""

    name: str
    online: bool
    seen: datetime | None


class Pool(Value):
    """A work pool and whoever works for it."""

    name: str
    type: str
    paused: bool
    workers: tuple[Worker, ...]


class Schedule(Value):
    """A deployment that starts by itself: its last run that began, and when the next is planned, if any is."""

    deployment: str
    deployed: datetime
    last: FlowRun | None
    next: datetime | None


class Orchestrator:
    """A client of one Prefect server.

    Every call opens a connection of its own: the server closes idle ones after 5 s, and a reused
    one would fail. `auth` is `user:password`, where the server asks for it. Raises OrchestratorUnavailableError
    when the server does not answer.
    """

    def __init__(self, api: str, auth: SecretStr | None = None) -> None:
        self.api = api.rstrip("/")
        self._auth = basic(auth)

    def start(self, deployment: str, parameters: dict[str, Any]) -> FlowRun:
        """Create a run of `deployment` (`flow/name`). Raises FirstflightError when Prefect refuses."""
        found = self._deployment(deployment)
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return _flow_run(self._call("POST", f"/deployments/{found['id']}/create_flow_run", body))

    def parameters(self, deployment: str) -> dict[str, Any]:
        """Return what a run of `deployment` is given when nothing else is."""
        given: dict[str, Any] = self._deployment(deployment).get("parameters") or {}
        return given

    def run(self, run: UUID | str) -> FlowRun:
        """Return the run as it is now."""
        return _flow_run(self._call("GET", f"/flow_runs/{run}"))

    def runs(self, identities: Collection[str]) -> tuple[FlowRun, ...]:
        """Return those of the runs that the server knows, as they are now."""
        body = {"flow_runs": {"id": {"any_": list(identities)}}, "limit": len(identities)}
        return tuple(_flow_run(found) for found in self._call("POST", "/flow_runs/filter", body))

    def suspended(self) -> tuple[FlowRun, ...]:
        """Return the runs that wait for a person, newest first."""
        return self.in_state("PAUSED")

    def in_state(self, state_type: str) -> tuple[FlowRun, ...]:
        """Return the newest runs whose state is of this type."""
        body = {"flow_runs": {"state": {"type": {"any_": [state_type]}}}, "sort": "START_TIME_DESC", "limit": 50}
        return tuple(_flow_run(found) for found in self._call("POST", "/flow_runs/filter", body))

    def overdue(self, before: datetime) -> tuple[FlowRun, ...]:
        """Return runs that were to start before the time, and wait."""
        wanted = {"state": {"type": {"any_": ["SCHEDULED"]}}, "expected_start_time": {"before_": before.isoformat()}}
        return tuple(map(_flow_run, self._call("POST", "/flow_runs/filter", {"flow_runs": wanted, "limit": 50})))

    def schedules(self) -> tuple[Schedule, ...]:
        """Return the deployments that start by themselves, what is paused left out."""
        found = self._call("POST", "/deployments/filter", {"limit": 200})
        return tuple(
            self._schedule(one)
            for one in found
            if not one.get("paused") and any(each["active"] for each in one.get("schedules") or ())
        )

    def automations(self) -> dict[str, bool]:
        """Return the names of the automations, and whether each is enabled."""
        found = self._call("POST", "/automations/filter", {"limit": 200})
        return {one["name"]: bool(one["enabled"]) for one in found}

    def find(self, word: str) -> FlowRun:
        """Return the run whose id or name is `word`; for `latest` the newest that a person follows.

        Raises:
            NotFoundError: There is none; the message names the newest.
        """
        newest: dict[str, Any] = {
            "flows": {"name": {"any_": [*FOLLOWED]}},
            "flow_runs": {"parent_task_run_id": {"is_null_": True}},
        }
        if word == "latest":
            found = self._newest(newest, 1)
        else:
            named: dict[str, Any] = {"name": {"any_": [word]}}
            with suppress(ValueError):
                named = {"id": {"any_": [str(UUID(word))]}}
            found = self._newest({"flow_runs": named}, 1)
        if found:
            return found[0]
        listed = ", ".join(f"{one.id} ({one.name})" for one in self._newest(newest, 5)) or "none yet"
        raise NotFoundError(f"Prefect has no run {word!r}; the newest: {listed}")

    def _newest(self, asked: dict[str, Any], limit: int) -> tuple[FlowRun, ...]:
        body = {**asked, "sort": "EXPECTED_START_TIME_DESC", "limit": limit}
        return tuple(_flow_run(found) for found in self._call("POST", "/flow_runs/filter", body))

    def resume(self, run: UUID | str, answer: dict[str, Any]) -> None:
        """Answer a suspended run. Raises ApprovalRefusedError with Prefect's reason when it is not taken."""
        result = self._call("POST", f"/flow_runs/{run}/resume", {"run_input": answer})
        if result["status"] != "ACCEPT":
            raise ApprovalRefusedError(f"run {run} did not take the answer: {result['details'].get('reason', result)}")

    def answers(self, run: UUID | str) -> dict[str, str]:
        """Return what people have answered the run so far: the question's name → JSON."""
        told = self._call("POST", f"/flow_runs/{run}/input/filter", {"prefix": _QUESTION, "limit": 200})
        return {
            one["key"].removeprefix(_QUESTION).removesuffix(_RESPONSE): one["value"]
            for one in told
            if one["key"].endswith(_RESPONSE)
        }

    def cancel(self, run: UUID | str) -> None:
        """Ask for the run to be cancelled; its worker or, when suspended, the server does so."""
        self._call("POST", f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}, "force": False})

    def close(self, run: UUID | str, message: str) -> None:
        """End a suspended run whose question nobody is to answer any more; `message` says what became of it.

        An automation, which knows the state by its name, then does what the run has left to do.
        """
        state = {"type": "CANCELLED", "name": BROUGHT_HOME, "message": message}
        self._call("POST", f"/flow_runs/{run}/set_state", {"state": state, "force": False})

    def pool(self, name: str) -> Pool | None:
        """Return the work pool with its workers, None when there is none of this name."""
        found = self._call("POST", "/work_pools/filter", {"work_pools": {"name": {"any_": [name]}}})
        if not found:
            return None
        workers = self._call("POST", f"/work_pools/{name}/workers/filter", {"limit": 200})
        return Pool(
            name=name, type=found[0]["type"], paused=bool(found[0]["is_paused"]), workers=tuple(map(_worker, workers))
        )

    def deployments(self) -> frozenset[str]:
        """Return the names of the deployments that can be started."""
        return frozenset(found["name"] for found in self._call("POST", "/deployments/filter", {"limit": 200}))

    def emit(self, event: str, model: str, payload: Mapping[str, str]) -> None:
        """Tell the server's event feed, from which automations may be triggered, what happened to `model`."""
        body = {
            "id": str(uuid4()),
            "occurred": datetime.now(UTC).isoformat(),
            "event": event,
            "resource": {"prefect.resource.id": f"firstflight.model.{model}"},
            "payload": dict(payload),
        }
        self._call("POST", "/events", [body])

    def _schedule(self, found: dict[str, Any]) -> Schedule:
        of_it = {"deployments": {"id": {"any_": [found["id"]]}}, "limit": 1}
        begun = {"flow_runs": {"start_time": {"is_null_": False}}, "sort": "START_TIME_DESC"}
        planned = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}, "sort": "NEXT_SCHEDULED_START_TIME_ASC"}
        last, following = (self._call("POST", "/flow_runs/filter", of_it | which) for which in (begun, planned))
        return Schedule(
            deployment=found["name"],
            deployed=found["created"],
            last=_flow_run(last[0]) if last else None,
            next=following[0]["expected_start_time"] if following else None,
        )

    def _deployment(self, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self._call("GET", f"/deployments/name/{name}")
        except NotFoundError as error:
            raise NotFoundError(f"Prefect has no deployment {name}; `firstflight up` deploys the flows") from error
        return found

    def _call(self, method: str, path: str, body: dict[str, Any] | list[Any] | None = None) -> Any:
        try:
            response = httpx.request(
                method, self.api + path, json=body, auth=self._auth, timeout=15.0, verify=trusted()
            )
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise OrchestratorUnavailableError(
                f"Prefect does not answer at {self.api} ({error}); is the stack up? `firstflight status` tells"
            ) from error
        if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise OrchestratorUnavailableError(f"Prefect answered {response.status_code} to {method} {path}")
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise OrchestratorUnavailableError(
                f"Prefect at {self.api} does not take this password: PREFECT_API_AUTH_STRING holds another or "
                "none, and nor does FIRSTFLIGHT_HOME; the local stack's is in its home's prefect-password"
            )
        if response.status_code == httpx.codes.NOT_FOUND:
            raise NotFoundError(f"Prefect at {self.api} knows nothing of {path}: {response.text[:500]}")
        if response.is_error:
            raise FirstflightError(f"Prefect refused {method} {path}: {response.status_code} {response.text[:500]}")
        try:
            return response.json() if response.content else None
        except ValueError as error:
            raise OrchestratorUnavailableError(
                f"whoever answers at {self.api} is not Prefect: no JSON to {method} {path}, {response.text[:200]!r}"
            ) from error


def basic(auth: SecretStr | None) -> httpx.BasicAuth | None:
    """Return how httpx shows `user:password`, if there is one, to a server that asks for it."""
    return httpx.BasicAuth(*auth.get_secret_value().split(":", 1)) if auth else None


def _worker(found: dict[str, Any]) -> Worker:
    seen = found.get("last_heartbeat_time")
    return Worker(
        name=found["name"], online=found.get("status") == "ONLINE", seen=datetime.fromisoformat(seen) if seen else None
    )


def _flow_run(found: dict[str, Any]) -> FlowRun:
    state = found.get("state") or {}
    return FlowRun(
        id=found["id"],
        name=found["name"],
        state_type=state.get("type") or "PENDING",
        state_name=state.get("name") or "Pending",
        message=state.get("message") or "",
        parameters=found.get("parameters") or {},
        since=state.get("timestamp"),
        deadline=(state.get("state_details") or {}).get("pause_timeout"),
    )
