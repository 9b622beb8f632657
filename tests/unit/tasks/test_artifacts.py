"""What a run leaves on Prefect's pages."""

from firstflight.decision.verdicts import Decision, MetricVerdict, Verdict
from tasks.artifacts import decision_table


def test_a_table_reads_as_the_report_does() -> None:
    """Shares in percent, distances in points, what was proven, evidence as odds."""
    row = MetricVerdict(
        metric="accuracy", status="proven", unit="share", stable=0.53, candidate=0.525, interval_of="difference",
        low=-0.031, high=0.034, margin=0.05, log_e_rollback=0.0, log_threshold_rollback=4.382,
        log_threshold_promote=3.0, n_stable=2000, n_candidate=1900,
    )  # fmt: skip
    assert [
        {
            "metric": "accuracy",
            "status": "proven",
            "meaning": "less than 5 points worse than stable",
            "stable": "53 %",
            "candidate": "52.5 %",
            "interval": "−3.1 to +3.4 points of the difference",
            "evidence of harm": "1 to 1, 80 to 1 needed",
            "requests or units": "2,000 / 1,900",
        }
    ] == decision_table(Decision(verdict=Verdict.PROMOTE, reasons=(), metrics=(row,)))
