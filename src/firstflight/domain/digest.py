"""The identity of a folder of files: equal digests, equal files."""

import hashlib
from pathlib import Path


def folder_digest(folder: Path) -> str:
    """Return `sha256:<hex>` over the files below `folder`.

    Each file gives one line `<sha256 of its bytes>  <path relative to the folder>`, as
    `sha256sum` prints it; the lines are sorted by path (as UTF-8, `/` between parts), each ended
    by a newline. Names of files count, their times, owners and modes do not; nor do empty folders.

    Raises:
        FileNotFoundError: `folder` is no folder or holds no file.
    """
    files = sorted((path.relative_to(folder).as_posix().encode(), path) for path in folder.rglob("*") if path.is_file())
    if not files:
        raise FileNotFoundError(f"no files below {folder}, nothing to take a digest of")
    whole = hashlib.sha256()
    for name, path in files:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(content.encode() + b"  " + name + b"\n")
    return f"sha256:{whole.hexdigest()}"
