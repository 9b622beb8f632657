"""A replay in one line."""

from firstflight.replay.tally import ReplaySummary


def line(summary: ReplaySummary) -> str:
    """Return pace, answers, latency, split and truths, e.g. `312 asked · 49.8/s · 312 ok · 0 failed · …`."""
    named = {model: count for model, count in summary.models.items() if model != "none"}
    total = sum(named.values()) or 1
    split = ", ".join(f"{model} {100 * count / total:.0f} %" for model, count in named.items())
    parts = [
        f"{summary.requests} asked",
        f"{summary.rate:.1f}/s",
        f"{summary.ok} ok",
        f"{summary.failed} failed",
        f"p50 {_milliseconds(summary.latency_ms(0.5))}",
        f"p95 {_milliseconds(summary.latency_ms(0.95))}",
        split or "nobody answered yet",
        f"{summary.outcomes_posted} truths posted",
    ]
    return "  ·  ".join(parts)


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g} ms" if value < 1000 else f"{value / 1000:.2f} s"  # noqa: PLR2004 - a second
