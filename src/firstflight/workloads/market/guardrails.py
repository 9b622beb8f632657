"""What a candidate for the market must not spoil."""

from firstflight.domain.plans import Guardrail

GUARDRAILS = (
    Guardrail(metric="error_rate", limit=0.01),
    Guardrail(metric="latency", limit=200.0, quantile=0.95),
    Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05),
    Guardrail(metric="profit", direction="higher_is_better", proves=False),
    Guardrail(metric="refused_rate", tolerance=0.01, proves=False, share=0.25),
)
"""Beside what no model may spoil: accuracy down 5 points; profit is watched. Their order is that of every evidence."""
