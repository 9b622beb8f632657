"""Write into the page on statistics what became of healthy candidates in each world, and of bad ones in some.

python -m benchmarks.worlds.run --world … --json > docs/worlds.jsonl
python -m benchmarks.worlds.report docs/worlds.jsonl docs/statistics.md
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.worlds.catalogue import WORLDS
from benchmarks.worlds.faults import FAULTS
from benchmarks.worlds.figures import Share
from benchmarks.worlds.run import line

BEGIN, END = "<!-- worlds: begin -->", "<!-- worlds: end -->"
COLUMNS = (
    "world", "what it is", "rollouts", "rolled back (≤)", "promoted", "held", "held for", "worst intervals", "minutes",
)  # fmt: skip


FAULT_COLUMNS = (
    "world", "fault", "rollouts", "rolled back", "promoted", "delay, s: median / p95", "harmed: median / p95",
    "proven at the margin (≤)",
)  # fmt: skip


def rows_of(text: str) -> list[dict[str, Any]]:
    """Return the rows of `benchmarks.worlds.run --json`."""
    return [json.loads(each) for each in text.splitlines()]


def measured(rows: Sequence[dict[str, Any]]) -> str:
    """Return the measured part of the page: what is healthy, a sentence on all of it together, and what is not."""
    healthy = [row for row in rows if row["fault"] == "none"]
    faulty = [_fault_cells(row) for row in rows if row["fault"] != "none"]
    return f"{_table(healthy)}\n\n" + "\n".join(map(line, [FAULT_COLUMNS, ["---"] * len(FAULT_COLUMNS), *faulty]))


def _table(rows: Sequence[dict[str, Any]]) -> str:
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


def _fault_cells(row: dict[str, Any]) -> list[str]:
    rollouts, proven, false = row["rollouts"], row["proven"], row.get("false")
    delays = " / ".join("-" if each is None else f"{each:,.0f}" for each in row["delays"])
    return [
        row["world"],
        FAULTS[row["fault"]].about,
        f"{rollouts:,}",
        f"{100 * row['rolled_back']['count'] / rollouts:.0f} %",
        f"{100 * row['promoted']['count'] / rollouts:.0f} %",
        "-" if proven else delays,
        "-" if proven else " / ".join(f"{each:,.0f}" for each in row["harmed"]),
        (str(Share(proven["count"], proven["of"])) if proven else "-")
        + (f"; falsely {Share(false['count'], false['of'])}" if false and false != proven else ""),
    ]


def main() -> None:
    """Replace the measured part of the page; the words around it stay."""
    rows = rows_of(Path(sys.argv[1]).read_text(encoding="utf-8"))
    page = Path(sys.argv[2])
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{measured(rows)}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
