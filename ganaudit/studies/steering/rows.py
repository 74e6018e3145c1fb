"""What a parsed batch becomes: a row for each image and strength, and one for each class in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit.encoded import webp
from ganaudit.records.schema import OK, QUARANTINED
from ganaudit.studies.steering.record_tables import STEERING, STEERING_IMAGES
from ganaudit.tally import Tally, tally

COLOURS = ("red", "green", "blue")
COUNTED = ("pixels", "x_sum", "y_sum", "parts", "largest")
OF_SOME = ("confidence", "x_min", "y_min", "x_max", "y_max")


@dataclass(frozen=True)
class Seen:
    """One batch at one strength. pixels: (N, H, W, 3) uint8; maps, confidence: (N, h, w), what the parser saw. errors: why each
    image was set aside, or None. measured: columns of `steering_images`, (N,) each. alpha: None of real images. clusters,
    digests: of each image where they are known; digests of what was not moved."""

    images: Sequence[int]
    alpha: float | None
    pixels: NDArray[np.uint8]
    maps: NDArray[np.int64]
    confidence: NDArray[np.float32]
    errors: Sequence[str | None]
    measured: dict[str, Tensor]
    clusters: Sequence[str | None] | None = None
    digests: Sequence[str | None] | None = None


def tables(key: str, seen: Seen, classes: int, shown: int) -> dict[str, pa.Table]:
    """The rows of both tables, by table. shown: the images whose index is below it keep a picture."""
    counted = tally(torch.from_numpy(seen.maps), torch.from_numpy(seen.confidence), classes)
    return {
        STEERING.name: _class_rows(key, seen, counted, classes), STEERING_IMAGES.name: _image_rows(key, seen, shown)
    }  # fmt: skip


def recorded(key: str, seen: Sequence[Seen], classes: int, shown: int = 0) -> dict[str, pa.Table]:
    """The rows of both tables of whole images at all their strengths, as they are written."""
    made = [tables(key, each, classes, shown) for each in seen]
    joined = {name: pa.concat_tables([each[name] for each in made]) for name in made[0]}
    if any(each.alpha is not None for each in seen):
        joined[STEERING.name] = with_lost(joined[STEERING.name], joined[STEERING_IMAGES.name])
    return {table.name: table.conform(joined[table.name]) for table in (STEERING, STEERING_IMAGES)}


def class_colours(pixels: NDArray[np.uint8], maps: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """(N, classes, 3) mean red, green and blue, 0 to 255, of each class's pixels; NaN where it has none. Label maps of another
    size are looked up at the middle of each pixel."""
    height, width = pixels.shape[1:3]
    rows, columns = (
        (2 * np.arange(to) + 1) * have // (2 * to) for to, have in zip((height, width), maps.shape[1:], strict=True)
    )
    owner = (np.arange(len(maps))[:, None, None] * classes + maps[:, rows[:, None], columns]).ravel()
    slots = len(maps) * classes
    number = np.bincount(owner, minlength=slots)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(owner, pixels[..., each].ravel(), minlength=slots) / number for each in range(3)]
    return np.stack(means, axis=1).reshape(len(maps), classes, 3)


def _class_rows(key: str, seen: Seen, counted: Tally, classes: int) -> pa.Table:
    good = np.array([error is None for error in seen.errors], bool)
    kept = good[counted.image]
    image, class_id = counted.image[kept], counted.class_id[kept]
    colours = class_colours(seen.pixels, seen.maps, classes)[image, class_id]
    columns: dict[str, Any] = {
        "key": pa.array([key] * len(image), pa.string()), "image": np.asarray(seen.images, np.int64)[image],
        "alpha": pa.array([seen.alpha] * len(image), pa.float64()), "class_id": class_id.astype(np.int16),
    }  # fmt: skip
    for name in (*COUNTED, *OF_SOME):
        column = STEERING.arrow.field(name)
        columns[name] = pa.array(getattr(counted, name)[kept]).cast(column.type)
    for place, name in enumerate(COLOURS):
        columns[name] = pa.array(colours[:, place].astype(np.float32), from_pandas=True)
    return pa.table({name: columns[name] for name in STEERING.arrow.names})


def _image_rows(key: str, seen: Seen, shown: int) -> pa.Table:
    height, width = seen.maps.shape[1:]
    values = {name: value.double().cpu().numpy() for name, value in seen.measured.items()}
    colours, confidence = seen.pixels.mean(axis=(1, 2)), seen.confidence.mean(axis=(1, 2))
    alike = [each or [None] * len(seen.images) for each in (seen.clusters, seen.digests)]
    rows = []
    for place, (image, error, cluster, digest) in enumerate(zip(seen.images, seen.errors, *alike, strict=True)):
        row: dict[str, Any] = {
            "key": key, "image": image, "alpha": seen.alpha, "cluster": cluster, "digest": digest,
            "status": OK if error is None else QUARANTINED, "error_text": error,
        }  # fmt: skip
        if error is None:
            row |= {name: float(value[place]) for name, value in values.items() if np.isfinite(value[place])}
            row |= {name: float(colours[place, channel]) for channel, name in enumerate(COLOURS)}
            row |= {"width": width, "height": height, "confidence": float(confidence[place])}
            if image < shown:
                row["picture"] = webp(seen.pixels[place])
        rows.append(row)
    return STEERING_IMAGES.from_rows(rows)


def with_lost(rows: pa.Table, images: pa.Table) -> pa.Table:
    """The rows of `steering` of whole images at all their strengths, with one for each class that an image holds at another
    strength only: it has no pixels there. images: the same of `steering_images`."""
    seen = images.filter(pa.compute.equal(images["status"], OK)).select(["key", "image", "alpha"])
    held = rows.select(["image", "class_id"]).group_by(["image", "class_id"]).aggregate([])
    wanted = seen.join(held, "image", join_type="inner")
    named = ["image", "alpha", "class_id"]
    lost = wanted.join(rows.select(named), named, join_type="left anti")
    nothing: dict[str, Any] = {name: lost[name] for name in ("key", *named)}
    for name in STEERING.arrow.names:
        if name not in nothing:
            kind = STEERING.arrow.field(name).type
            nothing[name] = pa.array(np.zeros(len(lost), np.int64)).cast(kind) if name in COUNTED else pa.nulls(len(lost), kind)
    return pa.concat_tables([rows, pa.table({name: nothing[name] for name in STEERING.arrow.names}).cast(rows.schema)])
