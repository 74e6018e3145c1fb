"""What an audit file asks of stored images, opened."""

from __future__ import annotations

from collections.abc import Callable

from ganaudit.context import Context
from ganaudit.datasets.grouped import located
from ganaudit.datasets.listed import ListedShelf
from ganaudit.datasets.stored import Shelf, StoredDataset, StoredSource, size_asked


def open_stored(shelf: Callable[[], Shelf], options: StoredSource, context: Context) -> StoredDataset:
    """What the audit file asks for. Raises RequestError where neither it nor the parser says at which size."""
    listed = located(options.list, context)
    return StoredDataset(
        shelf if listed is None else lambda: ListedShelf(shelf(), listed), options.seed, size_asked(options, context),
        options.how, located(options.label, context), located(options.cluster, context), options.order, options.part,
    )  # fmt: skip
