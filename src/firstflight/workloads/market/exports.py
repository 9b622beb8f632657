"""What Prometheus is told of the financial predictor's answers."""

from firstflight.workloads.workload import Exported

EXPORTS = (
    Exported("accuracy", "financial_prediction_accuracy", "Predictions by whether they came true."),
    Exported(
        "profit",
        "simulated_trading_profit",
        "What a prediction earned with one dollar put on it, after costs; 0 where none was.",
        "dollars",
        (-0.05, -0.02, -0.01, -0.005, -0.002, 0.0, 0.002, 0.005, 0.01, 0.02, 0.05),
    ),
)
"""A day moves a share by a percent or two."""
