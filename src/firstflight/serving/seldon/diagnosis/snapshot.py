"""What the API said, at one moment: all that diagnoses are made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from firstflight.domain.findings import Finding, warned
from firstflight.serving.seldon.objects import Object

GROUP = "mlops.seldon.io"
VERSION = "v1alpha1"
KINDS = ("models", "experiments", "pipelines", "servers", "serverconfigs", "seldonruntimes")

Kind = Literal[
    "models",
    "experiments",
    "pipelines",
    "servers",
    "serverconfigs",
    "seldonruntimes",
    "statefulsets",
    "pods",
    "events",
    "resourcequotas",
    "limitranges",
    "networkpolicies",
]


@dataclass(frozen=True)
class Unseen:
    """Something that the API did not show; `absent` when it does not know the kind at all."""

    what: str
    verb: str
    why: str
    absent: bool = False

    def finding(self) -> Finding:
        """Return the line that says so."""
        return warned(
            "cannot-see",
            self.what,
            f"cannot see {self.what}: {self.why}",
            wanted="the right to read it; what depends on it was not checked",
            fix=f"needs verb {self.verb} on {self.what}: bind the Role `doctor` of k8s/base/roles.yaml to who asks"
            " (and `firstflight-doctor` of k8s/extras/operator-access in the operator's namespace)",
        )


Listing = tuple[Object, ...] | Unseen


@dataclass(frozen=True)
class Snapshot:
    """Everything that was read.

    Attributes:
        namespace: Where models and servers live.
        operator_namespace: Where the operator and its ServerConfigs live.
        now: When it was read.
        version: The API server's version, `v1.31.2`.
        group_versions: Versions of Seldon's group that the API serves; none when it does not know the group.
        kinds: Plurals of Seldon's kinds that the API serves in the version we speak.
        listings: What each list said.
        secrets: Each Secret that models name: None when there is no such Secret.
        servers_elsewhere: Servers of other namespaces; asked for only when this one has none.
        exists: Whether there is such a namespace; so it is taken where that may not be asked.
    """

    namespace: str
    operator_namespace: str
    now: datetime
    version: str
    group_versions: tuple[str, ...] = (VERSION,)
    kinds: frozenset[str] = frozenset(KINDS)
    listings: Mapping[Kind, Listing] = field(default_factory=dict)
    secrets: Mapping[str, Object | Unseen | None] = field(default_factory=dict)
    servers_elsewhere: Listing = ()
    exists: bool = True

    def items(self, kind: Kind) -> tuple[Object, ...]:
        """Return what was listed; nothing when it could not be seen."""
        listing = self.listings.get(kind, ())
        return () if isinstance(listing, Unseen) else listing

    def sees(self, kind: Kind) -> bool:
        """Whether the list was answered."""
        return not isinstance(self.listings.get(kind, ()), Unseen)
