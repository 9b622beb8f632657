"""What an environment asks of every rollout, whatever the plan's author wants."""

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from typing import Literal, Self

from pydantic import Field, field_validator

from firstflight.domain.plans import ABTestPlan, CanaryPlan, Guardrail
from firstflight.domain.traffic import Percent
from firstflight.domain.values import Value
from firstflight.domain.versions import DnsLabel, ModelVersion

_NUMBERS = tuple(name for name in CanaryPlan.model_fields if name.endswith("_seconds") or name.startswith("alpha_"))
_OF_A_TEST = {"check_seconds": "check_seconds", "stage_seconds": "seconds", "alpha_rollback": "alpha"}
"""What an A/B test has of those, and its name there."""


class Range(Value):
    """A number that is there, no smaller than `least` and no larger than `most`."""

    least: float | None = None
    most: float | None = None

    def fault(self, number: float | None) -> str:
        """Return what is wrong with `number`; empty when nothing is."""
        if number is None:
            return f"is not set, wanted {self}"
        if (self.least is not None and number < self.least) or (self.most is not None and number > self.most):
            return f"is {number:g}, wanted {self}"
        return ""

    def __str__(self) -> str:
        ends = [f"at least {self.least:g}"] if self.least is not None else []
        ends += [f"at most {self.most:g}"] if self.most is not None else []
        return " and ".join(ends) or "any number"


class Demand(Value):
    """A guardrail that every plan must have, with its numbers within these."""

    metric: str
    direction: Literal["lower_is_better", "higher_is_better"] = "lower_is_better"
    limit: Range | None = None
    quantile: Range | None = None
    margin: Range | None = None
    tolerance: Range | None = None
    share: Range | None = None
    proves: bool | None = None

    def faults(self, guardrails: tuple[Guardrail, ...], *, of_a_test: bool) -> Iterator[str]:
        """Yield what is missing; a test proves nothing before a promotion, so there `proves` is not asked."""
        found = next((one for one in guardrails if one.metric == self.metric), None)
        if found is None:
            yield f"guardrail {self.metric} is missing"
            return
        if found.direction != self.direction:
            yield f"guardrail {self.metric}: direction is {found.direction}, wanted {self.direction}"
        for name in ("limit", "quantile", "margin", "tolerance", "share"):
            wanted: Range | None = getattr(self, name)
            if wanted is not None and (fault := wanted.fault(getattr(found, name))):
                yield f"guardrail {self.metric}: {name} {fault}"
        if self.proves is not None and found.proves != self.proves and not of_a_test:
            yield f"guardrail {self.metric}: proves is {found.proves}, wanted {self.proves}"


class Waiver(Value):
    """Who lets a version go on that the offline gate did not pass, and why."""

    model: DnsLabel
    version: int = Field(ge=1)
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class Policy(Value):
    """Least approvals and stages, guardrails that must be there, longest and shortest times, the offline gate.

    `digest` is that of the file it was read from. One without a word asks nothing.
    """

    environment: str
    digest: str
    version: int = Field(ge=1)
    least_approvals: int = Field(default=0, ge=0)
    least_stages: int = Field(default=1, ge=1)
    largest_first_stage: Percent = 100
    gate: bool = False
    bounds: dict[str, Range] = Field(default={})
    guardrails: tuple[Demand, ...] = ()
    waivers: tuple[Waiver, ...] = ()

    @field_validator("bounds")
    @classmethod
    def _are_of_a_plan(cls, bounds: dict[str, Range]) -> dict[str, Range]:
        if strangers := sorted(bounds.keys() - set(_NUMBERS)):
            raise ValueError(f"bounds of {strangers}, which no plan has; it has {list(_NUMBERS)}")
        return bounds

    @classmethod
    def read(cls, environment: str, content: bytes) -> Self:
        """Return the policy in `content`, TOML. Raises ValueError when it is none."""
        told = tomllib.loads(content.decode())
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        return cls.model_validate({**told, "environment": environment, "digest": digest})

    @property
    def identity(self) -> dict[str, str | int]:
        """What the ledger keeps of it."""
        return {"environment": self.environment, "version": self.version, "digest": self.digest}

    def __str__(self) -> str:
        return f"the policy of {self.environment}, version {self.version} ({self.digest[:19]})"

    def faults(self, plan: CanaryPlan | ABTestPlan) -> tuple[str, ...]:
        """Return in what `plan` falls short; an A/B test has neither stages nor approvals."""
        faults: list[str] = []
        if isinstance(plan, CanaryPlan):
            if len(set(plan.approvals)) < self.least_approvals:
                faults.append(f"approvals {list(plan.approvals)}, wanted at least {self.least_approvals}")
            if len(plan.stages) < self.least_stages:
                faults.append(f"stages {list(plan.stages)}, wanted at least {self.least_stages}")
            if plan.stages[0] > self.largest_first_stage:
                faults.append(f"the first stage has {plan.stages[0]} %, wanted at most {self.largest_first_stage} %")
        for name, wanted in self.bounds.items():
            own = _OF_A_TEST.get(name) if isinstance(plan, ABTestPlan) else name
            if own is not None and (fault := wanted.fault(getattr(plan, own))):
                faults.append(f"{own} {fault}")
        of_a_test = isinstance(plan, ABTestPlan)
        faults += [fault for demand in self.guardrails for fault in demand.faults(plan.guardrails, of_a_test=of_a_test)]
        return tuple(faults)

    def gate_fault(self, version: ModelVersion, tags: Mapping[str, str]) -> str:
        """Return why `version` may not be tried by its offline gate; empty when it may."""
        waived = any((one.model, one.version) == (version.model, version.number) for one in self.waivers)
        if not self.gate or waived or tags.get("gate") == "passed":
            return ""
        return f"the offline gate has {tags.get('gate', 'not judged')} {version}, and no waiver names it"


def none_of(environment: str) -> Policy:
    """The policy that asks nothing."""
    return Policy(environment=environment, digest="none", version=1)


def environments_of(plan: CanaryPlan | ABTestPlan, here: str) -> tuple[str, ...]:
    """Return whose policies a plan is held to: the place where it runs, and the one it names."""
    named = plan.environment if isinstance(plan, CanaryPlan) else here
    return tuple(dict.fromkeys((here, named)))
