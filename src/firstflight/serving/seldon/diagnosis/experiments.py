"""What is wrong with Experiments and Pipelines.

The operator's words about them lie in unexpected places: a refused Experiment has the condition `ModelReady` = False,
with the refusal as its reason, while `Ready` and the split before stay; `ExperimentReady` = False with an empty reason
means that a candidate or the mirror is missing.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from firstflight.domain.findings import Finding, failed, named, passed, warned
from firstflight.serving.seldon.annotations import CHANGE
from firstflight.serving.seldon.diagnosis.placement import AVAILABLE, state
from firstflight.serving.seldon.diagnosis.snapshot import Snapshot
from firstflight.serving.seldon.objects import Object, condition, is_ending, name_of, spec

_GATEWAYS = ("seldon-modelgateway", "seldon-pipelinegateway", "seldon-dataflow-engine")


def experiment_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield a line for each Experiment that is not well, and one for all that are."""
    experiments = snapshot.items("experiments")
    defaults = defaultdict(list)
    for one in experiments:
        if default := spec(one).get("default"):
            defaults[(spec(one).get("resourceType", "model"), default)].append(name_of(one))
    well = 0
    for one in experiments:
        finding = _finding(one, snapshot, defaults)
        if finding is None:
            well += 1
        else:
            yield finding
    if well:
        yield passed("experiment", "Experiments", f"{well} of {len(experiments)} active")


def _finding(one: Object, snapshot: Snapshot, defaults: dict[tuple[str, str], list[str]]) -> Finding | None:
    subject = f"Experiment {name_of(one)}"
    return (
        _misspelt(subject, one)
        or _default_gone(subject, one, snapshot)
        or _shared(subject, one, defaults)
        or _refused(subject, one)
        or _inactive(subject, one, snapshot)
        or _pending(subject, one)
        or _partly(subject, one)
    )


def _misspelt(subject: str, one: Object) -> Finding | None:
    candidates = spec(one).get("candidates") or []
    weights = {candidate["name"]: int(candidate["weight"]) for candidate in candidates}
    if negative := [name for name, weight in weights.items() if weight < 0]:
        return failed(
            "experiment-negative-weight",
            subject,
            f"negative weight for {named(negative)}; the API takes it, the operator cannot read it",
            wanted="weights of 0 or more: one such Experiment may stop the operator from seeing any of them",
            fix="correct the weights at once",
        )
    if not any(weights.values()):
        return failed(
            "experiment-zero-weights",
            subject,
            "its weights sum to 0" if weights else "has no candidates",
            wanted="a sum above 0: the mesh refuses such a route, and with it every later change of all routes",
            fix="give a candidate a weight, or delete the Experiment",
        )
    default = spec(one).get("default")
    if default and default not in weights:
        return failed(
            "experiment-default-no-candidate",
            subject,
            f"default {default} is not among its candidates {named(sorted(weights))}",
            wanted="the default among the candidates, if only with weight 0",
            fix="add it; until then the operator refuses the change and the split before stays",
        )
    return None


def _default_gone(subject: str, one: Object, snapshot: Snapshot) -> Finding | None:
    default = spec(one).get("default")
    if not default or not _of_models(one) or not snapshot.sees("models"):
        return None
    model = next((each for each in snapshot.items("models") if name_of(each) == default), None)
    if model is None or is_ending(model):
        return failed(
            "experiment-default-gone",
            subject,
            f"its default, Model {default}, {'does not exist' if model is None else 'is being deleted'}",
            wanted="a default that lives as long as the Experiment: without it the public endpoint answers 404",
            fix=f"apply Model {default} again, or delete the Experiment",
        )
    return None


def _shared(subject: str, one: Object, defaults: dict[tuple[str, str], list[str]]) -> Finding | None:
    default = spec(one).get("default")
    sharing = defaults.get((spec(one).get("resourceType", "model"), default), []) if default else []
    if len(sharing) < 2:  # noqa: PLR2004 - it and another
        return None
    return failed(
        "experiment-default-shared",
        subject,
        f"{default} is the default of {named(sorted(sharing))}",
        wanted="one Experiment for each default: the second is refused",
        fix="delete all but one of them",
    )


def _refused(subject: str, one: Object) -> Finding | None:
    refusal, active = condition(one, "ModelReady"), condition(one, "ExperimentReady")
    later = str(active.get("lastTransitionTime", "")) > str(refusal.get("lastTransitionTime", ""))
    if refusal.get("status") != "False" or (active.get("status") == "True" and later):
        return None  # never refused, or something was accepted since: the refusal is never cleared
    text = refusal.get("reason") or refusal.get("message") or "it does not say why"
    if "code = Unavailable" in text:
        return failed(
            "experiment-scheduler-unreachable",
            subject,
            f"its last change did not reach the scheduler: {text}",
            wanted="the operator reaches seldon-scheduler:9004; what is written comes into force then",
            fix="see the findings about SeldonRuntime, and about connections to seldon-scheduler:9004; nothing is wrong"
            " with the spec, and the condition stays until another change",
        )
    return failed(
        "experiment-refused",
        subject,
        f"its last change was refused: {text}; the split before it stays",
        wanted="a change that is accepted; `Ready` says nothing about it",
        fix="correct the spec as the refusal says",
    )


