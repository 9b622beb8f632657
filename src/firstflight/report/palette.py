"""Colours by meaning. Plots are drawn in stand-ins, which the page's style sheet sets for light, dark and paper."""

from collections.abc import Iterable

from firstflight.report.data import Variant

_MEANINGS = (
    "ink", "muted", "grid", "limit", "good", "bad", "warning",
    "stable", "candidate", "shadow", "variant-1", "variant-2", "variant-3", "variant-4",
)  # fmt: skip
STAND_IN = {meaning: f"#0f1e{place:02x}" for place, meaning in enumerate(_MEANINGS)}
"""Meaning → the colour that stands for it in a drawing."""

_CYCLE = ("variant-1", "variant-2", "variant-3", "variant-4")


def variable(meaning: str) -> str:
    """Return the style sheet's name for a colour."""
    return f"var(--{meaning})"


def meanings(variants: Iterable[Variant], names: Iterable[str]) -> dict[str, str]:
    """Return the colour's meaning for every variant, in order: those listed by their role, then other `names`."""
    roles = {variant.name: variant.role for variant in variants}
    chosen: dict[str, str] = {}
    taken = 0
    for name in [*roles, *names]:
        if name in chosen:
            continue
        role = roles.get(name, "variant")
        if role == "variant" or role in chosen.values():
            chosen[name] = _CYCLE[taken % len(_CYCLE)]
            taken += 1
        else:
            chosen[name] = role
    return chosen
