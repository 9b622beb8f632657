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


@pytest.mark.parametrize("value", ["nan", "inf", "", "-", "high", None, True and [0.5]])
def test_a_prediction_that_is_no_number_is_none(value: object) -> None:
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
        line(rid="x" * (LONGEST_TEXT + 1)),
        line(rid="nul\x00"),
        line(unit=7),
        line(listener="third"),
        line(code=None),
        line(us=-1),
        line(us=2**60),
        line(ts="yesterday"),
        line(ts="1e300"),
        line(ts=None),
        b'{"ts": "1", "rid": "\\ud800", "route": "r", "listener": "main", "code": 200, "us": 1}',
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