def _pending(subject: str, one: Object) -> Finding | None:
    if CHANGE not in (one["metadata"].get("annotations") or {}):
        return None
    return warned(
        "experiment-pending",
        subject,
        "its last change was not seen in force: whoever wrote it waits, or has gone",
        wanted="requests that go as the spec says; a scheduler whose pod is ready may be dead all the same",
        fix="look again; if it stays, kubectl logs of seldon-scheduler and of the operator, and set traffic again",
    )


def _partly(subject: str, one: Object) -> Finding | None:
    """Return that a candidate has fewer replicas than it wants; its route needs one, so requests go as they should."""
    if condition(one, "CandidatesReady").get("status") != "False":
        return None
    return warned(
        "experiment-partly",
        subject,
        "is active, and not all its candidates are: one has lost replicas, and serves with those it has",
        wanted="CandidatesReady, which is no condition of the split",
        fix="see the findings about its Models and their Server",
    )


def _inactive(subject: str, one: Object, snapshot: Snapshot) -> Finding | None:
    active = condition(one, "ExperimentReady")
    if active.get("status") == "True" or only_says_inactive(one, snapshot):  # then requests are asked
        return None
    if is_ending(one):
        return warned(
            "experiment-deleting",
            subject,
            "is being deleted",
            wanted="an end within a minute",
            fix="is the scheduler reachable?",
        )
    if not active:
        return failed(
            "experiment-not-watched",
            subject,
            "has no status: operator or scheduler have not dealt with it",
            wanted="the condition ExperimentReady",
            fix="is the operator running, does it watch this namespace, and does it reach the scheduler?",
        )
    states = {name_of(model): state(model)[0] for model in snapshot.items("models")}
    mirror = [one["name"] for one in [spec(one).get("mirror") or {}] if "name" in one]
    wanted = [*(candidate["name"] for candidate in spec(one).get("candidates") or []), *mirror]
    missing = [f"{name} ({states.get(name, 'no such Model')})" for name in wanted if states.get(name) != AVAILABLE]
    return failed(
        "experiment-inactive",
        subject,
        f"is not active; {_left(one, states)}"
        + (f": {named(missing)}" if _of_models(one) and missing else f": {active.get('reason') or 'no reason given'}"),
        wanted="every candidate and the mirror available: one that is not switches the whole Experiment off",
        fix="see the findings about those Models; it comes back by itself",
    )


def _left(one: Object, states: Mapping[str, str]) -> str:
    """Return who gets requests of an Experiment that is not active: its own endpoint keeps those before who is lost."""
    first = next((each["name"] for each in spec(one).get("candidates") or ()), None)
    if _of_models(one) and states.get(str(first)) != AVAILABLE:
        return f"{name_of(one)}.experiment, which clients ask, answers 404 to everybody"
    return f"all requests go to {spec(one).get('default') or 'nobody'}"


def members(one: Object) -> tuple[str, ...]:
    """Return the candidates of an Experiment that are to have requests."""
    return tuple(each["name"] for each in spec(one).get("candidates") or () if int(each["weight"]) > 0)


def only_says_inactive(one: Object, snapshot: Snapshot) -> bool:
    """Whether nothing but its status speaks against it: each of its models is available, and it was not refused."""
    told = condition(one, "ExperimentReady")
    available = {name_of(model) for model in snapshot.items("models") if state(model)[0] == AVAILABLE}
    mirror = (spec(one).get("mirror") or {}).get("name")
    return bool(
        told.get("status") == "False"
        and not is_ending(one)
        and _of_models(one)
        and {*(each["name"] for each in spec(one).get("candidates") or ()), *([mirror] if mirror else ())} <= available
        and _refused("", one) is None
    )


def _of_models(one: Object) -> bool:
    return bool(spec(one).get("resourceType", "model") != "pipeline")


def pipeline_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield a line for each Pipeline that is not ready, and one for all that are."""
    pipelines = snapshot.items("pipelines")
    disabled = {
        override["name"]
        for runtime in snapshot.items("seldonruntimes")
        for override in spec(runtime).get("overrides") or ()
        if override.get("disable") or override.get("replicas") == 0
    }
    off = [name for name in _GATEWAYS if name in disabled]
    if pipelines and off:
        yield failed(
            "pipeline-components-off",
            "Pipelines",
            f"{len(pipelines)} Pipelines, but {named(off)} {'is' if len(off) == 1 else 'are'} disabled",
            wanted="modelgateway, pipelinegateway, dataflow engine, and Kafka",
            fix="enable them in the SeldonRuntime and give it Kafka, or delete the Pipelines",
        )
        return
    ready = 0
    for one in pipelines:
        if condition(one, "Ready").get("status") == "True":
            ready += 1
            continue
        unhappy = [each for each in (condition(one, kind) for kind in _PIPELINE_PARTS) if each.get("status") == "False"]
        told = "; ".join(
            f"{each['type']}: {each.get('reason', '')} {each.get('message', '')}".strip() for each in unhappy
        )
        yield failed(
            "pipeline-not-ready",
            f"Pipeline {name_of(one)}",
            told or "no condition says why",
            wanted="PipelineReady, PipelineGwReady and ModelsReady",
            fix="see the findings about its Models; PipelineReady and PipelineGwReady need Kafka",
        )
    if ready:
        yield passed("pipeline", "Pipelines", f"{ready} of {len(pipelines)} ready")


_PIPELINE_PARTS = ("PipelineReady", "PipelineGwReady", "ModelsReady")
