"""All diagnoses of one snapshot, in the order in which causes precede effects."""

from firstflight.domain.findings import Finding, passed
from firstflight.serving.seldon.diagnosis import network
from firstflight.serving.seldon.diagnosis.experiments import experiment_findings, pipeline_findings
from firstflight.serving.seldon.diagnosis.live import live_servers
from firstflight.serving.seldon.diagnosis.models import model_findings, unseen_kinds
from firstflight.serving.seldon.diagnosis.platform import api_findings, no_namespace, runtime_findings
from firstflight.serving.seldon.diagnosis.room import room_findings
from firstflight.serving.seldon.diagnosis.servers import server_findings
from firstflight.serving.seldon.diagnosis.snapshot import Snapshot
from firstflight.serving.seldon.diagnosis.storage import secret_findings


def diagnose(snapshot: Snapshot) -> tuple[Finding, ...]:
    """Return every finding that the snapshot gives rise to. Pure: equal snapshots have equal findings."""
    if not snapshot.exists:
        return (*api_findings(snapshot), no_namespace(snapshot))
    servers = live_servers(snapshot)
    closed = network.blocked(snapshot)
    policies = len(snapshot.items("networkpolicies"))
    if not closed and snapshot.sees("networkpolicies"):
        closed = (passed("network", "Network policies", f"{policies}; none closes a way that Seldon needs"),)
    return (
        *api_findings(snapshot),
        *unseen_kinds(snapshot),
        *runtime_findings(snapshot),
        *closed,
        *room_findings(snapshot, servers),
        *server_findings(snapshot, servers),
        *secret_findings(snapshot),
        *model_findings(snapshot, servers),
        *experiment_findings(snapshot),
        *pipeline_findings(snapshot),
    )
