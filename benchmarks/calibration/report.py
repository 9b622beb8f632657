"""Write the measured tables into docs/statistics.md and draw the two plots.

python -m benchmarks.calibration.report docs/calibration.json docs
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
OURS = "Firstflight"


def percent(value: float, digits: int = 1) -> str:
    """Return a share in percent."""
    return f"{100 * value:.{digits}f} %"


def seconds(found: dict[str, float | None]) -> str:
    """Return median / p95 in seconds; a dash for what was not reached."""
    return " / ".join("-" if value is None else f"{value:,.0f}" for value in (found["median"], found["p95"]))


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def null_table(data: dict[str, Any]) -> str:
    """Return how often each rule rolls back what is not worse."""
    ours = {**data["healthy"], **data["disturbed"]}
    peers = {"healthy": data["peers, healthy"], **data["peers, disturbed"]}
    worlds = list(ours)
    rows = [
        [
            f"**{OURS}**",
            *(
                f"**{percent(ours[w]['rolled_back'], 2)}** (≤ {percent(ours[w]['rolled_back_upper'], 2)})"
                for w in worlds
            ),
        ]
    ]
    rows += [[rule, *(percent(peers[w][rule]["rolled_back"]) for w in worlds)] for rule in peers["healthy"]]
    return table(["rolled back, whole rollout", *worlds], rows)


def promotion_table(data: dict[str, Any]) -> str:
    """Return how rollouts end, in every world."""
    worlds = {**data["healthy"], **data["disturbed"], **data["policy on faults"]}
    return table(
        [
            "world",
            "runs",
            "promoted (≤)",
            "rolled back",
            "held",
            "min to promotion",
            "s to rollback",
            "bad answers until then",
        ],
        [
            [
                name,
                f"{w['runs']:,}",
                f"{percent(w['promoted'], 2)} ({percent(w['promoted_upper'], 2)})",
                percent(w["rolled_back"], 2),
                percent(w["held"], 2),
                seconds(w["minutes_to_promotion"]),
                seconds(w["seconds_to_rollback"]),
                seconds(w["harmed"]) if name in data["policy on faults"] else "",
            ]
            for name, w in worlds.items()
        ],
    )


def detection_table(data: dict[str, Any]) -> str:
    """Return the delay of each rule for a fault that is there from the first request at the 5 % stage."""
    ours, peers = data["detection"], data["peers, detection"]
    worlds = list(ours)
    rows = [[f"**{OURS}**", *(f"**{seconds(ours[w]['seconds'])}**" for w in worlds)]]
    rows.append(["its bad answers", *(seconds(ours[w]["harmed"]) for w in worlds)])
    rows.append(["fault from min 5 on", *(seconds(data["detection after 5 min"][w]["seconds"]) for w in worlds)])
    rows += [[rule, *(seconds(peers[w][rule]["seconds"]) for w in worlds)] for rule in peers[worlds[0]]]
    return table(["delay, s: median / p95", *worlds], rows)


def traffic_table(data: dict[str, Any]) -> str:
    """Return what more or less traffic changes."""
    rows = []
    for rate in ("1", "200"):
        whole, delay = data[f"{rate} requests/s"], data[f"detection at {rate} requests/s"]
        rows += [
            [
                f"{rate}/s",
                name,
                percent(found["promoted"]),
                percent(found["rolled_back"]),
                percent(found["held"]),
                seconds(delay[name]["seconds"]) if name in delay else "",
            ]
            for name, found in whole.items()
        ]
    return table(["traffic", "world", "promoted", "rolled back", "held", "delay at 5 %, s: median / p95"], rows)


def wanted_table(data: dict[str, Any]) -> str:
    """Return what was to be reached beside what was measured; what is not reached says so."""
    found, ended = data["detection"], data["policy on faults"]
    nulls = {**data["healthy"], **data["disturbed"]}
    rows = []
    for world, measured in nulls.items():
        allowed = 0.01 if world == "healthy" else 0.02
        missed = "" if measured["rolled_back_upper"] <= allowed else ": not reached"
        seen = f"{percent(measured['rolled_back'], 2)} of {measured['runs']:,} seen"
        what = f"rolled back, any of 5 guardrails, whole rollout, upper 95 % limit: {world}"
        rows.append(
            [what, f"≤ {percent(allowed, 0)}", f"**{percent(measured['rolled_back_upper'], 2)}** ({seen}){missed}"]
        )
    for world, allowed in (
        ("errors 0.1 → 2 %", 240),
        ("errors 0.1 → 5 %", 90),
        ("p95 80 → 250 ms", 30),
        ("accuracy -5 points", 690),
    ):
        delay = found[world]["seconds"]["median"]
        missed = "" if delay is not None and delay <= allowed else ": not reached"
        rows.append([f"{world}: median delay at the 5 % stage", f"≤ {allowed} s", f"**{delay:,.0f} s**{missed}"])
    harmed = found["errors 0.1 → 2 %"]["harmed"]["median"]
    missed = "" if harmed <= 5 else ": not reached"
    rows.append(["bad answers before rollback, errors 2 %", "≤ 5 median", f"**{harmed:,.0f}**{missed}"])
    healthy = nulls["healthy"]
    minutes = healthy["minutes_to_promotion"]["median"]
    missed = "" if healthy["promoted"] >= 0.995 and minutes <= 41 else ": not reached"
    measured = f"**{percent(healthy['promoted'], 2)}, {minutes:,.0f} min**{missed}"
    rows.append(["healthy candidate promoted to 100 %", "≥ 99.5 %, median ≤ 41 min", measured])
    for world in ("accuracy -5 points", "errors 0.1 → 1 %", "p95 80 → 200 ms"):
        promoted = f"**{percent(ended[world]['promoted_upper'], 1)}**"
        seen = f"({percent(ended[world]['promoted'], 1)} of {ended[world]['runs']:,} seen)"
        rows.append([f"promoted although {world}, upper 95 % limit", "≤ 1 %", f"{promoted} {seen}"])
    return table(["", "wanted", "measured"], rows)


def plots(data: dict[str, Any], folder: Path) -> None:
    """Draw false alarms against delays, and delays by fault."""
    folder.mkdir(parents=True, exist_ok=True)
    faults = ("errors 0.1 → 2 %", "accuracy -5 points")
    figure, axes = plt.subplots(1, len(faults), figsize=(10, 4), sharey=True)
    for axis, fault in zip(axes, faults, strict=True):
        points = {
            rule: (found["rolled_back"], data["peers, detection"][fault][rule]["seconds"]["median"])
            for rule, found in data["peers, healthy"].items()
        }
        points[OURS] = (data["healthy"]["healthy"]["rolled_back"], data["detection"][fault]["seconds"]["median"])
        crowd = sorted((rule for rule in points if points[rule][0] > 0.2), key=lambda rule: points[rule][0])
        for rule, (alarms, delay) in points.items():
            if delay is None:
                continue
            ours = rule == OURS
            left = rule in crowd
            offset = (-6, 6 if crowd.index(rule) % 4 < 2 else -10) if left else (5, 5)
            axis.plot(
                max(100 * alarms, 0.05), delay, "*" if ours else "o", ms=13 if ours else 6, color="C3" if ours else "C7"
            )
            axis.annotate(
                rule,
                (max(100 * alarms, 0.05), delay),
                xytext=offset,
                textcoords="offset points",
                fontsize=7,
                ha="right" if left else "left",
            )
        axis.set(xscale="log", yscale="log", title=fault, xlabel="healthy candidates rolled back, %")
        axis.axvline(1, color="C7", lw=0.5, ls="--")
    axes[0].set_ylabel("median delay at 5 % of 20 requests/s, s")
    figure.tight_layout()
    figure.savefig(folder / "calibration-trade-off.svg", metadata={"Date": None})
    plt.close(figure)

    worlds = list(data["detection"])
    figure, axis = plt.subplots(figsize=(10, 4))
    rules = {
        OURS: data["detection"],
        **{
            r: {w: data["peers, detection"][w][r] for w in worlds}
            for r in ("Flagger-like, threshold 10", "Kayenta-like", "Argo-like, failureLimit 3")
        },
    }
    for number, (rule, found) in enumerate(rules.items()):
        heights = [found[w]["seconds"]["median"] or 7200 for w in worlds]
        axis.bar(
            [k + 0.2 * number - 0.3 for k in range(len(worlds))],
            heights,
            0.2,
            label=rule,
            color=f"C{(3, 0, 1, 2)[number]}",
        )
    axis.set(yscale="log", ylabel="median delay, s (7,200: missed)")
    axis.set_xticks(range(len(worlds)), [w.replace(" → ", "→") for w in worlds], fontsize=7)
    axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(folder / "calibration-delays.svg", metadata={"Date": None})
    plt.close(figure)


def measured(data: dict[str, Any]) -> str:
    """Return the measured part of the page."""
    held = data["held to the full time"]["healthy"]
    alarms = f"{percent(held['rolled_back'], 2)} rolled back, at most {percent(held['rolled_back_upper'], 2)}"
    parts = [
        "### False alarms",
        null_table(data),
        f"Held in every stage for its full time, {held['runs']:,} runs: {alarms}.",
        "### Detection",
        detection_table(data),
        "![False alarms against delay](img/calibration-trade-off.svg)",
        "![Delay by fault](img/calibration-delays.svg)",
        "### Whole rollouts, warm-up and minimum times included",
        promotion_table(data),
        "### Other traffic",
        traffic_table(data),
        "### Against what was to be reached",
        wanted_table(data),
    ]
    return "\n\n".join(parts)


def main() -> None:
    """Replace the measured part of the page; the words around it stay."""
    data = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(sys.argv[2])
    page = folder / "statistics.md"
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(before + BEGIN + "\n" + measured(data) + "\n" + END + after)
    plots(data, folder / "img")


if __name__ == "__main__":
    main()
