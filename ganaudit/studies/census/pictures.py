"""The few images of a run that people look at, with their label maps, kept beside its findings as one Parquet file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ganaudit import images
from ganaudit.encoded import label_png, labels_of, pixels_of, webp
from ganaudit.errors import AuditError, ImageError
from ganaudit.records import catalog, writer
from ganaudit.records.reading import unreadable
from ganaudit.records.store import Store
from ganaudit.report.data import Findings, Picture
from ganaudit.sources.opening import DatasetSource
from ganaudit.sources.planned import Plan, PlannedSource
from ganaudit.studies.census import showing, work
from ganaudit.studies.census.blocks import block_of
from ganaudit.studies.census.section.kept import Beside, Grown, Kept, Samples
from ganaudit.studies.census.section.near import most_surprising

SAMPLES = 12
"""Pictures of each source."""
INFLUENTIAL = 6
"""Real and generated pictures that push a generator's distance up most."""
NEAR_SOURCES, NEAR_PAIRS = 8, 3
"""Sources, or pairs of them, of which near duplicates are shown, and how many pairs of images of each: the nearest."""
SIDE = 256
"""Longest side of a picture that is kept, in pixels."""

READABLE = "SELECT image FROM run_images(?) WHERE source = ? AND status = 'ok' ORDER BY image LIMIT ?"

SCHEMA = pa.schema([
    ("source", pa.string()), ("role", pa.string()), ("generator", pa.string()), ("class_id", pa.int32()),
    ("image", pa.int64()), ("name", pa.string()), ("picture", pa.binary()), ("label_map", pa.binary()),
    ("influence", pa.bool_()), ("shows", pa.string()), ("beside", pa.int64()), ("value", pa.float64()),
    ("images", pa.int64()), ("same", pa.int64()), ("near", pa.int32()),
])  # fmt: skip
"""A picture that stands in several places is in its first row, and the others name that row (same). shows: lost, nearest,
largest or unsure; beside: the real image that it is nearest to; value: how far they are apart, or how sure the parser is."""


@catalog.kept()
def collect(plan: Plan, store: Store, findings: Findings) -> Kept:
    """A few pictures of each source; of what the verdicts mean, and of what pushes each distance up, the plainest ones."""
    real = next(source for source in plan.sources if source.role == "real")
    generators = {source.name: source for source in plan.sources if source.role == "generated"}
    looked_at = [source for source in plan.sources if source.role in ("real", "generated")]
    chosen = showing.chosen(store, plan.run, real.name, findings, list(generators))
    with catalog.of_run(store, plan.run) as connection:
        first = {
            source.name: [row[0] for row in connection.execute(READABLE, [plan.run, source.name, SAMPLES]).fetchall()]
            for source in looked_at
        }
    pushed = {name: {role: influential(findings, name, role) for role in ("real", "generated")} for name in generators}
    wanted = {name: {*roles["generated"], *chosen.of_generator(name)} for name, roles in pushed.items()}
    of_real = {index for roles in pushed.values() for index in roles["real"]} | chosen.of_real
    seen = {name: look(plan, source, sorted(wanted[name])) for name, source in generators.items()}
    photos = look(plan, real, sorted(of_real))
    return Kept(
        samples=[
            Samples(source.name, source.role, list(look(plan, source, first[source.name]).values())) for source in looked_at
        ],
        lost={
            class_id: [
                Beside(
                    photos[index],
                    {name: seen[name][nearest] for name, (nearest, _) in found.items() if nearest in seen[name]},
                    {name: apart for name, (nearest, apart) in found.items() if nearest in seen[name]},
                )
                for index, found in beside.items()
                if index in photos
            ]
            for class_id, beside in chosen.lost.items()
        },
        grown=[
            Grown(
                each.generator, each.class_id, each.images, _there(seen[each.generator], each.largest),
                _there(seen[each.generator], each.unsure), each.sure,
            )
            for each in chosen.grown
        ],
        influences={
            name: {
                "real": _there(photos, roles["real"]), "generated": _there(seen[name], roles["generated"]),
            }
            for name, roles in pushed.items()
            if any(roles.values())
        },
        near=near_pairs(plan, findings),
    )  # fmt: skip


