"""The base of every value that travels: frozen, strict about unknown fields, JSON both ways."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value, valid from birth; an unknown field is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
