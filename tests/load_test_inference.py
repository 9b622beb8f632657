"""Open-loop load test of a gateway or mesh: p95 under 100 ms and at most 0.1 % failures, or exit code 1.

    python tests/load_test_inference.py --rate 50 --seconds 60
    python tests/load_test_inference.py --gateway http://127.0.0.1:9000 --json     (a mesh, by a port-forward)

Asks held-out questions, by default of the environment's stack (FIRSTFLIGHT_HOME, FIRSTFLIGHT_PORT_GATEWAY); posts no
truths. Exit code 2: inconclusive, because this client itself was late. Not collected by pytest.
"""

import argparse
import asyncio
import json
import sys

from rich.console import Console

from firstflight.replay.progress import line
from firstflight.replay.run import Load, run
from firstflight.replay.tally import ReplaySummary
from firstflight.settings import Settings
from firstflight.workloads.find import find

P95_MS = 100.0
FAILED_SHARE = 0.001
LATE_MS = 100.0
"""A client whose own p95 lateness is more than this measures itself."""

QUANTILES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}

console = Console(stderr=True)


def verdict(summary: ReplaySummary) -> tuple[int, str]:
    """Return the exit code and why."""
    p95, late = summary.latency_ms(0.95), summary.late_ms(0.95)
    if p95 is None or late is None:
        return 1, "nothing was asked"
    if summary.failed > FAILED_SHARE * summary.requests:
        return 1, f"{summary.failed} of {summary.requests} requests failed ({summary.statuses}), at most 0.1 % may"
    if late >= LATE_MS:
        return 2, f"inconclusive: the client sent its own requests {late:.0f} ms late (p95)"
    if p95 >= P95_MS:
        return 1, f"p95 {p95:.1f} ms, limit {P95_MS:.0f} ms"
    return 0, f"p95 {p95:.1f} ms, {summary.failed} of {summary.requests} failed, client late by {late:.1f} ms (p95)"


def main() -> int:
    """Run the load and print the verdict."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateway", default=Settings().gateway_url, metavar="URL", help="default: %(default)s")
    parser.add_argument("--model", default="financial-predictor", help="the route to ask; default: %(default)s")
    parser.add_argument("--workload", default="market", metavar="NAME", help="what it is about; default: %(default)s")
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second; default: %(default)g")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long; default: %(default)g")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same arrivals")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with every count")
    options = parser.parse_args()
    load = Load(options.model, options.rate, seconds=options.seconds, seed=options.seed)
    questions = tuple(find(options.workload).questions(Settings()))
    with console.status("asking") as status:
        summary = asyncio.run(
            run(
                options.gateway,
                load,
                questions,
                stop=asyncio.Event(),
                on_progress=lambda seen: status.update(line(seen)),
            )
        )
    code, why = verdict(summary)
    said = {0: "passed", 1: "failed", 2: "undecided"}[code]
    latency = {name: summary.latency_ms(quantile) for name, quantile in QUANTILES.items()}
    if options.json:
        print(json.dumps({"verdict": said, "why": why, **latency, **summary.model_dump(mode="json")}))  # noqa: T201 its output
        return code
    shown = ", ".join(f"{name[:-3]} {ms:.1f} ms" for name, ms in latency.items() if ms is not None)
    print(f"{summary.requests} requests at {summary.rate:.1f}/s, {summary.failed} failed, {shown}")  # noqa: T201 the same
    print(f"{said}: {why}")  # noqa: T201 the same
    return code


if __name__ == "__main__":
    sys.exit(main())
