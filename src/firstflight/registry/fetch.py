"""Bring a folder over whole, or not at all."""

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from firstflight.domain.digest import folder_digest
from firstflight.domain.errors import ModelNotFoundError
from firstflight.domain.versions import ModelVersion

Download = Callable[[Path], Path]
"""Put files somewhere below an empty folder and return where they lie."""


def fetch_verified(version: ModelVersion, folder: Path, download: Download) -> Path:
    """Bring the files of `version` to `folder/<served name>` and return that path.

    The folder appears in one rename, after its digest was verified; one that is there already and
    has the right digest is returned as it is, one with another digest is replaced.

    Raises:
        ModelNotFoundError: The files are not those that were registered.
    """
    target = folder / version.served_name
    if target.is_dir() and any(target.iterdir()) and folder_digest(target) == version.digest:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=f".{version.served_name}-") as scratch:
        files = download(Path(scratch))
        found = folder_digest(files) if files.is_dir() and any(files.iterdir()) else "no files"
        if found != version.digest:
            raise ModelNotFoundError(
                f"the files kept for {version} are not those registered: wanted {version.digest}, found {found}; "
                "register the model again"
            )
        shutil.rmtree(target, ignore_errors=True)
        files.rename(target)
    return target
