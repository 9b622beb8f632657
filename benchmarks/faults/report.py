"""Write what a run of kills found into docs/reliability.md, and draw how long each took to get over.

python -m benchmarks.faults.report RUN docs
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

from benchmarks.faults.audit import PROMISED_SECONDS, Group, Summary, since_last_kill, summarise
from benchmarks.faults.results import Point, Results
from firstflight.ledger import open_store
from firstflight.settings import Settings

BEGIN, END = "<!-- kills: begin -->", "<!-- kills: end -->"


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def kills_table(summary: Summary) -> str:
    """Return one row for each kind of kill."""
    total = Group(
        killed="**all**",
        points=summary.points,
        in_time=summary.in_time,
        median=summary.median,
        p95=summary.p95,
        longest=summary.longest,
    )
    return table(
        ["killed", "kills", "right again within 60 s", "median", "p95", "longest", "part back, median"],
        [
            [
                group.killed,
                f"{group.points:,}",
                f"{group.in_time:,}",
                *(f"{value:.1f} s" for value in (group.median, group.p95, group.longest)),
                "–" if group.back is None else f"{group.back:.1f} s",
            ]
            for group in (*summary.groups, total)
        ],
    )


def promises_table(summary: Summary) -> str:
    """Return what was promised beside what was found."""
    return table(
        ["promise", "found"],
        [
            ["stages doubled, skipped or out of order; records lost or changed", f"{len(summary.faults)}"],
            [
                "requests that failed while only the control plane was killed",
                str(summary.control),
            ],
            [
                "requests that failed while Envoy and model servers were killed",
                str(summary.data),
            ],
            [
                "answers by a candidate after its rollback",
                f"{summary.after_home:,} of {summary.home_requests:,} requests after {summary.rolled_back:,} rollbacks",
            ],
            ["rollouts, by how they ended", ", ".join(f"{count} {phase}" for phase, count in summary.phases.items())],
            ["processes that wanted one of the machine's two cores, median over the kills", f"{summary.load:.0f}"],
            ["scenarios that were given up", f"{len(summary.given_up)}"],
        ],
    )


def crossings_table(summary: Summary) -> str:
    """Return how often each transition was the place."""
    return table(
        ["died at, or at any instruction up to 50 ms past it", "kills"],
        [[f"`{where}`" if where != "any instant" else where, str(count)] for where, count in summary.crossings.items()],
    )


def draw(points: list[Point], path: Path) -> None:
    """Draw the share of kills that were got over, by seconds."""
    kinds: defaultdict[str, list[float]] = defaultdict(list)
    for point, seconds in since_last_kill(points):
        kinds[_kind(point)].append(max(seconds, 0.05))
    figure, axes = plt.subplots(figsize=(7.5, 3.6))
    for kind, known in sorted(kinds.items()):
        ordered = sorted(known)
        axes.step(ordered, [(n + 1) / len(ordered) for n in range(len(ordered))], where="post", label=kind)
    axes.axvline(PROMISED_SECONDS, color="grey", linestyle=":", linewidth=1)
    axes.text(PROMISED_SECONDS * 0.95, 0.05, "promised", ha="right", color="grey")
    axes.set(xscale="log", xlabel="seconds from the kill until the rollout was right again", ylabel="share of kills")
    axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _kind(point: Point) -> str:
    if point.killed == "attempt":
        return "driver, resumed by the next attempt"
    if point.killed.startswith(("flow", "who")):
        return "flow process (and others), brought home"
    return "Envoy, model servers" if point.data else "control part around a rollout"


def main() -> None:
    """Add up, write, draw."""
    run, docs = Path(sys.argv[1]), Path(sys.argv[2])
    results = Results(run / "results.jsonl")
    points = [line for line in results if isinstance(line, Point)]
    models = tuple(sorted({point.model for point in points}))
    summary = summarise(results, open_store(Settings()), models, run)
    told = "\n\n".join(part(summary) for part in (kills_table, promises_table, crossings_table))
    page = docs / "reliability.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{told}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    (docs / "reliability.json").write_text(json.dumps(summary.model_dump(), indent=1) + "\n", encoding="utf-8")
    draw(points, docs / "img" / "reliability-kills.svg")
    print(told)


if __name__ == "__main__":
    main()
