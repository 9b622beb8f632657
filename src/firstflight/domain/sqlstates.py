"""What a database says by its five letters: whether it is away, or refuses what it was asked.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

_AWAY_CLASSES = frozenset({"08", "40", "53", "55", "57", "58", "XX"})
"""No connection; rolled back for others' sake; no disk, memory or connections left; locked; shutting down, starting
or cancelled; the disk or the server itself failed."""
_AWAY = frozenset({"25006", "25P03", "25P04"})
"""Read-only, as a standby and a primary after a failover are; too long in a transaction."""


def is_away(sqlstate: str | None) -> bool:
    """Return whether the same call may succeed later, with nothing changed by whoever calls."""
    return sqlstate is not None and (sqlstate in _AWAY or sqlstate[:2] in _AWAY_CLASSES)


NOT_MADE = (
    "the tables are not made yet, and this role may not make them: `firstflight up` does, in a cluster the worker's"
    " init container `migrate`"
)
