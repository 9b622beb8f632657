"""How many observations a proof takes, from what has been seen of it so far."""

import math

from scipy.special import ndtri


def size_of_proof(
    size: int, estimate: float, bound: float, margin: float, *, alpha: float, power: float = 0.8
) -> int | None:
    """Return the size with which "worse by less than `margin`" is shown with chance `power`, at level `alpha`.

    Of `size` observations `estimate` is how much worse the treatment was, `bound` the most it may be, one-sided at
    `alpha`: their distance tells the standard error, which shrinks with the root of the size. For normal estimates,
    as any text on non-inferiority has it (Julious, "Sample sizes for clinical trials with normal data", Statistics in
    Medicine 23, 2004, section 6). None where what was seen is no better than the margin, or bounds nothing.
    """
    spread, room = bound - estimate, margin - estimate
    if room <= 0 or not 0 < spread < math.inf:
        return None
    one_sided, wanted = float(ndtri(1 - alpha)), float(ndtri(power))
    found = size * ((one_sided + wanted) / one_sided * spread / room) ** 2
    return math.ceil(found) if math.isfinite(found) else None
