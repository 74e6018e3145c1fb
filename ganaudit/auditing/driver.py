"""The one way through an audit: study by study, stage by stage. The library and the Prefect flow differ in `do` alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field

import torch

from ganaudit.keys import canonical
from ganaudit.records.store import Store
from ganaudit.sources import readers
from ganaudit.sources.planned import Plan
from ganaudit.studies import protocol
from ganaudit.studies.protocol import Done, Shard, Stage, Study

Do = Callable[[Sequence[Shard]], Iterator[tuple[Shard, Done]]]
"""Does shards in any order, anywhere, and yields each when its files stand."""


@dataclass
class Progress:
    """How far a run is. Told of every stage and of every shard that is done; made anew for each run."""

    plan: Plan
    stage: Stage | None = None
    study: str = ""
    done: Counter[str] = field(default_factory=Counter)
    """Images done in this run, by stage."""
    listeners: list[Callable[[Progress, Shard | None, Done | None], None]] = field(default_factory=list)

    def begin(self, study: str, stage: Stage) -> None:
        self.study, self.stage = study, stage
        self._tell(None, None)

    def add(self, shard: Shard, done: Done) -> None:
        assert self.stage is not None
        self.done[self.stage.name] += done.images
        self._tell(shard, done)

    def _tell(self, shard: Shard | None, done: Done | None) -> None:
        for listener in self.listeners:
            listener(self, shard, done)


def drive(plan: Plan, store: Store, do: Do, progress: Progress) -> Mapping[str, int]:
    """Takes every study of an audit through its stages; returns the images that were worked on now, by stage.

    Which records a stage uses is written before they are made, so that nobody prunes them.
    """
    with readers.lent():
        for study in protocol.asked_for(plan.spec):
            for stage in study.stages(plan, store):
                keys = [{**asdict(key), "variant": canonical(dict(key.variant))} for key in stage.keys]
                store.write_run_keys(plan.run, study.name, stage.name, keys, stage.notes)
                progress.begin(study.name, stage)
                for shard, done in do(stage.shards):
                    progress.add(shard, done)
    return progress.done


def on_threads(workers: int) -> Do:
    """Threads of this process. The first failure stops what has not started."""

    def do(shards: Sequence[Shard]) -> Iterator[tuple[Shard, Done]]:
        if not shards:
            return
        before = torch.get_num_threads()
        try:
            with ThreadPoolExecutor(min(workers, len(shards)), "ganaudit-shard") as pool:
                waiting: dict[Future[Done], Shard] = {pool.submit(protocol.work, shard): shard for shard in shards}
                try:
                    while waiting:
                        ready, _ = wait(waiting, return_when=FIRST_COMPLETED)
                        for future in ready:
                            yield waiting.pop(future), future.result()
                finally:
                    pool.shutdown(wait=False, cancel_futures=True)
        finally:
            torch.set_num_threads(before)

    return do


def stage_names(studies: Sequence[Study]) -> list[tuple[str, str]]:
    """(study, stage) of all that an audit may go through, in order."""
    return [(study.name, name) for study in studies for name in study.stage_names]
