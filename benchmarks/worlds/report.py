"""Write into the page on statistics what became of healthy candidates in each world.

python -m benchmarks.worlds.run --world … --json > docs/worlds.jsonl
python -m benchmarks.worlds.report docs/worlds.jsonl docs/statistics.md
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.worlds.catalogue import WORLDS
from benchmarks.worlds.figures import Share
from benchmarks.worlds.run import line

BEGIN, END = "<!-- worlds: begin -->", "<!-- worlds: end -->"
COLUMNS = (
    "world", "what it is", "rollouts", "rolled back (≤)", "promoted", "held", "held for", "worst intervals", "minutes",
)  # fmt: skip


def rows_of(text: str) -> list[dict[str, Any]]:
    """Return the rows of `benchmarks.worlds.run --json`."""
    return [json.loads(each) for each in text.splitlines()]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as a table, and a sentence on all of them together."""
    back, of = sum(row["rolled_back"]["count"] for row in rows), sum(row["rolled_back"]["of"] for row in rows)
    together = Share(back, of)
    said = (
        f"Rolled back in all worlds together: {back:,} of {of:,}, at most {100 * together.limit:.2f} % with 95 % "
        "confidence."
    )
    return "\n".join([line(COLUMNS), line(["---"] * len(COLUMNS)), *(line(_cells(row)) for row in rows), "", said])


def _cells(row: dict[str, Any]) -> list[str]:
    rollouts = row["rollouts"]
    missed = {metric: Share(each["count"], each["of"]) for metric, each in row["uncovered"].items() if each["count"]}
    worst = max(missed.items(), key=lambda each: each[1].count / each[1].of, default=None)
    return [
        row["world"],
        WORLDS[row["world"]].about,
        f"{rollouts:,}",
        str(Share(row["rolled_back"]["count"], rollouts)),
        f"{100 * row['promoted']['count'] / rollouts:.0f} %",
        f"{100 * row['held']['count'] / rollouts:.0f} %",
        next(iter(row["held_for"]), "-"),
        f"{worst[0]}: {worst[1].count} of {worst[1].of} stages" if worst else "-",
        f"{row['minutes'][0]:,.0f}",
    ]


def main() -> None:
    """Replace the measured part of the page; the words around it stay."""
    rows = rows_of(Path(sys.argv[1]).read_text(encoding="utf-8"))
    page = Path(sys.argv[2])
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{table(rows)}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
