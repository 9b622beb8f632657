"""Tensors of a request to what an MLflow model takes, and its answers back."""

import json
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstflight.domain.errors import InvalidDataError, ServingError, UnanswerableError
from firstflight.domain.tensors import Declared, Tensor
from firstflight.serving.runtime.signature import COLUMNS, Signature, said, tensors_of

CHURN = Signature.parse(
    {
        "inputs": json.dumps(
            [
                {"type": "double", "name": "age", "required": True},
                {"type": "long", "name": "calls", "required": True},
                {"type": "string", "name": "plan", "required": True},
                {"type": "boolean", "name": "new", "required": False},
            ]
        ),
        "outputs": '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]',
    }
)
GOOD = {
    "age": Tensor("age", "FP64", (2,), [41.5, None]),
    "calls": Tensor("calls", "INT32", (2, 1), [[3], [4]]),
    "plan": Tensor("plan", "BYTES", (2,), ["a", b"\xc3\xa9"]),
}


def tensors(**specs: Any) -> Signature:
    """A signature of tensors: name to type and shape; one called `_` has no name."""
    written = [
        {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}, **({} if name == "_" else {"name": name})}
        for name, (dtype, shape) in specs.items()
    ]
    return Signature.parse({"inputs": json.dumps(written)})


def test_columns_become_a_table_of_their_types() -> None:
    """One tensor each, of any number's width that fits; nothing is a number that is missing; an optional one may be."""
    found = CHURN.read(list(GOOD.values()))
    assert isinstance(found, pd.DataFrame)
    assert ["age", "calls", "plan"] == list(found)
    assert ([41.5], [3, 4], ["a", "é"]) == (list(found["age"][:1]), list(found["calls"]), list(found["plan"]))
    assert np.isnan(found["age"][1])
    assert (np.float64, np.int64) == (found["age"].dtype, found["calls"].dtype)
    wanted = [("age", "FP64"), ("calls", "INT64"), ("plan", "BYTES"), ("new", "BOOL")]
    assert wanted == [(one.name, one.datatype) for one in CHURN.inputs]
    assert (Declared("output", "INT64", (-1,)),) == CHURN.outputs


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"age": None, "plan": None}, ["'age' is missing", "'plan' is missing"]),
        ({"x": Tensor("x", "FP64", (2,), [1, 2])}, ["'x' is not one of this model, it takes age, calls, new, plan"]),
        ({"x": GOOD["age"]}, ["'age' is there 2 times"]),
        ({"age": Tensor("age", "BYTES", (2,), ["1", "2"])}, ["'age' has datatype BYTES, must be FP64"]),
        ({"age": Tensor("age", "BOOL", (2,), [True, True])}, ["'age' has datatype BOOL, must be FP64"]),
        ({"plan": Tensor("plan", "INT64", (2,), [1, 2])}, ["'plan' has datatype INT64, must be BYTES"]),
        ({"age": Tensor("age", "JSON", (2,), [1, 2])}, ["datatype JSON"]),
        ({"calls": Tensor("calls", "FP64", (2,), [1.0, 2.0])}, ["'calls' has datatype FP64, must be INT64"]),
        ({"calls": Tensor("calls", "INT64", (2,), [1, None])}, ["'calls' is of INT64 and holds null"]),
        ({"calls": Tensor("calls", "INT64", (2,), [1, 2.5])}, ["holds float"]),
        ({"calls": Tensor("calls", "INT64", (2,), [1, 2**70])}, ["holds a number that int64 cannot"]),
        ({"calls": Tensor("calls", "UINT64", (2,), [1, 2**63])}, ["holds 9223372036854775808"]),
        ({"age": Tensor("age", "FP64", (2,), ["1", "2"])}, ["'age' is of FP64 and holds str"]),
        ({"age": Tensor("age", "FP64", (2,), "text")}, ["1 values"]),
        ({"age": Tensor("age", "FP64", (2,), [[[1]], [[2]]])}, ["holds list"]),
        ({"age": Tensor("age", "FP64", (3,), [1, 2])}, ["2 values"]),
        ({"age": Tensor("age", "FP64", (-2,), [1, 2])}, ["shape [-2]"]),
        ({"age": Tensor("age", "FP64", (0,), [])}, ["shape [0]"]),
        ({"age": Tensor("age", "FP64", (1, 2), [1, 2])}, ["shape [1, 2]"]),
        ({"age": Tensor("age", "FP64", (), [1])}, ["shape []"]),
        ({"age": Tensor("age", "FP64", (1,), [1])}, ["columns have [1, 2] rows"]),
        ({"plan": Tensor("plan", "BYTES", (2,), [b"\xff", "b"])}, ["'plan' cannot be read as string"]),
    ],
)
def test_each_fault_of_a_request_is_named(changes: dict[str, Tensor | None], faults: list[str]) -> None:
    """The client is told all that is wrong with what it sent."""
    sent = [tensor for tensor in (GOOD | changes).values() if tensor is not None]
    with pytest.raises(UnanswerableError) as refused:
        CHURN.read(sent)
    assert [] == [fault for fault in faults if fault not in str(refused.value)]


