"""What an MLflow model takes and answers, by its signature: tensors of a request to a table or arrays, and back.

MLflow writes a signature as JSON in the file MLmodel. Columns become one tensor each, [B] or [B, 1], as MLServer's
pandas codec sends them; a signature of tensors becomes those tensors. Times are text in ISO 8601, bytes are base64.
Nothing here needs MLflow.
"""

import base64
import binascii
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from firstflight.domain.errors import InvalidDataError, ServingError, UnanswerableError
from firstflight.domain.tensors import Declared, Tensor

INPUT, OUTPUT = "input", "output"
"""Names where the signature has none; a request may then call its only tensor anything."""
COLUMNS = {
    "boolean": "BOOL",
    "integer": "INT32",
    "long": "INT64",
    "float": "FP32",
    "double": "FP64",
    "string": "BYTES",
    "binary": "BYTES",
    "datetime": "BYTES",
}
"""Types of MLflow's columns, and the protocol's."""
_DTYPES = {
    "BOOL": np.dtype(np.bool_),
    "BYTES": np.dtype(np.object_),
    **{f"FP{bits}": np.dtype(f"float{bits}") for bits in (16, 32, 64)},
    **{f"INT{bits}": np.dtype(f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64)},
}
_DATATYPES = {dtype: name for name, dtype in _DTYPES.items()}
_PYTHON: Mapping[str, set[type]] = {
    "f": {float, int, type(None)},
    "i": {int},
    "u": {int},
    "b": {bool},
    "O": {str, bytes},
}
"""What a client may write for each kind of number; nothing stands for one that is missing."""
_PARAMS: Mapping[str, tuple[type, ...]] = {
    "boolean": (bool,),
    **dict.fromkeys(("integer", "long"), (int,)),
    **dict.fromkeys(("float", "double"), (float, int)),
    "string": (str,),
}
"""Types of MLflow's inference params, and what a client may write for each."""
MOST_NUMBERS, MOST_BYTES, MOST_WORDS = 16, 256, 2000
"""Of what is written down of an answer; and characters of a message."""


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    kind: str
    required: bool

    @property
    def datatype(self) -> str:
        """The protocol's name of its type."""
        return COLUMNS[self.kind]


@dataclass(frozen=True)
class Param:
    """One inference param of MLflow's: a value, or a list of them."""

    name: str
    kind: str
    several: bool

    def is_one(self, value: Any) -> bool:
        """Whether a client may write it so."""
        values = value if self.several else [value]
        return isinstance(values, list) and all(
            isinstance(one, _PARAMS.get(self.kind, ())) and isinstance(one, bool) == (self.kind == "boolean")
            for one in values
        )


