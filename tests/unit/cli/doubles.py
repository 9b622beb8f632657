"""A ledger and a Prefect that commands find in tests."""

from typing import Any

from firstflight.domain.errors import NotFoundError
from firstflight.domain.plans import CanaryPlan
from firstflight.domain.versions import ModelVersion
from firstflight.ledger.memory import MemoryRecordStore
from firstflight.orchestrator import FlowRun
from firstflight.rollout.machine import Arms

RUN = "8d9f2a52-53a8-4e0e-9b52-0f3c4c5f1a11"
STABLE, CANDIDATE = (
    ModelVersion(model="m", variant=variant, number=number, digest=f"sha256:{number:064x}")
    for number, variant in ((1, "baseline"), (2, "enhanced"))
)


class Ledger(MemoryRecordStore):
    """A ledger in which rollouts begin and end in one word."""

    def begin(self, run: str = RUN, model: str = "m", plan: CanaryPlan | None = None) -> str:
        """Begin a rollout of `model` by `run` and return its id."""
        rollout = f"{model}-r{self.head(f'rollout/{model}') + 1}"
        arms = Arms(stable=STABLE, candidates=(CANDIDATE,))
        plan = plan or CanaryPlan(model=model, stages=(10, 100), approvals=(100,))
        body = {"rollout": rollout, "activity": "canary", "run": run}
        body |= {"plan": plan.model_dump(mode="json"), "arms": arms.model_dump(mode="json")}
        self.append(f"rollout/{model}", "rollout.started", body, actor=run)
        return rollout

    def ask(self, run: str = RUN, model: str = "m") -> None:
        """Have the open rollout ask a person before 100 %."""
        self.append(f"rollout/{model}", "stage.passed", {"stage": 10, "reasons": []}, actor=run)
        self.append(f"rollout/{model}", "approval.asked", {"stage": 100, "link": "http://there"}, actor=run)

    def bring_home(self, by: str, why: str, model: str = "m") -> None:
        """End the open rollout of `model` with traffic at home."""
        home = {"stable": STABLE.served_name, "weights": {STABLE.served_name: 100}}
        self.append(f"rollout/{model}", "rollback.intended", {"trigger": "guard", "reasons": [why]}, actor=by)
        self.append(f"rollout/{model}", "rollout.rolled_back", {"split": home, "reasons": [why]}, actor=by)


def flow_run(state: str = "COMPLETED", name: str = "Completed", **parameters: Any) -> FlowRun:
    """Return the run in this state."""
    return FlowRun(id=RUN, name="swift-lynx", state_type=state, state_name=name, message="", parameters=parameters)


class Prefect:
    """A server that knows one run and tells one state after the other, then the last; it keeps what it was told."""

    def __init__(self, *states: FlowRun | Exception, parameters: dict[str, Any] | None = None) -> None:
        self.states = list(states) or [flow_run()]
        self.answers: list[tuple[str, dict[str, Any]]] = []
        self.started: list[tuple[str, dict[str, Any]]] = []
        self._parameters = parameters or {}

    def find(self, word: str) -> FlowRun:
        """Know one run."""
        if word not in {RUN, "latest", "swift-lynx"}:
            raise NotFoundError(f"Prefect has no run {word!r}; the newest: {RUN}")
        return next(state for state in self.states if isinstance(state, FlowRun))

    def run(self, _run: object) -> FlowRun:
        """Give the next state."""
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, Exception):
            raise state
        return state

    def resume(self, run: str, answer: dict[str, Any]) -> None:
        """Take every answer."""
        self.answers.append((run, answer))

    def parameters(self, _deployment: str) -> dict[str, Any]:
        """What a deployment begins with."""
        return self._parameters

    def start(self, deployment: str, parameters: dict[str, Any]) -> FlowRun:
        """Start the one run."""
        self.started.append((deployment, parameters))
        return self.find(RUN)
