"""Figures and the one-file HTML report."""

from ganaudit.report.data import Findings, Picture, Quarantined, ReportData, Used
from ganaudit.report.figures import figures
from ganaudit.report.page import render

__all__ = ["Findings", "Picture", "Quarantined", "ReportData", "Used", "figures", "render"]
