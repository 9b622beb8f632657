"""Tensors of the Open Inference Protocol, and what a served model does with them: the words of every workload."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Tensor:
    """One tensor of a request or an answer; `data` flat, or nested as a client wrote it."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: Any


@dataclass(frozen=True)
class Declared:
    """What a model says of one of its tensors: -1 is any size; numbers lie from `least` to `largest` where named."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    least: float | None = None
    largest: float | None = None


class Served(Protocol):
    """A registered folder, loaded. `digest` is that of the files it was loaded from.

    `variant` is what the folder calls itself, if it says. Where `apart`, an answer takes its time, and the server
    gives other answers meanwhile.
    """

    digest: str
    variant: str | None
    inputs: tuple[Declared, ...]
    outputs: tuple[Declared, ...]
    apart: bool

    def read(self, tensors: Sequence[Tensor], parameters: Mapping[str, Any] | None = None) -> Any:
        """Return the question in `tensors`, with those `parameters` of the request that the model knows.

        Raises UnanswerableError naming each fault.
        """

    def answer(self, question: Any) -> tuple[Tensor, ...]:
        """Return the answer, its data flat.

        Raises:
            UnanswerableError: The question is not one, which only the model could find out.
            ServingError: The model failed, or said what cannot be true.
        """

    def said(self, answer: Sequence[Tensor]) -> str:
        """Return what was predicted of the first thing asked about: compact JSON in ASCII, at most 256 bytes."""
