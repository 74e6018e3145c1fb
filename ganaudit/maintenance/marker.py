"""Whether a folder is a store: its marker, and the folders that hold its tables."""

from __future__ import annotations

from collections.abc import Iterator

from ganaudit.errors import RequestError
from ganaudit.maintenance.problems import Problem, problem
from ganaudit.records.schema import SCHEMA_VERSION
from ganaudit.records.store import Store


def marker_problems(store: Store) -> Iterator[Problem]:
    """What is wrong with the marker and the folders of tables. Raises RequestError where no store ever was, and for a store of
    a newer schema."""
    folders = [folder for table in ("runs", "findings") for folder in (store.folder(table), *store.folder(table).parents)]
    inside = sorted({folder for folder in folders if folder.is_relative_to(store.path) and folder != store.path})
    if not store.marker.exists() and not any(folder.exists() for folder in inside):
        store.open_for_reading()  # says that there is none
    right = f'it would be a file that holds {{"schema_version": {SCHEMA_VERSION}}}'
    if not store.marker.is_file():
        what = "is no file" if store.marker.exists() else "is missing although there are records"
        yield problem(store, "missing", store.marker, f"the store's marker {what}; {right}")
    else:
        try:
            version = store.marked_version()
        except RequestError:
            yield problem(store, "torn", store.marker, f"it is no marker of a store; {right}")
        else:
            if version > SCHEMA_VERSION:
                store.check_version()  # says so
    for folder in inside:
        if folder.exists() and not folder.is_dir():
            yield problem(store, "foreign", folder, "a file is in the place of a folder of the store; move it elsewhere")
