"""The transform is fitted once, travels as JSON, and needs no pandas where it serves."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from firstflight.domain.errors import InvalidDataError
from firstflight.workloads.market.features.indicators import GROUPS, ROWS, STEPS, compute, feature_names
from firstflight.workloads.market.features.transform import CLIP, Transform

Array = NDArray[np.float64]
SOURCE = Path(__file__).parents[5] / "src"


@pytest.fixture(scope="module")
def transform(make_history: Callable[..., Array]) -> Transform:
    """A transform of all groups."""
    return Transform.fit(compute(make_history(600, 1)[None], GROUPS)[0], GROUPS, "realised_volatility")


def test_fitted_features_have_mean_0_and_deviation_1(make_history: Callable[..., Array]) -> None:
    """What the transform was fitted on comes out centred and scaled, apart from what is cut."""
    raw = compute(make_history(600, 1)[None], ("price",))[0]
    scaled = Transform.fit(raw, ("price",), "vix").scaled(raw)
    np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=0.02)
    np.testing.assert_allclose(scaled.std(axis=0), 1.0, atol=0.05)


def test_json_keeps_every_bit(transform: Transform, make_history: Callable[..., Array]) -> None:
    """A transform read from its JSON gives the same numbers to the last bit."""
    history = make_history(ROWS, 9)[None]
    again = Transform.from_json(transform.to_json())
    assert transform == again
    np.testing.assert_array_equal(transform.apply(history), again.apply(history))


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    price=st.sampled_from([1e-5, 1.0, 1e7]),
    stillness=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_every_good_history_gives_finite_inputs_within_the_cut(
    transform: Transform, make_history: Callable[..., Array], seed: int, price: float, stillness: float
) -> None:
    """Whatever the history, a model gets finite float32 numbers between -5 and 5, in its shape."""
    inputs = transform.apply(make_history(ROWS, seed, price, stillness)[None])
    assert (np.float32, (1, STEPS, len(feature_names(GROUPS)))) == (inputs.dtype, inputs.shape)
    assert np.isfinite(inputs).all()
    assert np.abs(inputs).max() <= CLIP


def test_a_batch_is_its_rows(transform: Transform, make_history: Callable[..., Array]) -> None:
    """A request in company gets the answer it gets alone, whatever its neighbours' price level."""
    rows = np.stack([make_history(ROWS, seed, price) for seed, price in enumerate((0.01, 100.0, 1e6))])
    together = transform.apply(rows)
    for place, row in enumerate(rows):
        np.testing.assert_allclose(together[place], transform.apply(row[None])[0], atol=1e-6)


def test_a_bad_history_is_refused(transform: Transform) -> None:
    """`apply` guards its input."""
    with pytest.raises(InvalidDataError, match="close holds NaN"):
        transform.apply(np.full((1, ROWS, 6), np.nan))


def test_a_constant_feature_is_not_divided_by_zero() -> None:
    """A feature that never moved in training is centred and left unscaled."""
    raw = np.ones((10, len(feature_names(("volume",)))))
    assert (1.0, 1.0) == Transform.fit(raw, ("volume",), "vix").scale


def test_unfit_training_rows_are_refused() -> None:
    """No rows, or a feature that is not finite, is named."""
    with pytest.raises(InvalidDataError, match="0 rows"):
        Transform.fit(np.empty((0, 2)), ("volume",), "vix")
    with pytest.raises(InvalidDataError, match="volume_5_60"):
        Transform.fit(np.array([[0.0, np.nan]]), ("volume",), "vix")


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("features", ["volume_5_60", "volume_1_20"], "this version computes"),
        ("mean", [0.0], "1 means"),
        ("scale", [1.0, 0.0], "must be positive"),
        ("rows", 71, "this version has 70"),
        ("strangers", 1, "Extra inputs"),
    ],
)
def test_a_transform_of_other_code_is_refused(field: str, value: object, named: str) -> None:
    """JSON whose features, sizes or fields are not this version's never serves."""
    good = Transform.fit(np.random.default_rng(0).normal(size=(9, 2)), ("volume",), "vix")
    spoilt = json.dumps({**json.loads(good.to_json()), field: value})
    with pytest.raises(ValidationError, match=named):
        Transform.from_json(spoilt)


def test_serving_needs_no_pandas() -> None:
    """Where pandas, pandera and torch cannot be imported, the transform loads and answers.

    They are barred rather than looked for afterwards, because TA-Lib itself imports pandas where it finds it.
    """
    program = (
        "import sys\n"
        "for name in ('pandas', 'pandera', 'torch', 'polars', 'pyarrow'): sys.modules[name] = None\n"
        "import numpy as np\n"
        "from firstflight.workloads.market.features.transform import Transform\n"
        "from firstflight.workloads.market.features.indicators import ROWS\n"
        "t = Transform.fit(np.random.default_rng(0).normal(size=(9, 8)), ('price', 'volume'), 'vix')\n"
        "print(Transform.from_json(t.to_json()).apply(np.ones((1, ROWS, 6))).shape)\n"
        "print(sorted(n for n in sys.modules if n.startswith('firstflight.')))\n"
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    shape, modules = result.stdout.splitlines()
    assert "(1, 10, 8)" == shape
    assert "firstflight.workloads.market.data.market" not in modules
