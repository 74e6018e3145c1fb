"""The stages of a calibration: one block of a pool, or one chunk of replicates, each in a process of its own."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor

from prefect import task

from benchmarks.calibration.chunks import Chunk, make_chunk
from benchmarks.calibration.pool import PoolBlock, make_block
from benchmarks.calibration.processes import run_in
from tasks.work import may_pass


@task(
    name="pool block", task_run_name="{label}", retries=2, retry_delay_seconds=[2, 15], retry_condition_fn=may_pass,
    persist_result=False,
)  # fmt: skip
def pool_block(executor: ProcessPoolExecutor, block: PoolBlock, label: str) -> None:
    """Renders and counts one block of scenes."""
    run_in(executor, make_block, block)


@task(
    name="chunk", task_run_name="{label}", retries=2, retry_delay_seconds=[2, 15], retry_condition_fn=may_pass,
    persist_result=False,
)  # fmt: skip
def chunk(executor: ProcessPoolExecutor, todo: Chunk, label: str) -> None:
    """Draws and audits one chunk of replicates."""
    run_in(executor, make_chunk, todo)
