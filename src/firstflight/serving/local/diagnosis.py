"""Whether the gateway divides traffic as declared, and model servers stand behind every share of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from firstflight.domain.errors import BackendUnavailableError, FirstflightError, ForeignGatewayError
from firstflight.domain.findings import Finding, failed, named, passed, warned
from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.local.backend import LocalBackend
from firstflight.serving.local.gateway import Gateway
from firstflight.serving.probe import is_judged, probe, unasked
from firstflight.settings import Settings

_LOG = "see its log: `firstflight status` says where it is"


@dataclass(frozen=True)
class Serving:
    """What serves, at one moment.

    Attributes:
        declared: Splits that the files say, which Envoy comes up with after a crash.
        reported: Splits that the running Envoy reports; why it does not, when it is away or another home's.
        ready: Each served name, and whether its server says that the model is ready.
        stopped: Those whose server was stopped on purpose; one that crashed is not among them.
    """

    declared: Mapping[str, TrafficSplit]
    reported: Mapping[str, TrafficSplit] | FirstflightError
    ready: Mapping[str, bool]
    stopped: frozenset[str] = frozenset()

    def is_closed(self, route: str) -> bool:
        """Whether nobody is to answer there: all that has weight was stopped on purpose, as after a fire drill."""
        asked = {name for name, weight in self.declared[route].weights.items() if weight}
        return asked <= self.stopped


def read_serving(settings: Settings) -> Serving:
    """Ask the gateway and every model server."""
    backend, gateway = LocalBackend(settings), Gateway(settings)
    if not gateway.folder.exists():
        return Serving({}, BackendUnavailableError("it has never been started here"), {})
    with gateway.changing() as splits:  # a change under way would look like a difference
        return Serving(
            declared=dict(splits),
            reported=_reported(gateway),
            ready={name: backend.is_ready(name) for name in sorted(backend.served())},
            stopped=backend.stopped(),
        )


def _reported(gateway: Gateway) -> Mapping[str, TrafficSplit] | FirstflightError:
    try:
        return gateway.splits()
    except (BackendUnavailableError, ForeignGatewayError) as error:
        return error


def serving_findings(serving: Serving) -> Iterator[Finding]:
    """Yield what is wrong between the declared splits, the reported ones and the servers."""
    silent = serving.reported if isinstance(serving.reported, FirstflightError) else None
    if silent is not None:
        foreign = isinstance(silent, ForeignGatewayError)
        yield failed(
            "gateway-foreign" if foreign else "gateway-unreachable",
            "gateway",
            str(silent),
            wanted="its routes",
            fix="name the home you mean, or give this one ports of its own" if foreign else f"`firstflight up`; {_LOG}",
        )
    for route, split in serving.declared.items():
        reported = None if isinstance(serving.reported, FirstflightError) else serving.reported.get(route)
        if silent is None and reported != split:
            yield failed(
                "split-differs",
                f"route {route}",
                f"the gateway reports {reported or 'no such route'}",
                wanted=f"{split}, as its files say",
                fix=f"`firstflight down`, then `up`: the files are what it starts with; {_LOG}",
            )
        if serving.is_closed(route):
            yield passed("split", f"route {route}", f"closed: {named(list(split.weights))} was stopped on purpose")
        else:
            yield _behind(route, split, serving.ready)
    if not serving.declared:
        yield warned(
            "split-none",
            "routes",
            "none: no traffic has a destination",
            wanted="a route for each model",
            fix="deploy a first version (flow `deploy` or `release`)",
        )
    used = {name for split in serving.declared.values() for name in (*split.weights, split.shadow)}
    idle = [name for name, ready in serving.ready.items() if name not in used and not ready]
    if idle:
        yield warned(
            "model-server-idle-down",
            "model servers without traffic",
            f"not ready: {named(idle)}",
            wanted="ready, or undeployed",
            fix=f"deploy again or undeploy; {_LOG}",
        )


def _behind(route: str, split: TrafficSplit, ready: Mapping[str, bool]) -> Finding:
    subject = f"route {route}"
    asked = [name for name, weight in split.weights.items() if weight] + ([split.shadow] if split.shadow else [])
    down = [name for name in asked if not ready.get(name, False)]
    if down:
        told = [f"{name} ({split.percent(name)} %, {'not ready' if name in ready else 'no server'})" for name in down]
        return failed(
            "model-server-down",
            subject,
            named(told),
            wanted=f"a ready model server for each of {split}",
            fix=f"it is restarted by itself; if it stays down `firstflight roll-back {route}`; {_LOG}",
        )
    return passed("split", subject, f"{split}; all ready")


def diagnose(settings: Settings) -> tuple[Finding, ...]:
    """Return every finding about the serving of the local stack, with a real prediction of each route not judged."""
    serving = read_serving(settings)
    reported = {} if isinstance(serving.reported, FirstflightError) else serving.reported
    asked = {one: split for one, split in reported.items() if one not in serving.declared or not serving.is_closed(one)}
    return (
        *serving_findings(serving),
        *(
            unasked(one, split) if is_judged(split) else probe(settings.gateway_url, one)
            for one, split in asked.items()
        ),
    )
