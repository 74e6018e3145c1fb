"""Findings made by hand."""

from report_tables import audit as audit
from report_tables import distance as distance
from report_tables import findings as findings
from report_tables import no_figures as no_figures
from report_tables import row as row
from report_tables import verdict as verdict
