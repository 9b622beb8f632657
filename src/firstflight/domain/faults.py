"""Models broken on purpose, for drills: the same files, and beside them what the runtime shall do wrong."""

import shutil
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from firstflight.domain.values import Value

FAULT_FILE = "fault.json"


class Fault(Value):
    """What the serving runtime does wrong on `share` of the requests.

    `errors` answers with an error, `latency` waits `milliseconds` first, `inverted` answers what is wrong: of a
    probability 1 minus it (`serving.runtime.faults.inverted` says what of anything else).
    """

    kind: Literal["errors", "latency", "inverted"]
    share: float = Field(default=1.0, gt=0, le=1)
    milliseconds: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _waits_if_it_is_latency(self) -> Self:
        if (self.kind == "latency") != (self.milliseconds is not None):
            raise ValueError(
                f"a fault of kind {self.kind!r} has milliseconds {self.milliseconds}; only latency has them"
            )
        return self


def with_fault(artifact: Path, fault: Fault, folder: Path) -> Path:
    """Copy the served files of `artifact` to the new `folder`, add `fault.json` and return the folder."""
    shutil.copytree(artifact, folder)
    (folder / FAULT_FILE).write_text(fault.model_dump_json(exclude_none=True) + "\n", encoding="utf-8")
    return folder
