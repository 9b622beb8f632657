"""What many rollouts of one world and fault show together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from scipy.stats import beta

from benchmarks.worlds.faults import Fault
from benchmarks.worlds.flight import Flown
from benchmarks.worlds.world import World


@dataclass(frozen=True)
class Share:
    """`count` of `of`, and how many it may really be: Clopper and Pearson's upper 95 % limit."""

    count: int
    of: int

    @property
    def limit(self) -> float:
        """The largest chance with which so few are seen at least once in twenty times."""
        return 1.0 if self.count == self.of else float(beta.ppf(0.95, self.count + 1, self.of - self.count))

    def __str__(self) -> str:
        if not self.of:
            return "-"
        return f"{100 * self.count / self.of:.1f} % (≤ {100 * self.limit:.1f})"


@dataclass(frozen=True)
class Figures:
    """One row.

    `delays` are seconds from onset to roll-back (or page), median and 95th percentile over all rollouts that met the
    fault; None where so many never were. `harmed` are requests, at the same quantiles. `uncovered` is, per metric, how
    many stages showed an interval that missed the truth at any look. `ended_at` counts rollouts by their last stage.
    """

    world: str
    fault: str
    rollouts: int
    met: int
    promoted: Share
    rolled_back: Share
    held: Share
    paged: Share
    first_stage_passed: Share
    proven: Share | None
    false: Share | None
    blamed: dict[str, int]
    held_for: dict[str, int]
    delays: tuple[float | None, float | None]
    harmed: tuple[float, float]
    minutes: tuple[float, float]
    uncovered: dict[str, Share]
    ended_at: dict[int, int]
    looks: int
    requests: int

    def json(self) -> dict[str, object]:
        """Return the row as plain values, with limits."""
        row = asdict(self)
        for name in ("promoted", "rolled_back", "held", "paged", "first_stage_passed", "proven", "false"):
            row[name] = _plain(getattr(self, name))
        return {**row, "uncovered": {metric: _plain(share) for metric, share in self.uncovered.items()}}


def figures(world: World, fault: Fault, flown: Sequence[Flown]) -> Figures:
    """Return what `flown` show; without any rollout there is nothing to return."""
    count = len(flown)
    ends = Counter(each.end for each in flown)
    met = [each for each in flown if each.onset is not None]
    stages, misses = _sum(flown, "stages"), _sum(flown, "misses")
    return Figures(
        world=world.name,
        fault=fault.name,
        rollouts=count,
        met=len(met),
        promoted=Share(ends["promoted"], count),
        rolled_back=Share(ends["rolled back"], count),
        held=Share(ends["held"], count),
        paged=Share(sum(each.paged is not None for each in flown), count),
        first_stage_passed=Share(sum(each.stages_passed > 0 for each in flown), count),
        proven=Share(sum(fault.margin in each.proven_at_once for each in flown), count) if fault.margin else None,
        false=Share(sum(fault.margin in each.proven_falsely for each in flown), count) if fault.margin else None,
        blamed=dict(
            Counter(metric for each in flown if each.end == "rolled back" for metric in each.why).most_common()
        ),
        held_for=dict(Counter(why for each in flown if each.end == "held" for why in each.why).most_common()),
        delays=(_quantile([each.delay for each in met], 0.5), _quantile([each.delay for each in met], 0.95)),
        harmed=(
            _quantile([each.harmed for each in met], 0.5) or 0.0,
            _quantile([each.harmed for each in met], 0.95) or 0.0,
        ),
        minutes=(
            (_quantile([each.seconds for each in flown], 0.5) or 0.0) / 60,
            (_quantile([each.seconds for each in flown], 0.95) or 0.0) / 60,
        ),
        uncovered={metric: Share(misses[metric], stages[metric]) for metric in stages},
        ended_at=dict(sorted(Counter(each.stage for each in flown).items())),
        looks=sum(each.looks for each in flown),
        requests=sum(each.requests for each in flown),
    )


def _quantile(values: Sequence[int | None], share: float) -> float | None:
    """Return the smallest value that `share` of all do not exceed; None is more than anything."""
    ordered = sorted(values, key=lambda value: float("inf") if value is None else value)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)] if ordered else None


def _sum(flown: Sequence[Flown], name: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for each in flown:
        total.update(getattr(each, name))
    return total


def _plain(share: Share | None) -> dict[str, float] | None:
    return None if share is None else {"count": share.count, "of": share.of, "limit": share.limit}
