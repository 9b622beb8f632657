"""Models as the API shows them."""

from firstflight.domain.versions import ModelVersion
from firstflight.serving.seldon import resources
from firstflight.serving.seldon.annotations import OURS, ROUTE, VERSION
from firstflight.serving.seldon.artifacts import Stored
from firstflight.serving.seldon.objects import Object, condition, is_ending

REQUIREMENTS = ("mlserver", "python", "firstflight")
"""The last is a capability that only servers of our image have: Seldon's own lack ONNX Runtime."""
MEMORY = "100Mi"
AVAILABLE = "ModelAvailable"
_HOPELESS = "ModelFailed"
_ENDING = "in process of deletion"


def manifest(name: str, namespace: str, version: ModelVersion, stored: Stored, replicas: int = 1) -> Object:
    """Return the Model that serves `version` under `name` from `replicas` servers, or from as many as there are."""
    spec = resources.Model(
        storage_uri=stored.uri,
        secret_name=stored.secret,
        requirements=REQUIREMENTS,
        memory=MEMORY,
        replicas=replicas,
        min_replicas=1,
    )
    labels = {**OURS, ROUTE: version.model}
    return spec.manifest(name, namespace, labels=labels, annotations={VERSION: version.model_dump_json()})


def husk(name: str, namespace: str) -> Object:
    """Return a Model that can be placed and never loads anything: its end makes the scheduler unload the name."""
    spec = resources.Model(storage_uri="/nowhere", requirements=REQUIREMENTS, memory="1Mi")
    return spec.manifest(name, namespace, labels=OURS, annotations={})


def is_live(model: Object) -> bool:
    """Whether a replica of it answers, as far as the scheduler knows; `Ready` alone says less."""
    status = model.get("status") or {}
    ready = condition(model, "ModelReady")
    return (
        not is_ending(model)
        and ready.get("status") == "True"
        and ready.get("message") == AVAILABLE
        and int(status.get("availableReplicas", 0)) > 0
    )


def is_hopeless(model: Object) -> bool:
    """Whether it will not come up by itself: it was placed and could not be loaded."""
    return condition(model, "ModelReady").get("message") == _HOPELESS


def came_too_early(model: Object) -> bool:
    """Whether the scheduler was still ending one of the same name: it says so, and does not try again by itself."""
    ready = condition(model, "ModelReady")
    return ready.get("message") == _HOPELESS and _ENDING in ready.get("reason", "")


def state(model: Object) -> str:
    """Return what the scheduler says of it; the operator writes the state as message and the text as reason."""
    ready = condition(model, "ModelReady")
    if not ready:
        return "no state yet; does Seldon's operator watch this namespace?"
    replicas = (model.get("status") or {}).get("availableReplicas", 0)
    return f"{ready.get('message') or 'no state'} ({ready.get('reason') or 'no reason given'}), {replicas} replicas"
