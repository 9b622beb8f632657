"""The base of every value that travels: frozen, strict about unknown fields, JSON both ways."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

_UNSEEN = r"\x7f-\x9f\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069"
WORDS_PATTERN = rf"^[^\x00-\x08\x0b\x0c\x0e-\x1f{_UNSEEN}]*$"
"""No character that steers a terminal or hides words; lines may break. A form refuses it where it is typed."""
NAME_PATTERN = rf"^[^\x00-\x1f{_UNSEEN}]*[^\s\x00-\x1f{_UNSEEN}][^\x00-\x1f{_UNSEEN}]*$"
"""The same in one line, and somebody's name."""
LONGEST_NAME, LONGEST_WORDS = 100, 2000
Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=NAME_PATTERN)]
Words = Annotated[str, StringConstraints(max_length=LONGEST_WORDS, pattern=WORDS_PATTERN)]


class Value(BaseModel):
    """A frozen value, valid from birth; an unknown field is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _in_order(schema: dict[str, Any]) -> None:
    for position, field in enumerate(schema.get("properties", {}).values()):
        field["position"] = position


class Form(Value):
    """A value that people fill in: its JSON schema keeps the order of the fields, which Prefect's page shows.

    Without a `position` the page takes the order in which PostgreSQL keeps keys: by the length of their names.
    """

    model_config = ConfigDict(json_schema_extra=_in_order)
