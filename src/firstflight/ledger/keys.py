"""The key that signs checkpoints: a private file of the home, made at its first use, or a Secret in a cluster."""

import os
import stat
from pathlib import Path

from firstflight.domain.errors import CheckpointError
from firstflight.ledger.checkpoint import Signer
from firstflight.settings import Settings
from firstflight.supervision.files import locked, replace


def signer(settings: Settings) -> Signer | None:
    """Return the key of the place that `settings` describe; None in a cluster that was given none.

    Raises:
        CheckpointError: Others may read the file, or it holds no key.
    """
    if settings.ledger_key is not None:
        return Signer.parse(settings.ledger_key.get_secret_value())
    if settings.backend != "local":
        return None
    file = settings.ledger_key_file
    with locked(file.with_name(f"{file.name}.lock")):  # of two that come first, one makes it
        if not file.exists():
            replace(file, f"{Signer.new().secret()}\n")
    refuse_others(file)
    return Signer.parse(file.read_text(encoding="utf-8"))


def refuse_others(file: Path) -> None:
    """Refuse a private key that others may read: what they can copy proves nothing any more. Raises CheckpointError."""
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO) or file.stat().st_uid != os.geteuid():
        raise CheckpointError(
            f"{file}, the ledger's private key, may be read by others ({mode:04o}): make it yours alone,"
            f" `chmod 600 {file}`; if anybody may have read it, move it away: a new one is made"
        )
