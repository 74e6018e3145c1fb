"""A shard is a pure function: one block of one source, sampled or read, parsed, counted where the labels are, written."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from ganaudit import devices, images
from ganaudit.context import PROCESS, Context
from ganaudit.errors import AuditError
from ganaudit.features.protocol import Reading
from ganaudit.foreign_code import blamed, enough_memory
from ganaudit.parsers.opening import OpenParser
from ganaudit.parsers.outputs import wrong_labels
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASS_PIXELS, IMAGES, PARSER_CONFUSION
from ganaudit.sources.opening import Batch, OpenSource
from ganaudit.sources.reopening import reopened_parser, reopened_source
from ganaudit.studies.census.blocks import BlockTask
from ganaudit.tally import Confusion, Tally, confused, tally
from ganaudit.version import __version__

log = logging.getLogger("ganaudit.blocks")


@dataclass(frozen=True)
class BlockDone:
    """What one block of a source came to. Seconds are wall time; images counts those set aside too."""

    source: str
    key: str
    first: int
    images: int
    quarantined: int
    total_seconds: float


def make_block(task: BlockTask) -> BlockDone:
    """Writes the records of one block. Raises AuditError where generator or parser fail, OSError where the disk does."""
    torch.set_num_threads(1)
    task = replace(task, device=devices.of_this_thread(task.device))
    started = time.perf_counter()
    parser, source = opened(task)
    image_rows: list[pa.Table] = []
    class_rows: list[pa.Table] = []
    confusion_rows: list[pa.Table] = []
    quarantined = 0
    for first, batch in _batches(task, source):
        counted, size, confusion = _counted(batch, parser, task)
        image_rows.append(_image_rows(task.key, first, batch, counted, size))
        class_rows.append(_class_rows(task.key, first, batch, counted))
        if confusion is not None:
            confusion_rows.append(_confusion_rows(task.key, first, batch, confusion))
        quarantined += sum(error is not None for error in batch.errors)
    footer = {
        "recipe": task.key, "code": __version__, "device": devices.describe(task.device),
        "torch": torch.__version__, "batch": str(task.spec.sample.batch),
    }  # fmt: skip
    store = Store(task.spec.path(task.spec.store))
    tables = {IMAGES.name: pa.concat_tables(image_rows), CLASS_PIXELS.name: pa.concat_tables(class_rows)}
    if confusion_rows:
        tables[PARSER_CONFUSION.name] = pa.concat_tables(confusion_rows)
    store.write_shard(IMAGES.name, task.key, task.first, task.last, tables, footer)
    seconds = time.perf_counter() - started
    images_done = task.last - task.first + 1
    log.info(
        "run %s, source %s, block %d-%d: %d images in %.1f s, %d set aside",
        task.run, task.source.name, task.first, task.last, images_done, seconds, quarantined,
    )  # fmt: skip
    return BlockDone(task.source.name, task.key, task.first, images_done, quarantined, seconds)


def _batches(task: BlockTask, source: OpenSource) -> Iterator[tuple[int, Batch]]:
    """(first index, images) of every batch; beside a GPU, the next one is read while one is parsed."""
    size = task.spec.sample.batch
    starts = range(task.first, task.last + 1, size)

    def read(first: int) -> tuple[int, Batch]:
        with enough_memory(task.device, size):
            return first, source.read(range(first, min(first + size, task.last + 1)))

    if task.device == "cpu":
        yield from map(read, starts)
        return
    with ThreadPoolExecutor(1, "ganaudit-read") as reader:
        pending = reader.submit(read, starts[0])
        for following in [*starts[1:], None]:
            ready = pending.result()
            if following is not None:
                pending = reader.submit(read, following)
            yield ready


def counted_batches(task: BlockTask, parser: OpenParser, source: OpenSource) -> Iterator[tuple[Batch, Tally]]:
    """Every batch of a block with its counts; writes nothing."""
    for _, batch in _batches(task, source):
        yield batch, _counted(batch, parser, task)[0]


def _first_head(maps: torch.Tensor) -> NDArray[np.int64]:
    first: NDArray[np.int64] = (maps[:, 0] if maps.ndim == 4 else maps).cpu().numpy().astype(np.int64)
    return first


def _counted(batch: Batch, parser: OpenParser, task: BlockTask) -> tuple[Tally, int, Confusion | None]:
    """The batch's classes, the pixels of one label map, and what became of the true classes where those are known."""
    if batch.labels is not None:
        return tally(torch.from_numpy(batch.labels), None, parser.class_count), int(np.prod(batch.labels.shape[1:])), None
    n, size = len(batch.pixels), task.spec.sample.batch
    with torch.inference_mode(), blamed("the parser", task.device, size):
        (labels,) = look(batch, (parser,), task)
        maps, confidence = _checked(labels, size, batch, parser, task)
        counted = tally(maps[:n], confidence[:n], parser.class_count)
        confusion = None if batch.truth is None else confused(batch.truth, _first_head(maps[:n]), parser.class_count)
        return counted, int(maps.shape[-1] * maps.shape[-2]), confusion


