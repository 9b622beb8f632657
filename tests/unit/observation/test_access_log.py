"""The gateway's lines, good and bad."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstflight.observation.access_log import LONGEST_TEXT, Parsed, parse
from firstflight.observation.records import Prediction

GOOD = {
    "ts": "1790000000.123456",
    "rid": "r1",
    "unit": "AAPL@2019-01-02",
    "route": "financial-predictor",
    "listener": "main",
    "assigned": ":baseline-predictor-v1_1:",
    "served": "baseline-predictor-v1",
    "pred": "0.512345",
    "code": 200,
    "flags": "-",
    "attempts": 1,
    "us": 5123,
}


def line(**changes: object) -> bytes:
    """The good line, with `changes`."""
    return json.dumps(GOOD | changes).encode()


def test_a_line_of_the_gateway() -> None:
    """Every field of a whole line arrives."""
    expected = Prediction(
        rid="r1",
        listener="main",
        route="financial-predictor",
        unit="AAPL@2019-01-02",
        assigned="baseline-predictor-v1",
        served="baseline-predictor-v1",
        prediction=0.512345,
        code=200,
        us=5123,
        at=datetime(2026, 9, 21, 14, 13, 20, 123456, tzinfo=UTC),
    )
    assert Parsed((expected,), 0) == parse([line()])


def test_a_route_that_is_an_experiment_is_the_same_route() -> None:
    """Clients of a mesh say so in the header; at home the header means the same."""
    [prediction] = parse([line(route="financial-predictor.experiment")]).predictions
    assert "financial-predictor" == prediction.route


def test_what_a_failed_request_leaves_out() -> None:
    """A request nobody answered has neither server nor prediction."""
    [prediction] = parse([line(served=None, pred=None, code=0, flags="DC", unit=None, us=None)]).predictions
    assert (None, None, None) == (prediction.served, prediction.prediction, prediction.unit)
    assert prediction.us is None
    assert prediction.failed


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("0.512345", 0.512345),
        ('"cat"', "cat"),
        ("true", True),
        ("[0.25,0.75]", [0.25, 0.75]),
        ('{"digest":"sha256:ab"}', {"digest": "sha256:ab"}),
        (0.5, 0.5),
    ],
)
def test_a_prediction_is_any_json_value(sent: object, kept: object) -> None:
    """What the header holds is JSON; a model server may write the value itself."""
    [prediction] = parse([line(pred=sent)]).predictions
    assert kept == prediction.prediction


@pytest.mark.parametrize(
    "value",
    ["nan", "1e999", "inf", "", "-", "high", None, "NaN", '"\\u0000"', '"\\ud800"', "[" * 200, f'"{"x" * 300}"'],
)
def test_a_prediction_that_cannot_be_kept_is_none(value: object) -> None:
    """A request is kept although its answer cannot be scored."""
    [prediction] = parse([line(pred=value)]).predictions
    assert prediction.prediction is None


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"not json",
        line()[:60],
        b"[1, 2]",
        b"\xff\xfe",
        b"[" * 100_000,
        line(rid=None),
        line(route="x" * (LONGEST_TEXT + 1)),
        line(listener="third"),
        line(code=None),
        line(code=1000),
        line(code="99999999999"),
        line(matched=5),
        line(matched=[]),
        line(ts="1e18"),
        line(us=-1),
        line(us=2**60),
        line(ts="yesterday"),
        line(ts="1e300"),
        line(ts=None),
        b'{"ts": "1", "rid": "r", "route": "\\ud800", "listener": "main", "code": 200, "us": 1}',
    ],
)
def test_a_bad_line_is_counted_and_the_rest_is_kept(bad: bytes) -> None:
    """No line can stop the ones around it."""
    parsed = parse([line(rid="a"), bad, line(rid="b")])
    assert ["a", "b"] == [prediction.rid for prediction in parsed.predictions]
    assert 1 == parsed.skipped


def test_a_record_behind_half_a_record_is_kept() -> None:
    """What a killed gateway left unfinished does not swallow its successor's first record."""
    parsed = parse([line(rid="a")[:70] + line(rid="b")])
    assert ["b"] == [prediction.rid for prediction in parsed.predictions]
    assert 1 == parsed.skipped


def test_a_request_for_no_model_is_passed_over() -> None:
    """A request without a route is neither a prediction nor a fault."""
    assert Parsed((), 0) == parse([line(route=None)])


@given(st.binary(max_size=200))
def test_nothing_crashes_the_parser(noise: bytes) -> None:
    """Any bytes are a record, a counted line or nothing."""
    parsed = parse([noise])
    assert len(parsed.predictions) + parsed.skipped <= 2


@given(
    st.dictionaries(st.sampled_from(sorted(GOOD)), st.none() | st.text() | st.integers() | st.floats() | st.booleans())
)
def test_no_value_crashes_the_parser(changes: dict[str, object]) -> None:
    """Any values are a record, a counted line or nothing; what is kept can be stored."""
    for prediction in parse([line(**changes)]).predictions:
        for text in (prediction.rid, prediction.route, prediction.unit, prediction.assigned, prediction.served):
            assert text is None or "\x00" not in text.encode().decode()
        assert prediction.us is None or 0 <= prediction.us < 2**53
        assert 0 <= prediction.code < 2**53