def test_times_and_bytes_are_text() -> None:
    """ISO 8601 in any zone, and base64."""
    inputs = '[{"type": "datetime", "name": "at"}, {"type": "binary", "name": "image"}, {"type": "float", "name": "x"}]'
    signature = Signature.parse({"inputs": inputs})
    at = Tensor("at", "BYTES", (2,), ["2026-01-02T03:04:05+01:00", "2026-01-02"])
    image, x = Tensor("image", "BYTES", (2,), ["aGk=", b"\xff"]), Tensor("x", "FP64", (2,), [0.1, 1.0])
    found = signature.read([at, image, x])
    assert isinstance(found, pd.DataFrame)
    assert [pd.Timestamp("2026-01-02T02:04:05"), pd.Timestamp("2026-01-02")] == list(found["at"])
    assert ([b"hi", b"\xff"], np.float32) == (list(found["image"]), found["x"].dtype)
    for fault, sent in {
        "'at' cannot be read as datetime": [Tensor("at", "BYTES", (2,), ["now", "then"]), image, x],
        "'image' cannot be read as binary": [at, Tensor("image", "BYTES", (2,), ["?", "!"]), x],
        "holds 1e+300": [at, image, Tensor("x", "FP64", (2,), [1e300, 1.0])],
    }.items():
        with pytest.raises(UnanswerableError) as refused:
            signature.read(sent)
        assert fault in str(refused.value)


def test_a_tensor_without_a_name_may_be_called_anything() -> None:
    """An image comes as it is, and its shape is held to the signature's."""
    signature = tensors(_=("uint8", [-1, 2, 2]))
    sent = Tensor("image", "UINT8", (1, 2, 2), [[[1, 2], [3, 4]]])
    assert [[[1, 2], [3, 4]]] == np.asarray(signature.read([sent])).tolist()
    assert (Declared("input", "UINT8", (-1, 2, 2)),) == signature.inputs
    with pytest.raises(UnanswerableError, match=r"shape \[1, 4\], must be \[-1, 2, 2\]"):
        signature.read([Tensor("image", "UINT8", (1, 4), [1, 2, 3, 4])])
    with pytest.raises(UnanswerableError, match="'input' is missing"):
        signature.read([])


def test_several_tensors_stay_apart() -> None:
    """Each under its name, of its own type and shape."""
    found = tensors(a=("float32", [-1, 2]), b=("str", [-1])).read(
        [Tensor("b", "BYTES", (1,), ["x"]), Tensor("a", "FP32", (1, 2), [1, 2])]
    )
    assert isinstance(found, dict)
    assert {"a": [[1.0, 2.0]], "b": ["x"]} == {name: array.tolist() for name, array in found.items()}


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        (None, "there is none"),
        ({"inputs": None, "outputs": "[]"}, "there is none"),
        ({"inputs": '[{"type": "map", "name": "m"}]'}, "column 'm' is of type map"),
        ({"inputs": '[{"type": "tensor", "tensor-spec": {"dtype": "complex64", "shape": [-1]}}]'}, "complex64"),
    ],
)
def test_a_signature_that_cannot_be_served_is_refused(written: dict[str, Any] | None, fault: str) -> None:
    """Before any request comes."""
    with pytest.raises(InvalidDataError, match=fault):
        Signature.parse(written)


@pytest.mark.parametrize(
    ("answered", "wanted"),
    [
        (np.array([1, 2]), [Tensor("output", "INT64", (2,), [1, 2])]),
        (np.array([[0.5], [0.25]], np.float32), [Tensor("output", "FP32", (2, 1), [0.5, 0.25])]),
        (np.array(["a", "b"]), [Tensor("output", "BYTES", (2,), ["a", "b"])]),
        (["a", "b"], [Tensor("output", "BYTES", (2,), ["a", "b"])]),
        (3, [Tensor("output", "INT64", (1,), [3])]),
        (pd.Series([True], name="left"), [Tensor("left", "BOOL", (1,), [True])]),
        (pd.Series(["a"], dtype="category"), [Tensor("output", "BYTES", (1,), ["a"])]),
        (pd.DataFrame({"p": [0.5], 1: ["x"]}), [Tensor("p", "FP64", (1,), [0.5]), Tensor("1", "BYTES", (1,), ["x"])]),
        ({"a": np.array([1], np.int8), "b": [2.0]}, [Tensor("a", "INT8", (1,), [1]), Tensor("b", "FP64", (1,), [2.0])]),
        (np.array([1, 2.5], object), [Tensor("output", "FP64", (2,), [1.0, 2.5])]),
        (np.array(["2026-01-02T03:04"], "datetime64[m]"), [Tensor("output", "BYTES", (1,), ["2026-01-02T03:04"])]),
    ],
)
def test_an_answer_becomes_tensors(answered: Any, wanted: list[Tensor]) -> None:
    """Whatever a flavour's predict returns."""
    assert wanted == list(tensors_of(answered, ()))