def read_block(task: BlockTask, source: OpenSource, readings: Sequence[Reading]) -> Iterator[tuple[Batch, list[Any]]]:
    """Every batch of a block with what each reading sees in it; writes nothing."""
    for _, batch in _batches(task, source):
        yield batch, look(batch, readings, task)


@torch.inference_mode()
def look(batch: Batch, readings: Sequence[Reading], task: BlockTask) -> list[Any]:
    """What each reading sees in one batch of images, which were read or sampled once. Rows beyond the batch are padding."""
    pixels, size = batch.pixels, task.spec.sample.batch
    if len(pixels) < size:  # every batch has one size: what is read beside an image never changes what is seen in it
        pixels = torch.cat([pixels, pixels.new_zeros((size - len(pixels), *pixels.shape[1:]))])
    if task.device.startswith("cuda") and not pixels.is_cuda:
        pixels = pixels.pin_memory().to(task.device, non_blocking=True)
    shown, looked = images.to_unit(pixels.to(task.device)), []
    for reading in readings:
        who = "the parser" if isinstance(reading, OpenParser) else f"the reading {type(reading).__name__}"
        with blamed(who, task.device, size):
            looked.append(reading.read(shown))
    return looked


def _checked(labels: Any, size: int, batch: Batch, parser: OpenParser, task: BlockTask) -> tuple[torch.Tensor, torch.Tensor]:
    """Label maps and confidences of a batch of `size`. Raises AuditError, naming the parser and the image, for others."""
    wrong = wrong_labels(labels, size, tuple(parser.parser.classes))
    if wrong is None:
        return labels.maps, labels.confidence.clamp(0.0, 1.0)
    last = len(batch.names) - 1
    which = repr(batch.names[0]) if wrong.place is None else repr(batch.names[min(wrong.place, last)])
    image = f"images from {which} on" if wrong.place is None else f"image {which}"
    raise AuditError(f"parser {task.spec.parser.kind}, {image} of source {task.source.name!r}: {wrong.sentence}")


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


def forget() -> None:
    """Close every open source and parser of this process."""
    PROCESS.forget()


def opened(task: BlockTask) -> tuple[OpenParser, OpenSource]:
    """The parser and the source of a task, as this process keeps them."""
    context = Context.of(task.spec, task.device, task.precision)
    parser = reopened_parser(task.spec, task.parser_key, context)
    return parser, reopened_source(task.spec, task.asked, task.key, parser, context)


def label_maps(
    parser: OpenParser, pixels: Sequence[np.ndarray[Any, Any]], batch: int, device: str
) -> list[np.ndarray[Any, Any]]:
    """Label maps (h, w) of the parser's first head for images (H, W, 3) uint8 of one size, to look at."""
    batches: list[np.ndarray[Any, Any]] = []
    for start in range(0, len(pixels), batch):
        stacked = np.stack(pixels[start : start + batch])
        try:
            with torch.inference_mode():
                maps = parser.parser.parse(images.to_unit(torch.from_numpy(stacked).to(device))).maps
        except Exception as error:
            raise AuditError(f"the parser raised {type(error).__name__}: {error}") from error
        batches += list((maps[:, 0] if maps.ndim == 4 else maps).cpu().numpy())
    return batches
