"""The calibration as a Prefect flow: blocks of the pools, then chunks of replicates, fanned out over processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from prefect import flow
from prefect.futures import as_completed

from benchmarks.calibration.chunks import Chunk, chunks, make_cases
from benchmarks.calibration.pool import PoolBlock, PoolSource, load, missing_blocks, open_pool
from benchmarks.calibration.processes import processes
from benchmarks.calibration.scenarios import variants_of
from benchmarks.calibration.summary import summarise
from flows import server
from flows.threads import threads
from ganaudit import devices
from ganaudit.records.store import Store
from tasks.calibrate import chunk, pool_block

Tell = Callable[[str, int, int], None]
"""Called with a stage, how much of it is done, and how much there is."""

_tell: ContextVar[Tell | None] = ContextVar("tell", default=None)
"""Not a parameter of the flow: those are sent to the server."""


@dataclass(frozen=True, eq=False)
class Calibrated:
    """What a calibration measured: the table `calibration`, and the pool that it drew from."""

    table: pa.Table
    pool: str
    images: int
    classes: int


@flow(name="calibrate", persist_result=False, validate_parameters=False)
def calibrate(
    store: str, run: str | None = None, replicates: int = 2000, scenes: int | None = None, only: str | None = None
) -> Calibrated:
    """Renders what is missing of the pools, makes the missing chunks of `replicates`, and sums all of them up.

    run: draw from this run's real images instead of the village. scenes: of the village's pool. only: one scenario.
    """
    opened = Store(store).open_for_writing()
    source = PoolSource(run=run) if scenes is None else PoolSource(scenes=scenes, run=run)
    with processes(_workers()) as executor:
        sources = [source, *variants_of(source, only)]
        for one in sources:
            open_pool(opened, one)
        blocks = [block for source in sources for block in missing_blocks(opened, source)]
        _all("Rendering scenes", [(pool_block, executor, block, block.label) for block in blocks])
        pool = load(opened.path, source)
        cases = make_cases(opened, source, only)
        every = [[Chunk(opened.path, source, case, key, number) for number in range(chunks(replicates))] for case, key in cases]
        numbered = [each for of_case in zip(*every, strict=True) for each in of_case]
        missing = [each for each in numbered if not opened.calibration(each.key, each.number).exists()]
        _all("Auditing replicates", [(chunk, executor, each, each.label) for each in missing])
    files = [(case, [opened.calibration(key, number) for number in range(chunks(replicates))]) for case, key in cases]
    table = summarise(opened, pool, files)
    if only is None:
        opened.write_calibration_table(pool.key, table)
    return Calibrated(table, pool.key, len(pool), len(pool.classes) - 1)


def _all(stage: str, calls: Sequence[tuple[Any, ProcessPoolExecutor, PoolBlock | Chunk, str]]) -> None:
    """Every task, or the first error when all have ended: what the others wrote is worth having."""
    tell = _tell.get()
    if tell is not None:
        tell(stage, 0, len(calls))
    futures = [task.submit(executor, argument, label) for task, executor, argument, label in calls]
    first_error: Exception | None = None
    for done, future in enumerate(as_completed(futures), start=1):
        try:
            future.result()
        except Exception as error:
            first_error = first_error or error
        if tell is not None:
            tell(stage, done, len(calls))
    if first_error is not None:
        raise first_error


def _workers() -> int:
    return devices.workers("auto", "cpu")


def run(
    store: Path, run: str | None, replicates: int, scenes: int | None, only: str | None, tell: Tell | None = None
) -> Calibrated:
    """The flow on this machine's cores. Raises GanauditError."""
    on_threads = calibrate.with_options(task_runner=threads(_workers() + 1))
    token = _tell.set(tell)
    try:
        with server.answering("finished replicates"):
            return on_threads(str(store), run, replicates, scenes, only)
    finally:
        _tell.reset(token)