@pytest.mark.parametrize(
    ("answered", "fault"),
    [
        (np.array([1.0, np.nan]), "nan"),
        (pd.DataFrame({"p": [np.inf]}), "'p' holds inf"),
        (np.array([1, np.nan], object), "nan"),
        (np.array([]), "empty"),
        ({}, "nothing"),
        ([["a"], ["b", "c"]], "no tensor"),
        (["a", None], "NoneType, str"),
        (np.array([1j]), "complex128"),
    ],
)
def test_what_cannot_be_true_or_sent_is_the_models_failure(answered: Any, fault: str) -> None:
    """No NaN, nothing empty, no object that has no name in the protocol."""
    with pytest.raises(ServingError, match=fault):
        tensors_of(answered, ())


@pytest.mark.parametrize(
    ("answered", "wanted"),
    [
        (np.array([0.512345, 0.1]), "0.512345"),
        (np.array([0.1], np.float32), "0.1"),
        (np.array([7, 8]), "7"),
        (np.array([True]), "true"),
        (["cat \x00é\n"], '"cat \\u0000\\u00e9\\n"'),
        (np.array([[0.1, 0.9], [0.5, 0.5]]), "[0.1,0.9]"),
        (np.array([[1 / 3, 2]]), "[0.33333333,2.0]"),
        (pd.DataFrame({"no": [0.25], "yes": [0.75]}), "[0.25,0.75]"),
        (pd.DataFrame({"label": ["cat"], "sure": [0.75]}), '"cat"'),
        ({"image": np.zeros((1, 3, 3)), "sure": [0.75]}, "[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0]"),
    ],
)
def test_what_was_predicted_is_said_in_a_header(answered: Any, wanted: str) -> None:
    """Of the first row: a value as JSON has it."""
    assert wanted == said(tensors_of(answered, ()))


@pytest.mark.parametrize("answered", [np.zeros((1, 17)), ["x" * 300], np.array([["a", "b"]])])
def test_what_is_too_long_for_a_header_is_a_digest(answered: Any) -> None:
    """Equal answers have equal digests."""
    found = json.loads(said(tensors_of(answered, ())))
    assert found == json.loads(said(tensors_of(answered, ())))
    assert (["digest"], "sha256:", 71) == (list(found), found["digest"][:7], len(found["digest"]))


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    st.lists,
    max_leaves=8,
)
SENT = st.builds(
    Tensor,
    st.sampled_from(["age", "calls", "plan", "new"]) | st.text(),
    st.sampled_from(["FP64", "INT64", "BYTES", "BOOL", "FP16"]) | st.text(),
    st.lists(st.integers(), max_size=3).map(tuple) | st.just((1,)),
    ANY,
)


@given(st.lists(SENT, max_size=5))
def test_no_request_is_anything_but_read_or_refused(sent: list[Tensor]) -> None:
    """Whatever a client sends never becomes a failure of the model."""
    with suppress(UnanswerableError):
        CHURN.read(sent)


@given(st.lists(st.text(), min_size=1) | st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_a_header_is_short_and_plain(answered: list[Any]) -> None:
    """ASCII without line ends, at most 256 bytes, and JSON."""
    text = said(tensors_of(answered, ()))
    assert text.isascii()
    assert text.isprintable()
    assert len(text) <= 256
    json.loads(text)


def test_every_type_of_a_column_has_a_name_in_the_protocol() -> None:
    """Those of MLflow's scalars."""
    from mlflow.types import DataType  # noqa: PLC0415 - takes seconds

    assert {kind.name for kind in DataType} == set(COLUMNS)


KNOWN = [
    {"name": "temperature", "default": 0.5, "shape": None, "type": "double"},
    {"name": "stop", "default": ["a"], "shape": [-1], "type": "string"},
    {"name": "k", "default": 3, "shape": None, "type": "long"},
    {"name": "on", "default": True, "shape": None, "type": "boolean"},
]


def test_inference_params_are_passed_on() -> None:
    """Those that the signature declares, of its types; what else a client writes is not the model's."""
    column = json.dumps([{"type": "double", "name": "age"}])
    signature = Signature.parse({"inputs": column, "params": json.dumps(KNOWN)})
    good = {"temperature": 1, "stop": ["x", "y"], "k": 2, "on": False}
    assert good == signature.params_in({**good, "trace": "t"})
    assert {} == signature.params_in({})
    assert {} == Signature.parse({"inputs": column, "params": None}).params_in(good)
    with pytest.raises(UnanswerableError) as refused:
        signature.params_in({"temperature": "warm", "stop": "x", "k": True, "on": 1})
    for fault in (
        "'temperature' is \"warm\", must be double",
        "'stop' is \"x\", must be a list of string",
        "'k' is true, must be long",
        "'on' is 1, must be boolean",
    ):
        assert fault in str(refused.value)
