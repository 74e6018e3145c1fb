"""The part of a distance that is resolution, not omission: real images against themselves at a generator's resolution."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from ganaudit.records.store import Store
from ganaudit.records.tables import SOURCES
from ganaudit.records.used import UsedSource
from ganaudit.sources.roles import RESIZED_REAL
from ganaudit.studies.census.counts import Counts, read_counts
from ganaudit.studies.census.distances import resolution_floor


def resolution_floors(
    store: Store, sources: Sequence[UsedSource], counts: Mapping[str, Counts], classes: Sequence[int]
) -> dict[tuple[str, str], float | None]:
    """(real, generator) → the floor; 0 at the parser's resolution, None where unknown or where no real images were resized."""
    floor_of: dict[tuple[str, str], float | None] = {}
    resized = {
        side: source for source in sources if source.role == RESIZED_REAL and (side := made_at(store, source)[0]) is not None
    }
    read: dict[str, Counts] = {}
    for real in (source for source in sources if source.role == "real"):
        parsed_at = made_at(store, real)[1]
        known: dict[int, float | None] = {}
        for generator in (source for source in sources if source.role == "generated"):
            side = made_at(store, generator)[0]
            if side is None or parsed_at is None:
                floor_of[real.name, generator.name] = None
                continue
            if side not in known and side in resized:
                same_images = resized[side]
                read.setdefault(same_images.name, read_counts(store, same_images, counts[real.name].classes))
                known[side] = resolution_floor(counts[real.name], read[same_images.name], classes)
            floor_of[real.name, generator.name] = known.get(side) if side < parsed_at else 0.0
    return floor_of


def made_at(store: Store, source: UsedSource) -> tuple[int | None, int | None]:
    """Short sides in pixels: of the images as they are made, and as the parser gets them. None where unknown."""
    path = store.source(source.key)
    if not path.is_file():
        return None, None
    (row,) = store.read(SOURCES, path, ["recipe", "resolution"]).to_pylist()
    recipe = json.loads(row["recipe"])
    size = recipe.get("size") if isinstance(recipe, dict) else None
    return row["resolution"], min(size) if size else None
