"""The few images of a run that people look at, with their label maps, kept beside its findings as one Parquet file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image as pillow

from ganaudit import images
from ganaudit.errors import AuditError, ImageError
from ganaudit.records import catalog, writer
from ganaudit.records.store import Store, unreadable
from ganaudit.report.data import Findings, Picture
from ganaudit.sources.opening import DatasetSource
from ganaudit.sources.planned import Plan, PlannedSource
from ganaudit.studies.census import work
from ganaudit.studies.census.blocks import block_of
from ganaudit.studies.census.section.classes import lost_classes
from ganaudit.studies.census.section.kept import Kept, Samples
from ganaudit.studies.census.section.near import most_surprising

SAMPLES = 12
"""Pictures of each source."""
HOLDERS = 6
"""Real pictures for each class that is lost."""
LOST = 4
"""Classes of each generator whose holders are shown: those that it dropped or reduced most plainly."""
INFLUENTIAL = 6
"""Real and generated pictures that push a generator's distance up most."""
NEAR_SOURCES, NEAR_PAIRS = 8, 3
"""Sources, or pairs of them, of which near duplicates are shown, and how many pairs of images of each: the nearest."""
SIDE = 256
"""Longest side of a picture that is kept, in pixels."""

READABLE = "SELECT image FROM run_images(?) WHERE source = ? AND status = 'ok' ORDER BY image LIMIT ?"
MOST_OF = "SELECT image FROM most_of(?, ?, ?, ?)"

SCHEMA = pa.schema([
    ("source", pa.string()), ("role", pa.string()), ("generator", pa.string()), ("class_id", pa.int32()),
    ("image", pa.int64()), ("name", pa.string()), ("picture", pa.binary()), ("label_map", pa.binary()),
    ("influence", pa.bool_()), ("near", pa.int32()),
])  # fmt: skip


def collect(plan: Plan, store: Store, findings: Findings) -> Kept:
    """A few pictures of each source; of each generator's losses, and of what pushes its distance up, the plainest ones."""
    real = next(source for source in plan.sources if source.role == "real")
    generators = {source.name: source for source in plan.sources if source.role == "generated"}
    looked_at = [source for source in plan.sources if source.role in ("real", "generated")]
    with catalog.of_run(store, plan.run) as connection:

        def indices(statement: str, *values: object) -> list[int]:
            return [row[0] for row in connection.execute(statement, list(values)).fetchall()]

        first = {source.name: indices(READABLE, plan.run, source.name, SAMPLES) for source in looked_at}
        most = {
            (generator, lost_class.class_id): indices(MOST_OF, plan.run, real.name, lost_class.name, HOLDERS)
            for generator in generators
            for lost_class in lost_classes(findings, generator, LOST)
        }
    pushed = {name: {role: influential(findings, name, role) for role in ("real", "generated")} for name in generators}
    of_real = {index for wanted in most.values() for index in wanted} | {
        index for roles in pushed.values() for index in roles["real"]
    }
    seen = {name: look(plan, source, pushed[name]["generated"]) for name, source in generators.items()}
    photos = look(plan, real, sorted(of_real))
    holders: dict[str, dict[int, list[Picture]]] = {}
    for (name, class_id), wanted in most.items():
        holders.setdefault(name, {})[class_id] = [photos[index] for index in wanted if index in photos]
    return Kept(
        samples=[
            Samples(source.name, source.role, list(look(plan, source, first[source.name]).values())) for source in looked_at
        ],
        holders=holders,
        influences={
            name: {
                "real": [photos[index] for index in roles["real"] if index in photos],
                "generated": [seen[name][index] for index in roles["generated"] if index in seen[name]],
            }
            for name, roles in pushed.items()
            if any(roles.values())
        },
        near=near_pairs(plan, findings),
    )  # fmt: skip


def near_pairs(plan: Plan, findings: Findings) -> list[tuple[tuple[str, Picture], tuple[str, Picture]]]:
    """The nearest pairs, of the sources that are least likely to have so many by chance."""
    wanted: list[tuple[tuple[str, int], tuple[str, int]]] = []
    for row in most_surprising(findings)[:NEAR_SOURCES]:
        of_both = (pc.field("source_a") == row["source_a"]) & (pc.field("source_b") == row["source_b"])
        pairs = findings["near_duplicates"].filter(of_both).slice(0, NEAR_PAIRS).to_pylist()
        wanted += [((each["source_a"], each["image_a"]), (each["source_b"], each["image_b"])) for each in pairs]
    seen: dict[tuple[str, int], Picture] = {}
    for source in plan.sources:
        indices = sorted({index for pair in wanted for name, index in pair if name == source.name})
        seen |= {(source.name, index): picture for index, picture in look(plan, source, indices).items()}
    return [((a[0], seen[a]), (b[0], seen[b])) for a, b in wanted if a in seen and b in seen]


