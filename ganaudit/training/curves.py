"""Losses of a training as Parquet: one row for each loss and each EVERY steps."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

LOG = logging.getLogger("ganaudit.training")
EVERY = 10
"""Steps whose losses are averaged into one row: a million steps are a hundred thousand rows of each loss."""
SCHEMA = pa.schema(
    {"step": pa.int64(), "images": pa.int64(), "seconds": pa.float64(), "name": pa.string(), "value": pa.float64()}
)
"""step, images and seconds: at the end of the steps that `value` is the mean of. seconds: by the wall clock, of all starts."""


class Curves:
    """The curves of one training. `open`: sums and counts, by loss, of the steps that are in no row yet."""

    def __init__(self, path: Path, steps: int, unfinished: Mapping[str, list[float]]) -> None:
        self._rows = SCHEMA.empty_table()
        if steps and path.exists():
            try:
                self._rows = pq.read_table(path, schema=SCHEMA).filter(pc.field("step") <= steps)
            except (pa.ArrowException, OSError) as error:
                LOG.warning("%s cannot be read (%s): the losses before step %d are lost", path, type(error).__name__, steps)
        self._new: list[dict[str, float | str]] = []
        self._sums = {name: list(pair) for name, pair in unfinished.items()}

    def open(self) -> dict[str, list[float]]:
        return {name: list(pair) for name, pair in self._sums.items()}

    def add(self, step: int, images: int, seconds: float, losses: Mapping[str, float]) -> None:
        """The losses of one step."""
        for name, value in losses.items():
            pair = self._sums.setdefault(name, [0.0, 0])
            pair[0], pair[1] = pair[0] + value, pair[1] + 1
        if step % EVERY == 0:
            self._new += [
                {"step": step, "images": images, "seconds": seconds, "name": name, "value": total / count}
                for name, (total, count) in self._sums.items()
            ]
            self._sums = {}

    def write(self, path: Path) -> None:
        self._rows = pa.concat_tables([self._rows, pa.Table.from_pylist(self._new, schema=SCHEMA)]).combine_chunks()
        self._new = []
        pq.write_table(self._rows, path, compression="zstd")
