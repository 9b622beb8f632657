"""What is an outage is told by the class of what the database says."""

import psycopg
import pytest

from firstflight.domain.sqlstates import is_away


@pytest.mark.parametrize(
    ("states", "away"),
    [
        (("08000", "08006", "08P01"), True),  # no connection
        (("25006", "25P03"), True),  # read-only, idle in a transaction for too long
        (("40001", "40P01"), True),  # rolled back for others' sake
        (("53100", "53200", "53300"), True),  # no disk, memory, connections
        (("55P03", "57014", "57P01", "57P02", "57P03", "57P04", "58030", "XX000"), True),
        (("22001", "23505", "25P02", "42501", "42601", "42P01", "0A000"), False),  # the same call would fail again
        ((None, ""), False),
    ],
)
def test_an_outage_is_known_by_its_class(states: tuple[str | None, ...], away: bool) -> None:  # noqa: FBT001 - a table
    """Whoever meets an outage tries again; whoever is refused does not."""
    assert {away} == {is_away(state) for state in states}


def test_everything_that_ends_a_connection_is_an_outage() -> None:
    """By psycopg's own list of what the server can say while it goes down, is full or takes no writes."""
    known = vars(psycopg.errors).values()
    named = {one.sqlstate for one in known if isinstance(one, type) and issubclass(one, psycopg.Error) and one.sqlstate}
    assert {state for state in named if state[:2] in {"08", "53", "57", "58"}} <= set(filter(is_away, named))
    assert "25006" in named
