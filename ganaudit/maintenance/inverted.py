"""Whether the tables of inversions belong together, and whether those are there that the findings of a run are about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ganaudit.errors import GanauditError
from ganaudit.maintenance.problems import Problem, problem
from ganaudit.records.compacted import Block
from ganaudit.records.schema import INVERSIONS, PHOTO_VERDICTS, RECORDS
from ganaudit.records.store import INVERTED, Store

WHOLE = ("inversion_latents",)
"""Tables that have a row for every inverted image, also for one whose search was set aside."""


def shard_problems(store: Store, key: str, places: Block, deep: bool) -> Iterator[Problem]:
    """What is wrong with a finished shard of inversions, taken together with the tables beside it.

    places: first and last place of its images in the list that was inverted.
    """
    path = store.shard(INVERSIONS.name, key, *places)
    lacking = [one for name in INVERTED if not (one := store.shard(name, key, *places)).exists()]
    for one in lacking:
        words = f"the inversions in {path.name} have no {one.parent.parent.name}; delete {path} and run the audit again"
        yield problem(store, "missing", one, words)
    try:
        held = _images(store, INVERSIONS.name, path)
        size = places[1] - places[0] + 1
        if len(held) != size:
            yield problem(store, "inconsistent", path, f"it has {len(held):,} images, not the {size:,} of its name")
        for name in INVERTED if deep and not lacking else ():
            beside = store.shard(name, key, *places)
            there = set(_images(store, name, beside))
            if there - set(held):
                yield problem(
                    store, "misplaced", beside, f"it holds the image {min(there - set(held))}, which was not inverted"
                )
            elif name in WHOLE and there != set(held):
                yield problem(store, "inconsistent", beside, f"it lacks the image {min(set(held) - there)}")
    except GanauditError:  # told of where that file itself is looked at
        return


def missing(store: Store, run: str) -> Iterator[Problem]:
    """Inverted photos that a run has verdicts about and that are not there."""
    path = store.finding(run, PHOTO_VERDICTS.name)
    if not path.is_file():
        return
    try:
        about: dict[str, set[int]] = {}
        for row in store.read(PHOTO_VERDICTS, path, ["key", "image"]).to_pylist():
            about.setdefault(row["key"], set()).add(row["image"])
        for key, images in sorted(about.items()):
            folder = store.shard(INVERSIONS.name, key, 0, 0).parent
            held = {image for one in folder.glob("shard-*-*.parquet") for image in _images(store, INVERSIONS.name, one)}
            if images - held:
                words = f"the run {run} has verdicts about {len(images - held):,} photos whose inversions are not there"
                yield problem(store, "missing", folder, f"{words}; run its audit again")
    except GanauditError:
        return


def _images(store: Store, table: str, path: Path) -> list[int]:
    images: list[int] = store.read(RECORDS[table], path, ["image"])["image"].to_pylist()
    return images