def _there(seen: Mapping[int, Picture], indices: Sequence[int]) -> list[Picture]:
    """Those of some images that could be read."""
    return [seen[index] for index in indices if index in seen]


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
    """Writes the pictures of a run, each once: lossless WebP beside PNG label maps."""
    rows: list[dict[str, Any]] = []
    places: dict[int, int] = {}

    def add(picture: Picture, **values: Any) -> None:
        same = places.get(id(picture))
        places.setdefault(id(picture), len(rows))
        content: dict[str, Any] = {"same": same}
        if same is None:
            content = {"picture": webp(picture.image), "label_map": label_png(picture.labels)}
        rows.append({"image": picture.index, "name": picture.name, **content, **values})

    for group in kept.samples:
        for picture in group.pictures:
            add(picture, source=group.source, role=group.role)
    for class_id, shown in kept.lost.items():
        for each in shown:
            add(each.real, class_id=class_id, shows="lost")
            for generator, picture in each.nearest.items():
                place = {"generator": generator, "class_id": class_id, "beside": each.real.index}
                add(picture, shows="nearest", value=each.apart[generator], **place)
    for grown in kept.grown:
        for shows, pictures in (("largest", grown.largest), ("unsure", grown.unsure)):
            for picture in pictures:
                sure, place = grown.sure.get(picture.index), {"generator": grown.generator, "class_id": grown.class_id}
                add(picture, shows=shows, value=sure, images=grown.images, **place)
    for generator, roles in kept.influences.items():
        for role, pictures in roles.items():
            for picture in pictures:
                add(picture, generator=generator, role=role, influence=True)
    for number, pair in enumerate(kept.near):
        for source, picture in pair:
            add(picture, source=source, near=number)
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
    lost: dict[int, list[Beside]] = {}
    grown: dict[tuple[str, int], _Growing] = {}
    influences: dict[str, dict[str, list[Picture]]] = {}
    near: dict[int, list[tuple[str, Picture]]] = {}
    for row, picture in _rows(path):
        if row["near"] is not None:
            near.setdefault(row["near"], []).append((row["source"], picture))
        elif row["source"] is not None:
            group = groups.setdefault(row["source"], Samples(row["source"], row["role"], []))
            groups[row["source"]] = replace(group, pictures=[*group.pictures, picture])
        elif row["influence"]:
            influences.setdefault(row["generator"], {}).setdefault(row["role"], []).append(picture)
        elif row["shows"] in ("largest", "unsure"):
            key = row["generator"], row["class_id"]
            each = grown.setdefault(key, _Growing(row["images"]))
            sure = {} if row["value"] is None else {picture.index: row["value"]}
            (each.largest if row["shows"] == "largest" else each.unsure).append(picture)
            each.sure.update(sure)
        else:
            _add_lost(lost.setdefault(row["class_id"], []), row, picture)
    made = [Grown(*key, each.images, each.largest, each.unsure, each.sure) for key, each in grown.items()]
    pairs = [(pair[0], pair[1]) for pair in near.values() if len(pair) == 2]
    return Kept(list(groups.values()), lost, made, influences, pairs)


@dataclass
class _Growing:
    images: int
    largest: list[Picture] = field(default_factory=list)
    unsure: list[Picture] = field(default_factory=list)
    sure: dict[int, float] = field(default_factory=dict)


def _add_lost(shown: list[Beside], row: dict[str, Any], picture: Picture) -> None:
    """Adds a real picture, or the one of a generator that is nearest to it, to those of a class. An older ganaudit wrote the
    real ones of each generator that loses it."""
    if row["shows"] == "nearest":
        place = next(place for place, each in enumerate(shown) if each.real.index == row["beside"])
        each, name = shown[place], row["generator"]
        shown[place] = Beside(each.real, {**each.nearest, name: picture}, {**each.apart, name: row["value"]})
    elif picture.index not in {each.real.index for each in shown}:
        shown.append(Beside(picture))


def _rows(path: Path) -> list[tuple[dict[str, Any], Picture]]:
    """Rows with their pictures. Raises AuditError, naming the file, where it is damaged."""
    pictures: list[Picture] = []
    try:
        rows: list[dict[str, Any]] = pq.read_table(path, partitioning=None, page_checksum_verification=True).to_pylist()
        rows = [dict.fromkeys(SCHEMA.names) | row for row in rows]  # an older ganaudit had fewer columns
        for row in rows:
            if row["same"] is None:
                seen = pixels_of(row["picture"]), labels_of(row["label_map"])
                pictures.append(Picture(row["image"], row["name"], *seen))
            else:
                pictures.append(pictures[row["same"]])
        return list(zip(rows, pictures, strict=True))
    except (AuditError, OSError, ValueError, KeyError, IndexError, TypeError, pa.ArrowException) as error:
        raise AuditError(unreadable(path)) from error
