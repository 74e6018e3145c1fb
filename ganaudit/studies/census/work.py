"""A shard is a pure function: one block of one source, sampled or read, parsed, counted where the labels are, written."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from ganaudit import devices, images, resizing
from ganaudit.context import PROCESS
from ganaudit.errors import AuditError
from ganaudit.features.protocol import Reading
from ganaudit.foreign_code import blamed, enough_memory
from ganaudit.parsers.opening import OpenParser
from ganaudit.parsers.outputs import wrong_labels
from ganaudit.records.store import Store
from ganaudit.records.tables import IMAGES
from ganaudit.sources import readers
from ganaudit.sources.opening import PIECE, Batch, DatasetSource, OpenSource
from ganaudit.sources.reopening import reopened_parser, reopened_source
from ganaudit.studies.census.blocks import BlockTask
from ganaudit.studies.census.rows import Counted, rows_of, rows_of_both
from ganaudit.tally import Tally, confused, tally
from ganaudit.version import __version__

AHEAD_BYTES = 2**29
"""Of decoded images that wait for the network, in each block that is worked on."""
UNKNOWN_BYTES = 2**22
"""Of an image where the parser says no size."""
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
    second = second_opened(task)
    kept: dict[tuple[str, str], list[pa.Table]] = {}
    quarantined = 0
    for first, batch in _batches(task, source):
        counted = _counted(batch, parser, task)
        rows = rows_of(task.key, first, batch, counted)
        if second is not None and task.second is not None:
            other = _counted(given_to(second, batch), second, task)
            rows |= rows_of(task.second.key, first, batch, other)
            rows |= rows_of_both(task.second.overlap, first, batch, (parser, second), (counted, other))
        for where, table in rows.items():
            kept.setdefault(where, []).append(table)
        quarantined += sum(error is not None for error in batch.errors)
    footer = {
        "code": __version__, "device": devices.describe(task.device), "torch": torch.__version__,
        "batch": str(task.spec.sample.batch),
    }  # fmt: skip
    store, block = Store(task.spec.path(task.spec.store)), (task.first, task.last)
    for mark, key in [(IMAGES, task.key), *(() if task.second is None else task.second.records())]:
        if task.second is not None and block in store.finished_blocks(key, mark.name):
            continue  # of an audit with one of the parsers alone
        tables = {name: pa.concat_tables(parts) for (of, name), parts in kept.items() if of == key}
        store.write_shard(mark.name, key, *block, tables, {"recipe": key, **footer})
    seconds = time.perf_counter() - started
    images_done = task.last - task.first + 1
    log.info(
        "run %s, source %s, block %d-%d: %d images in %.1f s, %d set aside",
        task.run, task.source.name, task.first, task.last, images_done, seconds, quarantined,
    )  # fmt: skip
    return BlockDone(task.source.name, task.key, task.first, images_done, quarantined, seconds)


def _batches(task: BlockTask, source: OpenSource) -> Iterator[tuple[int, Batch]]:
    """(first index, images) of every batch; beside a GPU, and where processes decode, the next are read while one is parsed."""
    size = task.spec.sample.batch
    starts = range(task.first, task.last + 1, size)
    count = devices.readers(task.spec.run.readers, task.spec.run.workers, task.device)
    if count and isinstance(source, DatasetSource) and source.ahead:
        yield from _ahead(task, source, count)
        return

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


def _ahead(task: BlockTask, source: DatasetSource, count: int) -> Iterator[tuple[int, Batch]]:
    """The same, decoded by `count` processes: so much ahead that all have work when a batch is taken, and no more
    than AHEAD_BYTES."""
    size, begun = task.spec.sample.batch, deque[tuple[int, Callable[[], Batch]]]()
    bytes_of_one = int(np.prod(source.shape)) if source.shape else UNKNOWN_BYTES
    ahead = max(1, min(1 + -(-2 * count * PIECE // size), AHEAD_BYTES // (size * bytes_of_one)))
    with readers.lent(readers.LINGER):
        them = readers.of_process(count)
        for first in range(task.first, task.last + 1, size):
            with enough_memory(task.device, size):
                begun.append((first, source.begin(range(first, min(first + size, task.last + 1)), them)))
                while len(begun) > ahead:
                    start, wait = begun.popleft()
                    yield start, wait()
        for start, wait in begun:
            yield start, wait()


def counted_batches(task: BlockTask, parser: OpenParser, source: OpenSource) -> Iterator[tuple[Batch, Tally]]:
    """Every batch of a block with its counts, a second parser having read it, too; writes nothing."""
    second = second_opened(task)
    for _, batch in _batches(task, source):
        counted = _counted(batch, parser, task)
        if second is not None:
            _counted(given_to(second, batch), second, task)
        yield batch, counted.tally


def given_to(second: OpenParser, batch: Batch) -> Batch:
    """The same images for a second parser: resized to what it wants."""
    size = second.resolution
    return batch if size is None else replace(batch, pixels=resizing.resized(batch.pixels, size, "stretch"), truth=None)


def _first_head(maps: torch.Tensor) -> NDArray[np.int64]:
    first: NDArray[np.int64] = (maps[:, 0] if maps.ndim == 4 else maps).cpu().numpy().astype(np.int64)
    return first


def _counted(batch: Batch, parser: OpenParser, task: BlockTask) -> Counted:
    """The batch's classes, and what became of the true ones where those are known."""
    if batch.labels is not None:
        return Counted(tally(torch.from_numpy(batch.labels), None, parser.class_count), int(np.prod(batch.labels.shape[1:])))
    n, size = len(batch.pixels), task.spec.sample.batch
    with torch.inference_mode(), blamed("the parser", task.device, size):
        (labels,) = look(batch, (parser,), task)
        maps, confidence, instances = _checked(labels, size, batch, parser, task)
        counted = tally(maps[:n], confidence[:n], parser.class_count, None if instances is None else instances[:n])
        first = _first_head(maps[:n])
        confusion = None if batch.truth is None else confused(batch.truth, first, parser.class_count)
        heads = maps[:n] if maps.ndim == 4 else maps[:n, None]
        return Counted(counted, int(maps.shape[-1] * maps.shape[-2]), first, heads, confusion)


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


def _checked(
    labels: Any, size: int, batch: Batch, parser: OpenParser, task: BlockTask
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Label maps, confidences and perhaps instances of a batch of `size`. Raises AuditError, naming the parser and the image,
    for others."""
    wrong = wrong_labels(labels, size, tuple(parser.parser.classes))
    if wrong is None:
        return labels.maps, labels.confidence.clamp(0.0, 1.0), getattr(labels, "instances", None)
    last = len(batch.names) - 1
    which = repr(batch.names[0]) if wrong.place is None else repr(batch.names[min(wrong.place, last)])
    image = f"images from {which} on" if wrong.place is None else f"image {which}"
    raise AuditError(f"parser {parser.kind}, {image} of source {task.source.name!r}: {wrong.sentence}")


def forget() -> None:
    """Close every open source and parser of this process."""
    PROCESS.forget()


def opened(task: BlockTask) -> tuple[OpenParser, OpenSource]:
    """The parser and the source of a task, as this process keeps them."""
    context = task.spec.context(task.device, task.precision)
    parser = reopened_parser(task.spec.parser, task.parser_key, context)
    return parser, reopened_source(task.spec, task.asked, task.key, parser, context)


def second_opened(task: BlockTask) -> OpenParser | None:
    """The second parser of a task, where it has one."""
    asked = task.spec.second_parser
    if task.second is None or asked is None:
        return None
    return reopened_parser(asked, task.second.parser_key, task.spec.context(task.device, task.precision))


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