@dataclass(frozen=True)
class Signature:
    """Either `columns` or `tensors` that a model takes, its `params`, and the outputs that it declares, if it does.

    `nameless` inputs have names here alone.
    """

    columns: tuple[Column, ...]
    tensors: tuple[Declared, ...]
    outputs: tuple[Declared, ...]
    nameless: bool
    params: tuple[Param, ...] = ()

    @classmethod
    def parse(cls, written: Mapping[str, Any] | None) -> Self:
        """Return the signature in an MLmodel file. Raises InvalidDataError naming what of it cannot be served."""
        if not written or not written.get("inputs"):
            raise InvalidDataError("signature", ("there is none that says what the model takes",))
        inputs, outputs = (json.loads(written.get(side) or "[]") for side in ("inputs", "outputs"))
        faults = [fault for one in inputs for fault in _unserved(one)]
        if len({one["type"] == "tensor" for one in inputs}) > 1:
            faults.append("inputs are columns and tensors at once")
        if faults:
            raise InvalidDataError("signature", tuple(faults))
        columns: tuple[Column, ...] = ()
        tensors: tuple[Declared, ...] = ()
        if inputs[0]["type"] == "tensor":
            tensors = tuple(_tensor(one, INPUT, number) for number, one in enumerate(inputs))
        else:
            columns = tuple(
                Column(str(one.get("name", _named(INPUT, number))), one["type"], one.get("required", True))
                for number, one in enumerate(inputs)
            )
        # What it answers is sent as it is; this is only said beforehand, where it can be.
        said = [] if any(any(_unserved(one)) for one in outputs) else outputs
        outs = tuple(_tensor(one, OUTPUT, number) for number, one in enumerate(said))
        params = tuple(
            Param(one["name"], one["type"], several=bool(one.get("shape")))
            for one in json.loads(written.get("params") or "[]")
        )
        return cls(columns, tensors, outs, nameless="name" not in inputs[0], params=params)

    @property
    def inputs(self) -> tuple[Declared, ...]:
        """What a request has to hold."""
        return self.tensors or tuple(Declared(one.name, one.datatype, (-1,)) for one in self.columns)

    def read(self, tensors: Sequence[Tensor]) -> pd.DataFrame | NDArray[Any] | dict[str, NDArray[Any]]:
        """Return what the model takes of a request. Raises UnanswerableError naming each fault."""
        if self.nameless and len(self.inputs) == len(tensors) == 1:
            tensors = [Tensor(INPUT, tensors[0].datatype, tensors[0].shape, tensors[0].data)]
        given, faults = {tensor.name: tensor for tensor in tensors}, list(self._misnamed(tensors))
        found: dict[str, NDArray[Any]] = {}
        for declared in self.inputs:
            if (tensor := given.get(declared.name)) is None:
                continue
            try:
                found[declared.name] = _array(tensor, declared, self._kind(declared.name))
            except UnanswerableError as error:
                faults.append(str(error))
        rows = sorted({len(array) for array in found.values()})
        if not faults and self.columns and len(rows) != 1:
            faults.append(f"columns have {rows} rows, must be equally many" if rows else "there is no input")
        if faults:
            raise UnanswerableError("; ".join(faults)[:MOST_WORDS])
        if self.columns:
            return pd.DataFrame({one.name: found[one.name] for one in self.columns if one.name in found})
        return found[INPUT] if self.nameless else found

    def params_in(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of a request's parameters that the model declares; others are not for it.

        Raises UnanswerableError naming each that is of another type.
        """
        known = [one for one in self.params if one.name in given]
        if faults := [
            f"parameter {one.name!r} is {json.dumps(given[one.name])}, must be {'a list of ' * one.several}{one.kind}"
            for one in known
            if not one.is_one(given[one.name])
        ]:
            raise UnanswerableError("; ".join(faults)[:MOST_WORDS])
        return {one.name: given[one.name] for one in known}

    def _kind(self, name: str) -> str | None:
        return next((one.kind for one in self.columns if one.name == name), None)

    def _misnamed(self, tensors: Sequence[Tensor]) -> Iterator[str]:
        names = [tensor.name for tensor in tensors]
        known = {one.name for one in self.inputs}
        needed = [one.name for one in self.columns if one.required] or [one.name for one in self.tensors]
        for name in needed:
            if name not in names:
                yield f"input {name!r} is missing"
        for name in sorted(set(names)):
            if name not in known:
                yield f"input {name!r} is not one of this model, it takes {', '.join(sorted(known))}"
            elif names.count(name) > 1:
                yield f"input {name!r} is there {names.count(name)} times"


def _named(what: str, number: int) -> str:
    return what if number == 0 else f"{what}-{number}"


def _unserved(one: Mapping[str, Any]) -> Iterator[str]:
    """Yield what of a part of a signature has no tensor."""
    if one["type"] == "tensor":
        if _datatype(np.dtype(one["tensor-spec"]["dtype"])) is None:
            yield f"tensor {one.get('name', INPUT)!r} is of type {one['tensor-spec']['dtype']}, which has no name here"
    elif one["type"] not in COLUMNS:
        yield f"column {one.get('name')!r} is of type {one['type']}, wanted one of {', '.join(COLUMNS)}"


def _tensor(one: Mapping[str, Any], what: str, number: int) -> Declared:
    name = str(one.get("name", _named(what, number)))
    if one["type"] != "tensor":
        return Declared(name, COLUMNS[one["type"]], (-1,))
    spec = one["tensor-spec"]
    return Declared(name, str(_datatype(np.dtype(spec["dtype"]))), tuple(spec["shape"]))


def _datatype(dtype: np.dtype[Any]) -> str | None:
    return "BYTES" if dtype.kind in "US" else _DATATYPES.get(dtype)


def _array(tensor: Tensor, declared: Declared, kind: str | None) -> NDArray[Any]:
    """Return the tensor as the model takes it. Raises UnanswerableError saying what is wrong with it."""
    name, shape, given = repr(tensor.name), tensor.shape, _DTYPES.get(tensor.datatype)
    wanted = _DTYPES[declared.datatype]
    # A number may be written in a type of another width, if its value fits, and a whole one where any will do.
    if given is None or not (np.can_cast(given, wanted, "same_kind") and (given.kind == "b") == (wanted.kind == "b")):
        raise UnanswerableError(f"input {name} has datatype {tensor.datatype}, must be {declared.datatype}")
    if wanted.kind == "O" and given.kind != "O":
        raise UnanswerableError(f"input {name} has datatype {tensor.datatype}, must be {declared.datatype}")
    fits = len(shape) == len(declared.shape) and all(map(_fits, shape, declared.shape))
    if not (fits or (kind and shape[1:] == (1,))) or min(shape, default=1) < 1:
        raise UnanswerableError(
            f"input {name} has shape {list(shape)}, must be {list(declared.shape)}, where -1 is any number from 1 on"
        )
    flat = _flat(tensor.data, len(shape))
    if len(flat) != math.prod(shape):
        raise UnanswerableError(
            f"input {name} has {len(flat)} values, its shape {list(shape)} is of {math.prod(shape)}"
        )
    allowed = _PYTHON[given.kind] | ({type(None)} if kind == "string" else set())
    if strangers := set(map(type, flat)) - allowed:
        found = ", ".join(sorted("null" if one is type(None) else one.__name__ for one in strangers))
        raise UnanswerableError(f"input {name} is of {tensor.datatype} and holds {found}")
    if wanted.kind == "O":
        return _texts(name, flat, kind).reshape(shape[:1] if kind else shape)
    return _numbers(name, flat, given, wanted).reshape(shape[:1] if kind else shape)


def _fits(got: int, wanted: int) -> bool:
    return wanted in {-1, got}


def _flat(data: Any, depth: int) -> list[Any]:
    """Return the values of lists within lists, no deeper than the shape says."""
    flat = data if isinstance(data, list) else [data]
    for _ in range(depth - 1):
        if not any(isinstance(one, list) for one in flat):
            break
        flat = [value for one in flat for value in (one if isinstance(one, list) else [one])]
    return flat


def _numbers(name: str, flat: list[Any], given: np.dtype[Any], wanted: np.dtype[Any]) -> NDArray[Any]:
    with np.errstate(all="ignore"):
        try:
            exact = np.asarray(flat, dtype=given)
        except OverflowError as error:
            raise UnanswerableError(f"input {name} holds a number that {given} cannot: {error}") from error
        found = exact.astype(wanted)
        lost = np.isinf(found) & ~np.isinf(exact) if wanted.kind == "f" else found != exact
    if lost.any():
        raise UnanswerableError(f"input {name} holds {exact[lost][0]}, which the model's {wanted} cannot")
    return found


def _texts(name: str, flat: list[Any], kind: str | None) -> NDArray[Any]:
    found: Any
    try:
        if kind == "binary":
            found = [one if isinstance(one, bytes) else base64.b64decode(one, validate=True) for one in flat]
        else:
            found = [one.decode() if isinstance(one, bytes) else one for one in flat]
        if kind == "datetime":
            times = pd.to_datetime(pd.Series(found, dtype=object), format="ISO8601", utc=True)
            return times.dt.tz_localize(None).to_numpy()
    except (binascii.Error, ValueError) as error:
        raise UnanswerableError(f"input {name} cannot be read as {kind or 'text'}: {error}") from error
    array = np.empty(len(found), dtype=object)
    array[:] = found
    return array


def tensors_of(answered: Any, declared: Sequence[Declared]) -> tuple[Tensor, ...]:
    """Return what a model answered as tensors. Raises ServingError where it cannot be sent, or cannot be true."""
    if isinstance(answered, pd.DataFrame):
        parts = {str(name): column.to_numpy() for name, column in answered.items()}
    elif isinstance(answered, Mapping):
        parts = {str(name): part for name, part in answered.items()}
    else:
        own = str(answered.name) if isinstance(answered, pd.Series) and answered.name is not None else OUTPUT
        parts = {declared[0].name if len(declared) == 1 else own: answered}
    if not parts:
        raise ServingError("the model answered nothing")
    return tuple(_said_tensor(name, part) for name, part in parts.items())


def _said_tensor(name: str, part: Any) -> Tensor:
    try:
        array = np.atleast_1d(np.asarray(part))
    except ValueError as error:
        raise ServingError(f"the model's answer {name!r} is no tensor: {error}") from error
    if array.size == 0:
        raise ServingError(f"the model's answer {name!r} is empty, of shape {list(array.shape)}")
    if array.dtype.kind == "O" and not set(map(type, array.flat)) <= {str, bytes}:
        array = _alike(name, array)
    if array.dtype.kind == "M":
        array = np.datetime_as_string(array)
    if array.dtype.kind in "OSU":
        texts = [one.decode("latin-1") if isinstance(one, bytes) else str(one) for one in array.ravel().tolist()]
        return Tensor(name, "BYTES", array.shape, texts)
    datatype = _datatype(array.dtype)
    if datatype is None:
        raise ServingError(f"the model's answer {name!r} is of type {array.dtype}, which cannot be sent")
    if array.dtype.kind == "f" and not (true := np.isfinite(array)).all():
        raise ServingError(f"the model's answer {name!r} holds {array[~true][0]}, which cannot be true")
    return Tensor(name, datatype, array.shape, array.ravel().tolist())


def _alike(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return numbers that came as objects, as in a row of mixed types, as numbers of one type."""
    kinds = {type(one) for one in array.flat}
    if not all(issubclass(kind, (int, float, np.generic)) for kind in kinds):
        found = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise ServingError(f"the model's answer {name!r} holds {found}, which cannot be sent together")
    return np.asarray(array.tolist())


def said(answer: Sequence[Tensor]) -> str:
    """Return what was predicted of the first row, as compact JSON in ASCII of at most 256 bytes.

    A number, a label or a truth value; a list of at most 16 numbers (to 8 digits); otherwise `{"digest": "sha256:…"}`
    of the row. Where there are several outputs: the numbers of all of them, or the first one's.
    """
    rows = [_row(tensor) for tensor in answer]
    if len(rows) > 1 and all(len(row) == 1 and _is_number(row[0]) for row in rows):
        rows = [[one for row in rows for one in row]]
    row = rows[0]
    if len(row) == 1:
        text = _json(row[0])
    else:
        text = _json([float(f"{one:.8g}") if isinstance(one, float) else one for one in row])
        if len(row) > MOST_NUMBERS or not all(map(_is_number, row)):
            text = ""
    if 0 < len(text) <= MOST_BYTES:
        return text
    return _json({"digest": f"sha256:{sha256(_json(row).encode()).hexdigest()}"})


def _row(tensor: Tensor) -> list[Any]:
    row = tensor.data[: len(tensor.data) // tensor.shape[0]]
    return [float(str(np.float32(one))) for one in row] if tensor.datatype == "FP32" else row


def _is_number(one: Any) -> bool:
    return isinstance(one, (int, float)) and not isinstance(one, bool)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
