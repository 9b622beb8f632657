"""Numbers, units and lengths of time as a person reads them."""

# ruff: noqa: E501 - sample data stands on one line

import pytest

from firstflight.domain import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (None, "–"), (0.01234, "0.0123"), (61.0, "61"), (1234.5, "1,234"), (-3.14159, "−3.14"),
        (0.00003, "0.00003"), (1.5e-9, "1.50e−09"), (99.96, "100"), (0.1, "0.1"), (1e15, "1.00e+15"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits(value: float | None, text: str) -> None:
    """Three significant digits, grouped thousands, a true minus sign, a dash for nothing."""
    assert text == wording.number(value)


def test_signs_and_p_values() -> None:
    """A gain shows its plus, and a tiny p is not printed as zero."""
    assert ("+2.5", "−2.5", "0", "–") == tuple(map(wording.signed, (2.5, -2.5, 0, None)))
    assert ("p < 0.0001", "p = 0.0412") == tuple(map(wording.p_words, (1e-9, 0.0412)))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (8.42, "8.4 s"), (59.7, "59.7 s"), (59.99, "60 s"), (74, "1 min 14 s"), (120, "2 min"),
        (3600, "1 h"), (12_000, "3 h 20 min"), (187_200, "2 d 4 h"), (3599.9, "1 h"),
    ],
)  # fmt: skip
def test_durations_have_two_units(seconds: float, text: str) -> None:
    """A length of time reads at a glance."""
    assert text == wording.duration(seconds)


def test_a_share_is_shown_in_percent_and_its_distance_in_points() -> None:
    """One value, its unit, the distance of two, and nothing known."""
    assert ("1.25 %", "61 ms", "0.00021", "–") == (
        wording.quantity(0.0125, "share"), wording.quantity(61.0, "ms"), wording.quantity(0.00021, ""), wording.quantity(None, "ms"),
    )  # fmt: skip
    assert ("−3.1 points", "+12 ms", "5 points") == (
        wording.gap(-0.031, "share", sign=True), wording.gap(12.0, "ms", sign=True), wording.gap(0.05, "share"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [("0 %", "7.5 %", "0 to 7.5 %"), ("0.1", "0.2", "0.1 to 0.2"), ("5 ms", None, "above 5 ms"), (None, "15 ms", "up to 15 ms"), (None, None, "not bounded yet")],
)  # fmt: skip
def test_an_interval_says_which_ends_it_has(low: str | None, high: str | None, text: str) -> None:
    """The unit is said once, and an end that the data do not bound is not called a number."""
    assert text == wording.span(low, high)


@pytest.mark.parametrize(
    ("log_e", "text"), [(4.625, "102 to 1"), (4.38, "79.8 to 1"), (0.0, "1 to 1"), (13.0, "442,413 to 1"), (60.0, "over a million to 1")]
)  # fmt: skip
def test_large_odds_are_said_in_words(log_e: float, text: str) -> None:
    """Nobody reads 27 digits."""
    assert text == wording.odds(log_e)
