"""The ledger is sealed beside the guard's rounds: none waits for it, and none fails with it."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from firstflight.acts.seal import seal
from firstflight.domain.errors import FirstflightError, Outage
from firstflight.ledger.checkpoint import Signer
from firstflight.ledger.tree import SealedStore

log = logging.getLogger(__name__)

SEAL_SECONDS = 30.0
"""So long a record may be changed before anything vouches for it."""


@dataclass
class Sealing:
    """Seals `tree` with the key that `signer` gives (CheckpointError: it may not be used), none: unsigned."""

    tree: SealedStore
    signer: Callable[[], Signer | None]
    anchors: Path | None
    wait: Callable[[float], None] = time.sleep
    _said: str = field(default="", init=False)

    def rounds(self) -> None:
        """Seal for ever."""
        while True:
            try:
                self.round()
            except Exception:  # the next one may go well
                log.exception("the ledger could not be sealed")
            self.wait(SEAL_SECONDS)

    def round(self) -> None:
        """Seal once; what keeps it from being sealed, or signed, is said once."""
        try:
            signer = self.signer()
            head = seal(self.tree, signer, self.anchors)
        except Outage as error:
            self._say(logging.INFO, f"the ledger is sealed later: {error}")  # the guard's own rounds complain of that
            return
        except (FirstflightError, OSError) as error:
            self._say(logging.ERROR, f"the ledger is not sealed: {error}")
            return
        if signer is None and head is not None:
            self._say(logging.WARNING, "the ledger's checkpoints are unsigned: set FIRSTFLIGHT_LEDGER_KEY")
        else:
            self._said = ""

    def _say(self, level: int, what: str) -> None:
        if what != self._said:
            log.log(level, "%s", what)
        self._said = what
