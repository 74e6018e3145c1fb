"""Studies: what an audit does with its sources, one folder each. A folder has `tables.py` and `study.py` (see protocol)."""

STUDIES = ("census", "inversion", "steering")
"""In the order in which they run: a later one may plan from the records of those before it."""
