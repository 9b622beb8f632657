"""When requests arrive."""

import random
from collections.abc import Iterator


def arrivals(rate: float, seed: int) -> Iterator[float]:
    """Yield the seconds from the start at which requests arrive: for ever, `rate` a second on average.

    A Poisson process (exponential gaps) is what many askers who do not know of each other look like: it does
    not wait for answers, so a slow server is not spared. The same seed gives the same arrivals.
    """
    luck = random.Random(seed)  # noqa: S311  # traffic, no secret
    at = 0.0
    while True:
        at += luck.expovariate(rate)
        yield at
