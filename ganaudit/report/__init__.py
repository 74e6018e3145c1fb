"""Figures and the one-file HTML report."""

from ganaudit.report.data import Findings, Kept, Picture, Quarantined, Reconstructed, ReportData, Samples, Used
from ganaudit.report.figures import figures
from ganaudit.report.page import render
from ganaudit.studies.census.section.classes import lost
from ganaudit.studies.census.section.sentences import verdict_lines

__all__ = [
    "Findings",
    "Kept",
    "Picture",
    "Quarantined",
    "Reconstructed",
    "ReportData",
    "Samples",
    "Used",
    "figures",
    "lost",
    "render",
    "verdict_lines",
]
