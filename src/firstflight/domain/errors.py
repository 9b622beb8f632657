"""Every error the library raises on purpose.

    FirstflightError                    never raised itself
    ├── Outage                          the world failed, not the input: trying again may help
    │   ├── RegistryUnavailableError
    │   ├── BackendUnavailableError
    │   ├── SplitPendingError           a split is written, and not in force yet
    │   ├── StoreUnavailableError
    │   ├── MetricsUnavailableError
    │   ├── OrchestratorUnavailableError
    │   └── NotificationFailedError
    ├── InvalidDataError                market data breaks its contract; every fault is named
    ├── UnanswerableError               a request is not one that the model can answer
    ├── InvalidPlanError                a plan asks a workload for what it has not
    ├── TrainingFailedError             a variant cannot be fitted or evaluated
    ├── AdoptionRefusedError            a model lacks what serving it needs; every fault is named
    ├── RegistryRefusedError            the registry does not take what it was sent
    ├── StoreRefusedError               the database of predictions does not take what it was asked
    ├── NotFoundError                   nothing has the name that was given
    │   └── ModelNotFoundError          no such model, version or alias in the registry
    ├── NoStableModelError              nothing to compare with and nothing to fall back to
    ├── ServingError
    │   ├── ModelNotReadyError          a served model did not become ready in time
    │   ├── ModelNotLoadedError         a split names a model that is not being served
    │   ├── TrafficNotAppliedError      read-back differs from what was set
    │   ├── ForeignGatewayError         the router that answers is another home's
    │   ├── StaleTokenError             a late or doubled driver was refused
    │   └── FieldConflictError          somebody else owns what was to be set
    ├── LedgerError
    │   ├── HeadMovedError              somebody else appended first
    │   ├── CheckpointError             a checkpoint, or a key for one, is not what it should be
    │   └── UnreadableRecordError       a record is not what its kind promises
    ├── RolloutError                    a rollout cannot start or go on
    ├── ApprovalRefusedError            an answer that does not count
    └── StackError
        └── ProcessFailedError

A message says what failed, which one, what was wanted and found, and what to do next.
"""


class FirstflightError(Exception):
    """Base of every error raised on purpose."""


class Outage(FirstflightError):  # noqa: N818 - a kind of error, told apart from refusals by its name
    """Something outside did not answer; the same call may succeed later."""


class RegistryUnavailableError(Outage):
    """The model registry did not answer."""


class AdoptionRefusedError(FirstflightError):
    """A model of somebody's cannot be served as it is; `faults` names all that is missing, and how to mend each."""

    def __init__(self, source: str, faults: tuple[str, ...]) -> None:
        self.source = source
        self.faults = faults
        super().__init__(f"{source} is not adopted, nothing was registered:" + "".join(f"\n- {one}" for one in faults))


class RegistryRefusedError(FirstflightError):
    """The model registry does not take what it was sent; `code` is its own word for why."""

    def __init__(self, message: str, code: str) -> None:
        self.code = code
        super().__init__(message)


class BackendUnavailableError(Outage):
    """The serving backend did not answer."""


class SplitPendingError(Outage):
    """A split is written, or is to be, and whoever carries it out does not react; it comes into force once he does."""


class StoreUnavailableError(Outage):
    """The database of predictions or of the ledger did not answer."""


class StoreRefusedError(FirstflightError):
    """The database of predictions answered, and does not take what it was asked."""


class MetricsUnavailableError(Outage):
    """The server of metrics gave no whole answer."""


class OrchestratorUnavailableError(Outage):
    """The orchestrator's API did not answer."""


class NotificationFailedError(Outage):
    """A message could not be delivered."""


class InvalidDataError(FirstflightError):
    """Data breaks its contract; `faults` names each breach."""

    def __init__(self, source: str, faults: tuple[str, ...]) -> None:
        self.source = source
        self.faults = faults
        super().__init__(f"{source}: {len(faults)} fault(s): " + "; ".join(faults))


class UnanswerableError(FirstflightError):
    """A request is not one that the model can answer; the message names each fault."""


class InvalidPlanError(FirstflightError):
    """A plan asks its workload for what it has not; the message says what it has."""


class TrainingFailedError(FirstflightError):
    """A variant could not be fitted or evaluated."""


class NotFoundError(FirstflightError):
    """Nothing has the name that was given; the message says what there is."""


class ModelNotFoundError(NotFoundError):
    """The registry holds no such model, version or alias."""


class NoStableModelError(FirstflightError):
    """There is no stable model to compare with or to fall back to."""


class ServingError(FirstflightError):
    """The serving backend answered, and the answer is a refusal."""


class ModelNotReadyError(ServingError):
    """A served model did not become ready in time."""


class ModelNotLoadedError(ServingError):
    """A split names a model that is not being served."""


class TrafficNotAppliedError(ServingError):
    """The split read back differs from the split that was set."""


class ForeignGatewayError(ServingError):
    """The router that answers is another home's; whatever it says is no answer to what was asked."""


class StaleTokenError(ServingError):
    """A driver with an older fencing token tried to act."""


class FieldConflictError(ServingError):
    """Somebody else owns a field that was to be set; nothing was forced."""


class LedgerError(FirstflightError):
    """The ledger refused a record."""


class HeadMovedError(LedgerError):
    """Somebody else appended to the stream first; read it again, then decide again."""


class CheckpointError(LedgerError):
    """A checkpoint, a key for one, or the tree below it is not what it should be; nothing was signed on it."""


class UnreadableRecordError(LedgerError):
    """A record is not what its kind promises, so what follows from it is not known."""


class RolloutError(FirstflightError):
    """A rollout cannot start or go on."""


class ApprovalRefusedError(FirstflightError):
    """An answer to an approval request does not count."""


class StackError(FirstflightError):
    """The local stack cannot start or run."""


class ProcessFailedError(StackError):
    """A process of the stack did not come up."""
