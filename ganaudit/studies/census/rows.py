"""What was counted in a batch as rows of the records: of one parser, and of two that read the same images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from ganaudit.parsers.matching import beyond_first_heads, matched, of_first_head
from ganaudit.parsers.opening import OpenParser
from ganaudit.records.tables import CLASS_PIXELS, IMAGES, PARSED_TWICE, PARSER_CONFUSION, PARSER_OVERLAP
from ganaudit.sources.opening import Batch
from ganaudit.tally import Confusion, Tally, confused


@dataclass(frozen=True, eq=False)
class Counted:
    """What a parser saw in a batch. pixels: of one label map. maps: (n, h, w) of its first head, heads: (n, heads, h, w) on the
    device, None where no network read it. confusion: what became of the true classes, where those are known."""

    tally: Tally
    pixels: int
    maps: NDArray[np.int64] | None = None
    heads: torch.Tensor | None = None
    confusion: Confusion | None = None


def rows_of(key: str, first: int, batch: Batch, counted: Counted) -> dict[tuple[str, str], pa.Table]:
    """The rows of one parser's tables, by key and table."""
    rows = {
        (key, IMAGES.name): _image_rows(key, first, batch, counted.tally, counted.pixels),
        (key, CLASS_PIXELS.name): _class_rows(key, first, batch, counted.tally),
    }
    if counted.confusion is not None:
        rows[key, PARSER_CONFUSION.name] = _confusion_rows(key, first, batch, counted.confusion)
    return rows


def rows_of_both(
    key: str, first: int, batch: Batch, parsers: tuple[OpenParser, OpenParser], counted: tuple[Counted, Counted]
) -> dict[tuple[str, str], pa.Table]:
    """What two parsers say of the same pixels, by key and table: the second's label maps in the first's size."""
    maps, others = (each.maps for each in counted)
    assert maps is not None and others is not None
    pairs = confused(others, maps, max(parser.class_count for parser in parsers))
    same = matched(*(of_first_head(parser.parser.classes) for parser in parsers)) | {0: 0}
    alike = np.array([same.get(ours, -1) == theirs for ours, theirs in zip(pairs.class_id, pairs.true_class, strict=True)])
    good = np.array([error is None for error in batch.errors])
    kept, n = good[pairs.image], len(batch.names)
    agreed = np.bincount(pairs.image, pairs.pixels * alike, minlength=n).astype(np.int64)
    further = _beyond_first_heads(parsers, counted, good)
    image, ours, theirs, pixels = np.concatenate(
        [np.stack([pairs.image, pairs.class_id, pairs.true_class, pairs.pixels], axis=1)[kept], further]
    ).T
    overlap = pa.table({
        "key": pa.array([key] * len(image), pa.string()), "image": pa.array(image + first, pa.int64()),
        "class_id": pa.array(ours, pa.int16()), "second_class_id": pa.array(theirs, pa.int16()),
        "pixels": pa.array(pixels, pa.int32()),
    })  # fmt: skip
    twice = pa.table({
        "key": pa.array([key] * n, pa.string()), "image": pa.array(np.arange(first, first + n), pa.int64()),
        "pixels": pa.array(np.full(n, counted[0].pixels), pa.int32(), mask=~good),
        "alike": pa.array(agreed, pa.int32(), mask=~good),
    })  # fmt: skip
    return {(key, PARSER_OVERLAP.name): overlap, (key, PARSED_TWICE.name): twice}


def _beyond_first_heads(
    parsers: tuple[OpenParser, OpenParser], counted: tuple[Counted, Counted], good: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """(rows, 4) image, class, the second's class, pixels that are both: classes of one name, not of both first heads.
    Where the second's class is not of its first head, class 0 stands for the rest of its pixels."""
    maps, others = (each.heads for each in counted)
    assert maps is not None and others is not None
    rows, columns = (
        (2 * torch.arange(to, device=others.device) + 1) * have // (2 * to)
        for to, have in zip(maps.shape[2:], others.shape[2:], strict=True)
    )
    others = others[:, :, rows[:, None], columns]
    in_head = of_first_head(parsers[1].parser.classes)
    seen, found = set(counted[1].tally.class_id.tolist()), [np.zeros((0, 4), np.int64)]
    for ours, theirs in beyond_first_heads(*(parser.parser.classes for parser in parsers)).items():
        if theirs not in seen:
            continue
        mine, its = (maps == ours).any(dim=1), (others == theirs).any(dim=1)
        shares = [(ours, mine & its), *([] if theirs in in_head else [(0, its & ~mine)])]
        for class_id, where in shares:
            pixels = where.sum(dim=(1, 2)).cpu().numpy()
            image = np.flatnonzero(good & (pixels > 0))
            named = (np.full(len(image), each) for each in (class_id, theirs))
            found.append(np.stack([image, *named, pixels[image]], axis=1))
    return np.concatenate(found)


def _confusion_rows(key: str, first: int, batch: Batch, confusion: Confusion) -> pa.Table:
    kept = np.array([error is None for error in batch.errors])[confusion.image]
    return pa.table({
        "key": pa.array([key] * int(kept.sum()), pa.string()),
        "image": pa.array(confusion.image[kept] + first, pa.int64()),
        "true_class": pa.array(confusion.true_class[kept], pa.int16()),
        "class_id": pa.array(confusion.class_id[kept], pa.int16()),
        "pixels": pa.array(confusion.pixels[kept], pa.int32()),
    })  # fmt: skip


def _image_rows(key: str, first: int, batch: Batch, counted: Tally, size: int) -> pa.Table:
    n = len(batch.names)
    good = np.array([error is None for error in batch.errors])
    weight = np.bincount(counted.image, counted.pixels, minlength=n)
    sure = np.bincount(counted.image, counted.pixels * counted.confidence.astype(np.float64), minlength=n)
    return pa.table({
        "key": pa.array([key] * n, pa.string()),
        "image": pa.array(np.arange(first, first + n), pa.int64()),
        "name": pa.array(list(batch.names), pa.string()),
        "digest": pa.array(list(batch.digests), pa.string()),
        "phash": pa.array(list(batch.phashes), pa.uint64()),
        "cluster": pa.array(list(batch.clusters), pa.string()),
        "label": pa.array(list(batch.tags), pa.string()),
        "pixels": pa.array(np.full(n, size), pa.int32(), mask=~good),
        "confidence": pa.array((sure / np.maximum(weight, 1)).astype(np.float32), pa.float32(), mask=~good),
        "status": pa.array(np.where(good, "ok", "quarantined").tolist(), pa.string()),
        "error": pa.array(list(batch.errors), pa.string()),
    })  # fmt: skip


def _class_rows(key: str, first: int, batch: Batch, counted: Tally) -> pa.Table:
    good = np.array([error is None for error in batch.errors])
    kept = good[counted.image]
    columns: dict[str, pa.Array] = {
        "key": pa.array([key] * int(kept.sum()), pa.string()),
        "image": pa.array(counted.image[kept] + first, pa.int64()),
        "class_id": pa.array(counted.class_id[kept], pa.int16()),
        "pixels": pa.array(counted.pixels[kept], pa.int32()),
        "confidence": pa.array(counted.confidence[kept], pa.float32()),
        "x_sum": pa.array(counted.x_sum[kept], pa.int64()),
        "y_sum": pa.array(counted.y_sum[kept], pa.int64()),
    }
    for name in ("x_min", "y_min", "x_max", "y_max", "parts", "largest"):
        columns[name] = pa.array(getattr(counted, name)[kept], pa.int32())
    return pa.table(columns)
