"""Find the version a person means, or say what exists."""

from collections.abc import Mapping, Sequence

from firstflight.domain.errors import ModelNotFoundError
from firstflight.domain.versions import ModelVersion


def choose(model: str, ref: int | str, versions: Sequence[ModelVersion], aliases: Mapping[str, int]) -> ModelVersion:
    """Return the version that `ref`, a number or an alias, names.

    Raises:
        ModelNotFoundError: None does; the message names what exists.
    """
    number = ref if isinstance(ref, int) else aliases.get(ref)
    for version in versions:
        if version.number == number:
            return version
    if not versions:
        raise ModelNotFoundError(f"no model {model!r} in the registry; train and register one first")
    known = ", ".join(f"{version.number} ({version.variant})" for version in versions)
    named = ", ".join(f"{alias} → {number}" for alias, number in sorted(aliases.items())) or "none"
    wanted = f"version {ref}" if isinstance(ref, int) else f"alias {ref!r}"
    raise ModelNotFoundError(f"{model} has no {wanted}; versions: {known}; aliases: {named}")
