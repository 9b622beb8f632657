"""Where loss curves and figures of a training run go, while it runs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from firstflight.domain.errors import Outage, RegistryRefusedError


class TrackedRun(Protocol):
    """One training run of one variant."""

    @property
    def id(self) -> str | None:
        """Name of the run in the tracker, none when nobody can look it up."""

    def log_epoch(self, number: int, figures: Mapping[str, float]) -> None:
        """Keep the figures of epoch `number`, together."""

    def log_figures(self, figures: Mapping[str, float]) -> None:
        """Keep figures of the whole run."""

    def log_folder(self, folder: Path) -> None:
        """Keep the files below `folder`."""

    def end(self, *, failed: bool) -> None:
        """Close the run."""


class Tracker(Protocol):
    """Open runs."""

    def start(self, experiment: str, name: str, parameters: Mapping[str, str], tags: Mapping[str, str]) -> TrackedRun:
        """Open a run called `name` in `experiment`, made if missing."""


@contextmanager
def ending(run: TrackedRun) -> Iterator[TrackedRun]:
    """Close `run` after the block, as failed when it raises."""
    try:
        yield run
    except BaseException:  # an interrupt too: a run that stays open looks as if it were still training
        with suppress(Outage, RegistryRefusedError):  # what went wrong in the block matters more
            run.end(failed=True)
        raise
    run.end(failed=False)


class MemoryRun:
    """A run kept in memory."""

    id: str | None = None

    def __init__(self, experiment: str, name: str, parameters: Mapping[str, str], tags: Mapping[str, str]) -> None:
        self.experiment = experiment
        self.name = name
        self.parameters = dict(parameters)
        self.tags = dict(tags)
        self.epochs: dict[int, dict[str, float]] = {}
        self.figures: dict[str, float] = {}
        self.folders: list[Path] = []
        self.failed: bool | None = None

    def log_epoch(self, number: int, figures: Mapping[str, float]) -> None:
        """Keep the figures of epoch `number`."""
        self.epochs[number] = dict(figures)

    def log_figures(self, figures: Mapping[str, float]) -> None:
        """Keep figures of the whole run."""
        self.figures.update(figures)

    def log_folder(self, folder: Path) -> None:
        """Keep the path of `folder`."""
        self.folders.append(folder)

    def end(self, *, failed: bool) -> None:
        """Close the run."""
        self.failed = failed


class MemoryTracker:
    """Keep runs in memory: for tests, and for training without a server."""

    def __init__(self) -> None:
        self.runs: list[MemoryRun] = []

    def start(self, experiment: str, name: str, parameters: Mapping[str, str], tags: Mapping[str, str]) -> MemoryRun:
        """Open a run."""
        run = MemoryRun(experiment, name, parameters, tags)
        self.runs.append(run)
        return run
