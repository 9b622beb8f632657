"""What a rollout's log tells whoever opens it."""

import logging

import pytest

from tests.unit.acts.twin import Twin, begun, drive


def test_each_act_and_each_check_is_a_line(twin: Twin, caplog: pytest.LogCaptureFixture) -> None:
    """From the start to the end, with the rollout's name before each line and the reasons behind each check."""
    caplog.set_level(logging.INFO, logger="firstflight")
    drive(twin.world, begun(twin))
    said = [record.getMessage() for record in caplog.records]
    for begins in (
        "canary financial-predictor-r1 started: lightweight-predictor-v2 against baseline-predictor-v1",
        "financial-predictor-r1: moving to 10 %",
        "financial-predictor-r1: check at 10 %: CONTINUE: ",
        "financial-predictor-r1: check at 10 %: PROMOTE: candidate error rate 0 %",
        "financial-predictor-r1: stage 50 % passed",
        "financial-predictor-r1: promoted: lightweight-predictor-v2 100 %",
    ):
        assert any(line.startswith(begins) for line in said), begins
