"""Runs whose generators omit, reduce or invent a class as often as a test says."""

from audited_run import audited as audited
