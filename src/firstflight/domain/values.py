"""The base of every value that travels: frozen, strict about unknown fields, JSON both ways."""

from typing import Any

from pydantic import BaseModel, ConfigDict


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
