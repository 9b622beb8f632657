"""The three designs: what each looks at, and the size of its network."""

from dataclasses import dataclass
from types import MappingProxyType

REFERENCE = "baseline"
"""The variant the others are judged against."""


@dataclass(frozen=True)
class Variant:
    """One design: groups of features it sees, and size and regularisation of its network."""

    name: str
    groups: tuple[str, ...]
    hidden: int
    layers: int
    dropout: float
    attention: bool = False


VARIANTS = MappingProxyType(
    {
        variant.name: variant
        for variant in (
            Variant("baseline", ("price", "volume"), hidden=64, layers=2, dropout=0.2),
            Variant(
                "enhanced",
                ("price", "volume", "technical", "sentiment"),
                hidden=128,
                layers=3,
                dropout=0.3,
                attention=True,
            ),
            Variant("lightweight", ("price", "volume"), hidden=32, layers=1, dropout=0.1),
        )
    }
)
