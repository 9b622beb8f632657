"""The worlds, by name."""

from benchmarks.worlds.blocks import Blocks
from benchmarks.worlds.payoffs import Rare
from benchmarks.worlds.world import World

DAY = 86_400.0
LENGTHS: dict[str, Blocks] = {
    "6": Blocks(size=6),
    "10s": Blocks(seconds=10),
    "30s": Blocks(seconds=30),
    "300s": Blocks(seconds=300),
    "day": Blocks(seconds=DAY),
}


def _block_worlds() -> list[World]:
    kinds = {
        "": (0.5, "half of it alike for both models"),
        "-own": (0.0, "each model its own"),
        "-common": (1.0, "both models the same"),
    }
    return [
        World(
            f"block-{length}{suffix}",
            f"blocks of {'6 requests' if length == '6' else length} share their luck (ICC 0.3), {whose}",
            blocks=Blocks(size=blocks.size, seconds=blocks.seconds, icc=0.3, shared=shared),
        )
        for length, blocks in LENGTHS.items()
        for suffix, (shared, whose) in kinds.items()
    ]


WORLDS = {
    world.name: world
    for world in (
        World("iid", "20 requests/s, every request by itself"),
        *_block_worlds(),
        World("rare-payoff", "1 % of requests earn 100, the others nothing", payoff=Rare(share=1 / 45, value=100.0)),
    )
}
