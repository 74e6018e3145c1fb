"""What `ganaudit compare` is given: a run, an audit (its newest run), or one of these with a generator or a training of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ganaudit.comparison.finished import FinishedRun, finished
from ganaudit.errors import RequestError
from ganaudit.records import catalog
from ganaudit.records.store import Store
from ganaudit.records.used import UsedSource

BEST = "best"
"""`--baseline best`: of each training, the best checkpoint before the last."""


@dataclass(frozen=True)
class Checkpoint:
    """A generator of a run that is a checkpoint of a training."""

    training: str
    step: int
    generator: str
    corrected: float | None


def chosen(store: Store, text: str) -> FinishedRun:
    """The run that `text` names: RUN, AUDIT, RUN:GENERATOR, RUN:TRAINING, AUDIT:GENERATOR or AUDIT:TRAINING.

    An audit is its newest finished run. With a generator or training, the run holds nothing else, and is called RUN:NAME.
    Raises RequestError where nothing finished is called so.
    """
    if _is_run(store, text):
        return finished(store, text)
    newest = _newest(store)
    if text in newest:
        return finished(store, newest[text])
    for place in (colon.start() for colon in re.finditer(":", text)):
        owner, name = text[:place], text[place + 1 :]
        if _is_run(store, owner) or owner in newest:
            return only(finished(store, newest.get(owner, owner)), name)
    audits = f", nor an audit; audits there are: {', '.join(sorted(newest))}" if newest else ""
    raise RequestError(f"there is no run {text!r} in {store.path}{audits}; `ganaudit runs` lists the runs")


def only(run: FinishedRun, name: str) -> FinishedRun:
    """The run with one generator, or one training's checkpoints, alone. Raises RequestError where it has none of this name."""
    trainings = trainings_of(run)
    kept = [generator.name for generator in run.generators if name in (generator.name, trainings.get(generator.name))]
    if not kept:
        there = [*(generator.name for generator in run.generators), *dict.fromkeys(trainings.values())]
        raise RequestError(f"run {run.run!r} has no generator or training {name!r}; it has {', '.join(there)}")
    return renamed(run, f"{run.run}:{name}", [(generator, generator) for generator in kept])


def renamed(run: FinishedRun, label: str, names: Sequence[tuple[str, str]]) -> FinishedRun:
    """The run called `label`, with these of its generators alone: (name in the run, name from now on)."""
    sources = tuple(source for source in run.sources if source.role != "generated")
    entrants: list[UsedSource] = []
    tables: dict[str, list[dict[str, Any]]] = {table: [] for table in run.tables}
    for old, new in names:
        entrants += [replace(source, name=new) for source in run.generators if source.name == old]
        for table, rows in run.tables.items():
            tables[table] += [{**row, "generator": new} for row in rows if row["generator"] == old]
    return replace(run, run=label, sources=(*sources, *entrants), tables=tables)


def against_one(baseline: FinishedRun, runs: Iterable[FinishedRun]) -> FinishedRun:
    """A baseline of one generator under the name of each generator that is compared with it."""
    (name,) = (generator.name for generator in baseline.generators)
    names = dict.fromkeys(generator.name for run in runs for generator in run.generators)
    return renamed(baseline, baseline.run, [(name, each) for each in names])


def last_against_best(run: FinishedRun) -> tuple[FinishedRun, FinishedRun, list[str]]:
    """(the last checkpoint of each training, the best of those before it under its name, what to know about the choice).

    Best: of the lowest corrected distance. Raises RequestError where no training of the run has two checkpoints with findings.
    """
    by_training: dict[str, list[Checkpoint]] = {}
    for one in checkpoints(run):
        if one.corrected is not None:
            by_training.setdefault(one.training, []).append(one)
    pairs, notes = [], []
    for training, found in by_training.items():
        *before, last = sorted(found, key=lambda checkpoint: checkpoint.step)
        if before:
            best = min(before, key=lambda checkpoint: (checkpoint.corrected, checkpoint.step))
            pairs.append((last, best))
            notes.append(
                f"{best.generator!r} is the best of {len(before)} earlier checkpoints of {training!r} by its corrected FSD"
                + ("; chosen by the same images, it is a little flattered" if len(before) > 1 else "")
            )
    if not pairs:
        raise RequestError(
            f"run {run.run!r} has no training with two checkpoints that have findings; in the audit file, "
            'weights: "ckpt/*.safetensors" makes one generator for each file'
        )
    base = run.run.partition(":")[0]
    last_names = [(last.generator, last.generator) for last, _ in pairs]
    label = f"{base}:{pairs[0][1].generator}" if len(pairs) == 1 else f"{base}:{BEST}"
    return (
        renamed(run, f"{base}:{pairs[0][0].generator}" if len(pairs) == 1 else f"{base}:last", last_names),
        renamed(run, label, [(best.generator, last.generator) for last, best in pairs]),
        notes,
    )


def checkpoints(run: FinishedRun) -> list[Checkpoint]:
    """The checkpoints of trainings that the run has, as the audit file's patterns gave them."""
    corrected = {row["generator"]: row["corrected"] for row in run.tables["fsd"]}
    kept = []
    for written in run.spec.get("generators") or ():
        name, step, training = written.get("name"), written.get("step"), written.get("training")
        if training is not None and step is not None and any(source.name == name for source in run.generators):
            kept.append(Checkpoint(training, step, name, corrected.get(name)))
    return kept


def trainings_of(run: FinishedRun) -> Mapping[str, str]:
    """Generator → training, of those that are checkpoints."""
    return {checkpoint.generator: checkpoint.training for checkpoint in checkpoints(run)}


def _is_run(store: Store, text: str) -> bool:
    try:
        return store.run_sources(text).is_file()
    except RequestError:  # an audit's name may hold what a run's cannot
        return False


def _newest(store: Store) -> dict[str, str]:
    """Audit → its newest finished run."""
    rows = catalog.query(store, "SELECT audit, run FROM latest_runs").to_pylist()
    return {row["audit"]: row["run"] for row in rows}
