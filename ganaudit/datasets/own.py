"""Kind `module:factory`: your own collection, from a Python file beside the audit file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganaudit import factory
from ganaudit.context import Context
from ganaudit.datasets.protocol import Dataset, Image
from ganaudit.errors import RequestError
from ganaudit.keys import canonical
from ganaudit.kinds import OWN, Kind
from ganaudit.options import FactorySource


class OwnDataset:
    """A user's collection, whose recipe also says what made it."""

    def __init__(self, dataset: Dataset, made_by: Mapping[str, Any]) -> None:
        self._dataset, self._made_by = dataset, made_by

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)

    def __len__(self) -> int:
        return len(self._dataset)

    def image(self, index: int) -> Image:
        return self._dataset.image(index)

    def recipe(self) -> Mapping[str, Any]:
        return {**self._dataset.recipe(), **self._made_by}


def open_own(options: FactorySource, context: Context) -> OwnDataset:
    """What the factory makes. Raises RequestError where that is no collection, or its recipe cannot enter a key."""
    made = factory.made(options, context)
    if not isinstance(made.model, Dataset):
        raise RequestError(f"{options.kind}: a dataset has __len__, image(index) and recipe()")
    try:
        canonical(dict(made.model.recipe()))
    except Exception as error:
        raise RequestError(f"{options.kind}: recipe() is a mapping that JSON can hold: {error}") from error
    parts = dict(made.recipe)
    made_by: dict[str, Any] = {name: parts.pop(name) for name in ("state", "weights") if name in parts}
    return OwnDataset(made.model, {**made_by, "code": parts})


KIND = Kind(OWN, FactorySource, open_own, "your own collection, from a Python file beside the audit file")
