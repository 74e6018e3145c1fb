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
from benchmarks.calibration.scenarios import check_world, variants_of
from benchmarks.calibration.summary import summarise
from benchmarks.calibration.worlds import WORLDS
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
    """What a calibration measured: the table `calibration`, and name, images and classes of the pools that it drew from."""

    table: pa.Table
    pools: tuple[tuple[str, int, int], ...]


@flow(name="calibrate", persist_result=False, validate_parameters=False)
def calibrate(
    store: str,
    run: str | None = None,
    replicates: int = 2000,
    scenes: int | None = None,
    only: str | None = None,
    world: str | None = None,
) -> Calibrated:
    """Renders what is missing of the pools, makes the missing chunks of `replicates`, and sums all of them up.

    run: draw from this run's real images instead of the village and the made-up worlds. scenes: of the village's pool. only:
    one scenario. world: one population. Raises RequestError for a world that does not exist.
    """
    check_world(world)
    opened = Store(store).open_for_writing()
    populations = [PoolSource(run=run) if scenes is None else PoolSource(scenes=scenes, run=run)]
    populations += [] if run is not None else [PoolSource(world=name) for name in WORLDS]
    populations = [source for source in populations if world in (None, source.world)]
    with processes(_workers()) as executor:
        sources = [one for source in populations for one in (source, *variants_of(source, only))]
        for one in sources:
            open_pool(opened, one)
        blocks = [block for source in sources for block in missing_blocks(opened, source)]
        _all("Rendering scenes", [(pool_block, executor, block, block.label) for block in blocks])
        cases = [(source, case, key) for source in populations for case, key in make_cases(opened, source, only)]
        every = [
            Chunk(opened.path, source, case, key, number)
            for source, case, key in cases for number in range(chunks(replicates, source.world, world is not None))
        ]  # fmt: skip
        missing = [each for each in every if not opened.calibration(each.key, each.number).exists()]
        dearest_first = sorted(missing, key=lambda each: (each.number, -each.case.real_images - each.case.generated_images))
        _all("Auditing replicates", [(chunk, executor, each, each.label) for each in dearest_first])
    tables, pools = [], []
    for source in populations:
        pool, number = load(opened.path, source), chunks(replicates, source.world, world is not None)
        files = [(case, [opened.calibration(key, n) for n in range(number)]) for of, case, key in cases if of == source]
        tables.append(summarise(opened, pool, source.name, files))
        pools.append((source.name, len(pool), len(pool.classes)))
        if only is None and world is None:
            opened.write_calibration_table(pool.key, tables[-1])
    return Calibrated(pa.concat_tables(tables), tuple(pools))


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
    store: Path,
    run: str | None,
    replicates: int,
    scenes: int | None,
    only: str | None,
    world: str | None = None,
    tell: Tell | None = None,
) -> Calibrated:
    """The flow on this machine's cores. Raises GanauditError."""
    on_threads = calibrate.with_options(task_runner=threads(_workers() + 1))
    token = _tell.set(tell)
    try:
        with server.answering("finished replicates"):
            return on_threads(str(store), run, replicates, scenes, only, world)
    finally:
        _tell.reset(token)
