"""Prefect flows and the command line: what runs. They compose tasks and hold no mathematics."""
