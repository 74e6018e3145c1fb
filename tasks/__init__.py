"""Prefect tasks: one small file per stage, each a thin cover over one call of the library."""
