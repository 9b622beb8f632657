"""Every metric that the guard and the exporter tell of: its name, its labels, what it means.

Names and units are by Prometheus' conventions (https://prometheus.io/docs/practices/naming/): seconds, bytes, moments
as UNIX timestamps, `_total` where it only grows. What is not known is absent, never 0; `firstflight_source_up` says
which source was away. Labels hold names out of the ledger and words of the code, never what a client sent.
"""

from typing import Literal, NamedTuple

from firstflight.workloads.workload import Exported

Kind = Literal["gauge", "counter", "histogram"]
Teller = Literal["exporter", "guard", "model server"]


class Described(NamedTuple):
    """One metric. A counter's name is given without `_total`, as OpenMetrics has it."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    told: str
    by: Teller = "exporter"

    @property
    def series(self) -> tuple[str, ...]:
        """Names by which its series are asked for."""
        match self.kind:
            case "counter":
                return (f"{self.name}_total",)
            case "histogram":
                return tuple(f"{self.name}_{part}" for part in ("bucket", "count", "sum"))
        return (self.name,)


_MODEL = ("model",)
_VARIANT = ("model", "variant")

OF_OURS = (
    Described(
        "firstflight_source_up", "gauge", ("source",), "Whether what it tells is here: 1, or 0 while it is away."
    ),
    Described(
        "firstflight_rollout_info",
        "gauge",
        ("model", "rollout", "activity", "stable", "candidates"),
        "1: the last rollout of the model, open or ended; all rollout metrics are about this one.",
    ),
    Described("firstflight_rollout_phase", "gauge", ("model", "phase"), "1 where the rollout stands, else 0."),
    Described(
        "firstflight_rollout_phase_start_timestamp_seconds",
        "gauge",
        _MODEL,
        "When it came to stand there, by the ledger.",
    ),
    Described("firstflight_rollout_stage_percent", "gauge", _MODEL, "The stage it is at; absent before the first."),
    Described(
        "firstflight_rollout_declared_percent",
        "gauge",
        _VARIANT,
        "Traffic by the split that the ledger says is in force.",
    ),
    Described("firstflight_router_percent", "gauge", _VARIANT, "Traffic by the split that the router reports."),
    Described(
        "firstflight_rollout_check_timestamp_seconds", "gauge", _MODEL, "When the open rollout was last looked at."
    ),
    Described("firstflight_rollout_check_interval_seconds", "gauge", _MODEL, "How often its plan wants it looked at."),
    Described(
        "firstflight_rollout_verdict", "gauge", ("model", "verdict"), "1 for what the last look concluded, else 0."
    ),
    Described(
        "firstflight_rollout_stable_failing",
        "gauge",
        _MODEL,
        "1 while the stable model breaks a limit by the last look.",
    ),
    Described(
        "firstflight_guardrail_log_evidence",
        "gauge",
        ("model", "guardrail", "of"),
        "Natural logarithm of the e-value: of harm over the rollout, of proof over the stage.",
    ),
    Described(
        "firstflight_guardrail_log_threshold", "gauge", ("model", "guardrail", "of"), "What that evidence has to reach."
    ),
    Described(
        "firstflight_rollout_harmed_requests",
        "gauge",
        _MODEL,
        "Requests the rolled-back candidate failed, or answered later than its limit; absent where nobody counted.",
    ),
    Described(
        "firstflight_messages_owed", "gauge", _MODEL, "Messages about it that should have reached people and did not."
    ),
    Described("firstflight_rollouts", "counter", ("model", "end"), "Rollouts that ended, by how."),
    Described("firstflight_rollbacks", "counter", ("model", "trigger"), "Rollouts brought home, by what asked for it."),
    Described(
        "firstflight_predictions_complete_timestamp_seconds",
        "gauge",
        (),
        "Up to when predictions are stored, all of them.",
    ),
    Described("firstflight_truths", "counter", ("result",), "Truths that were told, by what became of them."),
    Described(
        "firstflight_predictions_waiting", "gauge", _MODEL, "Answers of the last day whose truth nobody has told yet."
    ),
    Described(
        "firstflight_predictions_waiting_since_timestamp_seconds", "gauge", _MODEL, "When the oldest of them was given."
    ),
    Described(
        "firstflight_truth_delay_seconds",
        "gauge",
        ("model", "quantile"),
        "From an answer to its truth, over the last day.",
    ),
    Described(
        "firstflight_scored_answers",
        "counter",
        _VARIANT,
        "Answers of the rollout's models whose truth became known since the exporter began.",
    ),
    Described("firstflight_disk_free_bytes", "gauge", (), "Free to the stack's user on the disk of its home."),
    Described("firstflight_disk_size_bytes", "gauge", (), "Size of that disk."),
    Described("firstflight_guard_rounds", "counter", (), "Rounds the guard has gone.", "guard"),
    Described("firstflight_guard_round_seconds", "histogram", (), "How long its rounds took.", "guard"),
    Described("firstflight_guard_round_timestamp_seconds", "gauge", (), "When it ended its last round.", "guard"),
    Described("firstflight_guard_homecomings", "counter", (), "Routes that it brought home.", "guard"),
    Described(
        "firstflight_lease_age_seconds",
        "gauge",
        _MODEL,
        "How long ago the guard saw the lease change, by its own clock.",
        "guard",
    ),
    Described(
        "firstflight_lease_left_seconds",
        "gauge",
        _MODEL,
        "Until the guard brings its rollout home; below 0: it is late.",
        "guard",
    ),
)

OF_SERVERS = (
    Described(
        "model_inference_latency_seconds",
        "histogram",
        ("model", "variant", "result"),
        "From the whole request to its answer in the model server, by what became of it.",
        "model server",
    ),
)
"""`serving.runtime.latency` counts it, in another environment than this."""


def described(exported: Exported) -> tuple[Described, ...]:
    """Return the metrics that become of one of a workload's."""
    if not exported.buckets:
        return (Described(exported.name, "counter", ("model", "variant", "value"), exported.told),)
    name, unit, told = exported.name, exported.unit, exported.told
    return (
        Described(f"{name}_{unit}", "histogram", _VARIANT, told),
        Described(f"{name}_gained_{unit}", "counter", _VARIANT, f"Sum of what was above zero. {told}"),
        Described(f"{name}_lost_{unit}", "counter", _VARIANT, f"Sum of what was below zero, as a positive. {told}"),
    )