NOW = {"key": "k1", "matched": "financial-predictor", "cluster": "baseline-predictor-v1_http"}
"""What lines of today say beside those of before."""


@pytest.mark.parametrize("field", ["rid", "unit"])
@pytest.mark.parametrize(
    ("said", "kept"),
    [("x" * 2000, "x" * LONGEST_TEXT), ("nul\x00", "nul\N{REPLACEMENT CHARACTER}"), ("\ud800", "?"), ("東京", "東京")],
)
def test_what_a_client_writes_never_costs_the_record(field: str, said: str, kept: str) -> None:
    """However long or odd: as much of it is kept as the store can hold."""
    for more in ({}, NOW):
        parsed = parse([line(**{field: said}, **more)])
        assert ([kept], 0) == ([getattr(one, field) for one in parsed.predictions], parsed.skipped)


def test_bytes_that_are_no_text_cost_no_record() -> None:
    """Headers are bytes."""
    assert ["caf\N{REPLACEMENT CHARACTER}"] == [
        one.unit for one in parse([line(unit="caf@").replace(b"@", b"\xff")]).predictions
    ]


def test_a_request_is_charged_when_it_is_routed() -> None:
    """Who left, and what nobody answered, counts for the model that was chosen; no answer is needed for that."""
    left = line(**NOW, assigned=None, served=None, pred=None, code=0, flags="DC", us=None)
    continued = line(**NOW, assigned=None, code=100, flags="DC")
    unhealthy = line(**NOW, assigned=None, served=None, code=503, flags="UH", attempts=0)
    for written in (left, continued, unhealthy):
        [prediction] = parse([written]).predictions
        assert ("baseline-predictor-v1", True) == (prediction.arm, prediction.failed)


@pytest.mark.parametrize(
    "changes",
    [
        {"code": 0, "flags": "DC", "attempts": 0},
        {"code": 408, "attempts": 0},
        {"code": 413, "attempts": 0},
        {"code": 404, "attempts": 0, "matched": None, "cluster": None},
        {"matched": "financial-predictor_told", "cluster": "baseline-predictor-v1_told"},
    ],
)
def test_what_no_model_was_chosen_for_is_no_evidence(changes: dict[str, object]) -> None:
    """Who left while sending, sent too much or too slowly, or asked for something else than a prediction."""
    assert Parsed((), 0) == parse([line(**NOW | changes)])


def test_a_request_is_counted_as_the_gateway_names_it() -> None:
    """Two requests under one name of the client's are two; without a name there is one all the same."""
    written = [line(**NOW), line(**NOW | {"key": "k2"}), line(**NOW | {"key": "k3"}, rid=None)]
    found = parse(written).predictions
    assert [("r1", "k1"), ("r1", "k2"), ("k3", "k3")] == [(one.rid, one.counted_as) for one in found]
    assert "r1" == parse([line()]).predictions[0].counted_as


def test_a_model_that_the_client_chose_is_charged_to_no_arm() -> None:
    """It says nothing of the split, nor of what the model does to requests that nobody picked for it."""
    [prediction] = parse([line(**NOW | {"matched": "financial-predictor/chosen"})]).predictions
    assert ("financial-predictor", None, True) == (prediction.route, prediction.arm, prediction.chosen)


@pytest.mark.parametrize(("code", "refused"), [(200, False), (422, True), (400, True), (500, False), (0, False)])
def test_a_clients_mistake_is_a_class_of_its_own(code: int, *, refused: bool) -> None:
    """Neither a success nor a failure."""
    [prediction] = parse([line(**NOW, code=code)]).predictions
    assert (refused, code in {0, 500}) == (prediction.refused, prediction.failed)


@pytest.mark.parametrize(
    ("status", "attempts", "said"),
    [(0, 1, (200, False)), (9, 1, (422, False)), (13, 1, (500, True)), (2, 1, (500, True)), (14, 0, (503, True))],
)
def test_a_call_by_grpc_is_judged_by_its_own_status(status: int, attempts: int, said: tuple[int, bool]) -> None:
    """Its code is 200 whatever came of it; a gateway that finds nobody says so by the status too."""
    [prediction] = parse([line(**NOW, code=200, grpc=status, attempts=attempts)]).predictions
    assert said == (prediction.code, prediction.failed)


def test_a_call_that_was_never_whole_is_no_evidence() -> None:
    """Too large or too slow: the gateway says UNKNOWN, and no model was asked."""
    assert Parsed((), 0) == parse([line(**NOW, code=200, grpc=2, attempts=0)])
    [left] = parse([line(**NOW, code=0, grpc=2, flags="DC")]).predictions
    assert (0, True) == (left.code, left.failed)


def test_a_model_named_by_the_path_alone_is_named() -> None:
    """A request without the header is recorded like any other: the gateway says which route it matched."""
    [prediction] = parse([line(**NOW | {"route": None})]).predictions
    assert "financial-predictor" == prediction.route
