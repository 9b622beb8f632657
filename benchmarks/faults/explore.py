"""Tell a rollout's story with every kind of fault at every effect, and say which promises were broken.

    python -m benchmarks.faults.explore [--random 500] [--seed 1]

Exhaustive: each write of driver and guard, in order, is killed before and after, loses its answer, fails, finds the
disk full, stalls or comes a minute late; with outages at each phase, people at each moment and clocks that jump.
Random: up to four faults, two outages and a jumping clock in one story. About a quarter of a second each.
"""

import argparse
import logging
import random
from collections import Counter
from multiprocessing import Pool

from rich.console import Console
from rich.progress import track

from benchmarks.faults.story import BrokenPromiseError, Down, Fault, Step, Story, Teller

WHATS = ("kill", "died", "lost", "outage", "full", "late", "stall")
DYING = frozenset({"kill", "died"})
HOUR = 3600.0


def every_story() -> dict[str, list[Story]]:
    """Stories by what is hurt in them: all of one fault, and the pairs that matter."""
    writes = Teller(Story()).tell().writes["run-1"]
    ended = writes - 2  # the last two tell people
    return {
        "driver hurt at each write": [
            Story(faults=(Fault("run-1", nth, what),), after=after)
            for what in WHATS
            for nth in range(writes)
            for after in (("restart", "new", "nobody") if what in DYING else ("restart",))
        ],
        "guard hurt at each write, harm": [
            Story(breach_at=25.0, guards=guards, faults=(Fault("guard-1", nth, what),))
            for what in WHATS
            for nth in range(12)
            for guards in (1, 2)
        ],
        "driver killed, both guards hurt": [
            Story(guards=2, after="nobody",
                  faults=(Fault("run-1", ended - 10, "kill"), *(Fault(f"guard-{one}", nth, what) for one in (1, 2))))
            for what in WHATS
            for nth in range(12)
        ],
        "two processes of one run": [
            Story(doubled_at=at, faults=(Fault("run-1", nth, "late"),))
            for at in (5.0, 12.3, 22.0, 27.9, 34.0, 40.0)
            for nth in range(14, writes, 3)
        ],
        "a person rolls back": [
            Story(rolls_back_at=0.2 + 1.5 * step, faults=(Fault("run-1", nth, "late"),) if nth else ())
            for step in range(31)
            for nth in (0, 20, 40, ended - 3)
        ],
        "last steps, something down": [
            Story(faults=(Fault("run-1", nth, what),), down=(Down(down, 40.0, 90.0),), after=after)
            for nth in range(ended - 10, writes)
            for what in ("kill", "died", "late")
            for down in ("ledger", "disk", "registry", "router")
            for after in ("nobody", "restart")
        ],
        "something down": [
            Story(down=(Down(what, since, seconds),), rolls_back_at=rolled, breach_at=breach)
            for what in ("ledger", "router", "registry", "disk")
            for since in (0.5, 8.0, 12.0, 25.0, 35.0, 42.0)
            for seconds in (10.0, 40.0, 70.0, 200.0)
            for rolled, breach in ((None, None), (since + 5, None), (None, max(1.0, since - 3)))
        ],
        "clocks jump an hour, harm": [
            Story(steps=steps, breach_at=at + 8)
            for who in ("machine", "run-1", "guard-1")
            for seconds in (-HOUR, HOUR)
            for at in (3.0, 9.0, 16.0, 26.0, 33.0, 38.0)
            for steps in ((Step(at, who, seconds),), (Step(at, who, seconds), Step(at + 6, who, -seconds)))
        ],
    }  # fmt: skip


def random_story(chance: random.Random) -> Story:
    """A story with several faults at once."""
    pick = chance.choice
    return Story(
        faults=tuple(
            Fault(pick(("run-1", "run-1", "run-2", "guard-1", "guard-2", "ada")), chance.randrange(60), pick(WHATS))
            for _ in range(chance.randrange(1, 5))
        ),
        down=tuple(
            Down(pick(("ledger", "router", "registry", "disk")), chance.uniform(0, 60), pick((5.0, 20.0, 60.0, 150.0)))
            for _ in range(pick((0, 0, 1, 2)))
        ),
        steps=tuple(
            Step(chance.uniform(0, 60), pick(("machine", "run-1", "guard-1")), pick((-HOUR, HOUR)))
            for _ in range(pick((0, 0, 0, 0, 0, 1)))
        ),
        person=pick(("approve", "approve", "approve", "reject", "silent")),
        rolls_back_at=pick((None, None, chance.uniform(0, 80))),
        breach_at=pick((None, None, chance.uniform(0, 60))),
        doubled_at=pick((None, None, chance.uniform(0, 60))),
        after=pick(("restart", "new", "nobody")),
        after_seconds=pick((1.0, 10.0, 50.0)),
        guards=pick((1, 2)),
        seed=chance.randrange(1000),
    )


def broken(story: Story) -> str | None:
    """Tell it, and return what was broken."""
    logging.disable(logging.CRITICAL)
    try:
        Teller(story).tell()
    except BrokenPromiseError as error:
        return str(error)
    return None


def main() -> None:
    """Tell all of them, and print what was found."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--random", type=int, default=500)
    parse.add_argument("--seed", type=int, default=1)
    parse.add_argument("--processes", type=int, default=2)
    given = parse.parse_args()
    chance = random.Random(given.seed)
    families = {**every_story(), "several faults at once": [random_story(chance) for _ in range(given.random)]}
    told, wrong = Counter[str](), Counter[str]()
    with Pool(given.processes) as pool:
        for family, stories in families.items():
            found = pool.imap(broken, stories, chunksize=4)
            for sentence in track(found, description=family, total=len(stories), console=Console(stderr=True)):
                told[family] += 1
                if sentence:
                    wrong[family] += 1
                    print(sentence, "\n", flush=True)
            print(f"{family:40} {told[family]:5} stories, {wrong[family]} broken", flush=True)


if __name__ == "__main__":
    main()
