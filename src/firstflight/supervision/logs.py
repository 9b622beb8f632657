"""The log of a program: a record is a line, whatever stands in it."""

import logging

from firstflight.domain.wording import visible


class OneLine(logging.Formatter):
    """Writes control characters of a message out; a traceback below keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the message in its format."""
        record.message = visible(record.message)
        return super().formatMessage(record)


def begin_log(level: int, layout: str = "%(asctime)s %(levelname)s %(message)s") -> None:
    """Log to standard error from `level` on."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine(layout))
    logging.basicConfig(level=level, handlers=[handler])