def influential(findings: Findings, generator: str, role: str) -> list[int]:
    """The images of one side that push a generator's distance up most, the strongest first."""
    if "influences" not in findings:
        return []
    table = findings["influences"].filter((pc.field("generator") == generator) & (pc.field("role") == role))
    table = table.filter(pc.field("influence") > 0).sort_by([("influence", "descending"), ("image", "ascending")])
    images: list[int] = table["image"].slice(0, INFLUENTIAL).to_pylist()
    return images


def look(plan: Plan, source: PlannedSource, indices: Sequence[int]) -> dict[int, Picture]:
    """Images `indices` of a source with their label maps, as the audit saw them; those that cannot be read are left out."""
    if not indices:
        return {}
    first, last = source.blocks[0]
    task = block_of(plan, source, first, last)
    parser, opened = work.opened(task)
    pictures: dict[int, Picture] = {}
    if plan.spec.parser.kind == "masks" or source.kind == "masks":
        assert isinstance(opened, DatasetSource)
        for index in indices:
            try:
                image = opened.picture(index)
            except ImageError:
                continue
            if image.labels is not None:
                pictures[index] = Picture(index, image.name, _small(image.pixels), np.asarray(image.labels))
        return pictures
    batch = plan.spec.sample.batch
    for start in range(0, len(indices), batch):
        part = list(indices[start : start + batch])
        read = opened.read(part)
        pixels = list(read.pixels.cpu().numpy())
        maps = work.label_maps(parser, pixels, batch, plan.device)
        for place, index in enumerate(part):
            if read.errors[place] is None:
                pictures[index] = Picture(index, read.names[place], _small(pixels[place]), maps[place])
    return pictures


def _small(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    if max(height, width) <= SIDE:
        return pixels
    scale = SIDE / max(height, width)
    return images.resize(pixels, (max(1, round(height * scale)), max(1, round(width * scale))), "stretch")


def save(store: Store, run: str, kept: Kept) -> None:
    """Writes the pictures of a run: lossless WebP beside PNG label maps."""
    rows = [
        _row(picture, source=group.source, role=group.role) for group in kept.samples for picture in group.pictures
    ] + [
        _row(picture, generator=generator, class_id=class_id)
        for generator, classes in kept.holders.items() for class_id, pictures in classes.items() for picture in pictures
    ] + [
        _row(picture, generator=generator, role=role, influence=True)
        for generator, roles in kept.influences.items() for role, pictures in roles.items() for picture in pictures
    ] + [
        _row(picture, source=source, near=place) for place, pair in enumerate(kept.near) for source, picture in pair
    ]  # fmt: skip
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    path = store.findings(run) / "pictures.parquet"
    with writer.writing(path), writer.temporary_file(store.temporary, "pictures") as unfinished:
        pq.write_table(table, unfinished, compression="none", write_page_checksum=True)
        unfinished.replace(path)


def load(store: Store, run: str) -> Kept:
    """The pictures of a run, as `collect` found them."""
    path = store.findings(run) / "pictures.parquet"
    if not path.exists():
        return Kept()
    groups: dict[str, Samples] = {}
    holders: dict[str, dict[int, list[Picture]]] = {}
    influences: dict[str, dict[str, list[Picture]]] = {}
    near: dict[int, list[tuple[str, Picture]]] = {}
    for row in _rows(path):
        picture = Picture(row["image"], row["name"], row["picture"], row["label_map"])
        if row["near"] is not None:
            near.setdefault(row["near"], []).append((row["source"], picture))
        elif row["source"] is not None:
            group = groups.setdefault(row["source"], Samples(row["source"], row["role"], []))
            groups[row["source"]] = replace(group, pictures=[*group.pictures, picture])
        elif row["influence"]:
            influences.setdefault(row["generator"], {}).setdefault(row["role"], []).append(picture)
        else:
            holders.setdefault(row["generator"], {}).setdefault(row["class_id"], []).append(picture)
    return Kept(list(groups.values()), holders, influences, [(pair[0], pair[1]) for pair in near.values() if len(pair) == 2])


def _rows(path: Path) -> list[dict[str, Any]]:
    """Rows with their pictures decoded. Raises AuditError, naming the file, where it is damaged."""
    try:
        rows: list[dict[str, Any]] = pq.read_table(path, partitioning=None, page_checksum_verification=True).to_pylist()
        decoded = [row | {name: _decoded(row[name]) for name in ("picture", "label_map")} for row in rows]
        return [dict.fromkeys(SCHEMA.names) | row for row in decoded]  # an older ganaudit had fewer columns
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise AuditError(unreadable(path)) from error


def _row(picture: Picture, **values: Any) -> dict[str, Any]:
    encoded, labels = io.BytesIO(), io.BytesIO()
    pillow.fromarray(picture.image).save(encoded, "WEBP", lossless=True)
    pillow.fromarray(picture.labels.astype(np.uint16)).save(labels, "PNG")
    return {
        "image": picture.index,
        "name": picture.name,
        "picture": encoded.getvalue(),
        "label_map": labels.getvalue(),
        **values,
    }


def _decoded(content: bytes) -> NDArray[Any]:
    with pillow.open(io.BytesIO(content)) as image:
        array = np.array(image)
    return array if array.dtype == np.uint8 and array.ndim == 3 else array.astype(np.int64)
