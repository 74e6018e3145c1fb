"""One way in which one list of images was inverted, and where its records lie in a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ganaudit.records.store import Store
from ganaudit.studies.inversion.record_tables import INVERSION_CONFUSION

HELD, TRAIN, OWN, MASKED = "heldout", "train", "own", "masked"


@dataclass(frozen=True)
class Setting:
    """One way in which one list of images was inverted. key: of its records; images: how many there are."""

    key: str
    sample: str
    method: str
    factor: float | None
    paid: int | None
    images: int


@dataclass(frozen=True)
class InversionsDone:
    """What one generator's inversions came to. images: those that were inverted now, the others were in the store."""

    generator: str
    settings: tuple[Setting, ...]
    images: int
    notes: tuple[str, ...]


def shards(store: Store, table: str, setting: Setting, batch: int) -> list[Path]:
    """The files of a setting's records, in order."""
    return [
        store.shard(table, setting.key, first, min(first + batch, setting.images) - 1)
        for first in range(0, setting.images, batch)
    ]


def confusion_of(store: Store, setting: Setting, batch: int) -> Mapping[int, list[tuple[int, int, int]]]:
    """Confusion rows of a setting, by image."""
    found: dict[int, list[tuple[int, int, int]]] = {}
    for path in shards(store, "inversion_confusion", setting, batch):
        for row in store.read(INVERSION_CONFUSION, path).to_pylist():
            found.setdefault(row["image"], []).append((row["target_class"], row["reconstruction_class"], row["pixels"]))
    return found
