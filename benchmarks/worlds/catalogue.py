"""The worlds, by name.

In a block that outlasts the rollout (a day), a candidate with luck of its own is as good as stable over many days and
better or worse on this one: whoever rolls it back is right about the day and wrong about the model.
"""

from benchmarks.worlds import courses
from benchmarks.worlds.blocks import Blocks
from benchmarks.worlds.latencies import Lognormal, Slowed
from benchmarks.worlds.payoffs import Rare, Skewed
from benchmarks.worlds.routing import PerUnit
from benchmarks.worlds.world import Labels, Model, World

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


def _late(minutes: int) -> World:
    return World(f"late-{minutes}min", f"labels arrive {minutes} minutes late", labels=Labels(after=60.0 * minutes))


def _rate(rate: float) -> World:
    return World(f"rate-{rate:g}", f"{rate:g} requests/s", course=courses.steady(rate))


WORLDS = {
    world.name: world
    for world in (
        World("iid", "20 requests/s, every request by itself"),
        World("diurnal", "load, latency and failures follow a day of one hour", course=courses.diurnal(20.0)),
        World("drifting", "load, latency, failures and difficulty wander", course=courses.drifting(20.0)),
        World("lognormal", "latency is lognormal with sigma 1.2", latency=Lognormal(1.2)),
        World("bimodal", "one answer in ten takes eight times as long", latency=Slowed(0.3, share=0.1, times=8.0)),
        World("stalls", "one answer in a hundred takes some 5 s", latency=Slowed(0.5, share=0.01, times=120.0)),
        World("rare-payoff", "1 % of requests earn 100, the others nothing", payoff=Rare(share=1 / 45, value=100.0)),
        World(
            "skewed-pairs",
            "both models answer each question; the candidate acts more often, loses 1 and rarely wins it all back",
            payoff=Skewed(once_in=100),
            model=Model(lean=0.0),
            candidate=Model(lean=1.0),
            mirrored=True,
        ),
        *_block_worlds(),
        World(
            "block-300s-lump",
            "blocks of 300 s share their luck, half of it alike for both models; truth comes when a block is over",
            blocks=Blocks(seconds=300, icc=0.3),
            labels=Labels(with_block=True),
        ),
        World("sticky-equal", "500 equal units, each with one model", routing=PerUnit(units=500)),
        World("sticky-zipf", "500 units that ask by Zipf's law, each with one model", routing=PerUnit(500, zipf=1.0)),
        *(_late(minutes) for minutes in (5, 20, 60)),
        *(_rate(rate) for rate in (0.2, 1.0, 200.0)),
        World("long-wait", "people take an hour to approve", approval=3540),
        World(
            "bursts",
            "ten seconds of eight times the load, slow and failing, every two minutes",
            course=courses.bursts(20.0),
        ),
        World("hiccups", "failures come in spells of five seconds, of each model alone", course=courses.hiccups(20.0)),
        World("swinging", "easy and hard minutes, for both models alike", course=courses.swinging(20.0)),
        World(
            "simpson",
            "easy and hard minutes, for both models alike; in half of the hard ones the stable model's labels are lost",
            course=courses.swinging(20.0, losing=0.5),
        ),
    )
}
