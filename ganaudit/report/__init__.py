"""Figures and the one-file HTML report."""

from ganaudit.report.data import Picture, Quarantined, Reduced, ReportData, Samples, most_reduced
from ganaudit.report.figures import figures
from ganaudit.report.page import render
from ganaudit.report.words import sentence

__all__ = [
    "Picture",
    "Quarantined",
    "Reduced",
    "ReportData",
    "Samples",
    "figures",
    "most_reduced",
    "render",
    "sentence",
]
