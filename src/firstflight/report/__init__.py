"""The HTML report of one rollout: values in, one self-contained file out."""

from firstflight.report.data import ReportData
from firstflight.report.page import render, write_report

__all__ = ["ReportData", "render", "write_report"]
