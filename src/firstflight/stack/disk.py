"""What the local stack takes of the disk, and what is left of it."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from firstflight.domain.values import Value
from firstflight.settings import Settings
from firstflight.stack import postgres

_GIBIBYTE, _MEBIBYTE = 2**30, 2**20
_BLOCK = 512
"""What `st_blocks` counts, whatever the file system's own are."""


class Disk(Value):
    """Bytes: what the parts that grow take, and what is `free` for `place`, home or database, where there is less.

    `database` is None while it does not answer; `logs` are those of requests and of the parts.
    """

    database: int | None
    logs: int
    artifacts: int
    environments: int
    free: int
    place: str

    @property
    def taken(self) -> dict[str, int]:
        """What takes how much, by the words of people."""
        parts = {"database": self.database, "logs": self.logs}
        parts |= {"models": self.artifacts, "environments": self.environments}
        return {name: taken for name, taken in parts.items() if taken is not None}

    @property
    def sentence(self) -> str:
        """It in a line."""
        return f"{', '.join(f'{name} {size(taken)}' for name, taken in self.taken.items())}; {size(self.free)} free"


def size(taken: int) -> str:
    """Return so many bytes for people."""
    return f"{taken / _GIBIBYTE:.1f} GiB" if taken >= _GIBIBYTE else f"{taken / _MEBIBYTE:.0f} MiB"


def disk(settings: Settings) -> Disk:
    """Return what is taken and what is free; what is not there takes nothing."""
    home = settings.home
    places = [home] if settings.database_url else [home, (home / postgres.NAME).resolve()]
    free = {place: shutil.disk_usage(_there(place)).free for place in places}
    least = min(places, key=free.__getitem__)
    return Disk(
        database=postgres.size(settings),
        logs=_taken(home / "gateway") + _taken(settings.supervisor_folder),
        artifacts=_taken(home / "mlflow") + _taken(home / "serving" / "models"),
        environments=_taken(home / "serving" / "environments"),
        free=free[least],
        place=str(least),
    )


def _there(place: Path) -> Path:
    return next(folder for folder in (place, *place.parents) if folder.exists())


def _taken(folder: Path) -> int:
    """Return how many bytes of the disk the files below `folder` take; files that are linked are one."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # taken away meanwhile
                status = (Path(place) / name).lstat()
                found[status.st_dev, status.st_ino] = status.st_blocks * _BLOCK
    return sum(found.values())
