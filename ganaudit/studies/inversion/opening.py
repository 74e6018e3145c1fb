"""Which generators of a run are inverted, and everything that is opened for it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch

from ganaudit import devices, kinds
from ganaudit.context import Context
from ganaudit.encoders.files import check_fit, find_inverter, open_inverter
from ganaudit.encoders.networks import Encoder
from ganaudit.errors import RequestError
from ganaudit.generators.opening import OpenGenerator, open_generator
from ganaudit.generators.shapes import choose_layers, generator_digest, read_shape
from ganaudit.inversion.inverters import NEEDS, Task
from ganaudit.inversion.presets import settings_of
from ganaudit.inversion.search_space import floors
from ganaudit.keys import digest
from ganaudit.parsers.opening import open_parser
from ganaudit.records.store import Store
from ganaudit.sources.planned import Plan
from ganaudit.sources.roles import GENERATED
from ganaudit.spec import AuditSpec, Invert
from ganaudit.studies.inversion.settings import InversionsDone
from ganaudit.studies.inversion.targets import ROLES, Eye
from ganaudit.studies.inversion.work import Names, Work
from ganaudit.training.inverters import InverterRecipe
from ganaudit.training.loop import Budget
from ganaudit.training.making import SMALL, make_inverter

LOG = logging.getLogger("ganaudit.inversion")


@dataclass(frozen=True)
class InversionTask:
    """All inversions in one generator: small, picklable. photo_keys: content keys of the photos, by sample."""

    spec: AuditSpec
    run: str
    place: int
    name: str
    generator_key: str
    photo_keys: dict[str, str]
    parser_key: str
    device: str
    precision: str


def inversion_tasks(planned: Plan) -> tuple[list[InversionTask], list[str]]:
    """One task for each generator that can be run, and a word about each that cannot."""
    if planned.spec.invert is None:
        return [], []
    keys = {sample: s.key for sample, role in ROLES.items() for s in planned.sources if s.role == role}
    tasks, notes = [], []
    for source in planned.sources:
        if source.role != GENERATED:
            continue
        if kinds.live(source.kind) is None:
            notes.append(f"{source.name!r} is not inverted: a source of kind {source.kind!r} is images, not a generator.")
            continue
        tasks.append(
            InversionTask(
                planned.spec, planned.run, source.asked.place, source.name, source.key, keys, planned.parser_key,
                planned.device, planned.precision,
            )
        )  # fmt: skip
    return tasks, notes


def make_inversions(task: InversionTask) -> InversionsDone:
    """Inverts what is not in the store yet. Raises RequestError for a layer or weights that do not exist."""
    torch.set_num_threads(1)
    assert task.spec.invert is not None
    asked, store = task.spec.invert, Store(task.spec.path(task.spec.store))
    try:
        opened = open_for(task.spec, task.place, task.device)
        if isinstance(opened, str):
            return InversionsDone(task.name, (), 0, (f"{task.name!r} is not inverted: {opened}.",))
        choose_layers(read_shape(opened.generator), asked.layer)  # before an inverter is trained
        found, digests, notes = _encoders(task, opened, asked, store.path / "inverters")
        base = base_task(opened, asked, task.spec, task.device, found)
    except RequestError as error:
        raise RequestError(f"{task.name!r} cannot be inverted: {error}") from None
    context = Context.of(task.spec, task.device, task.precision)
    eye = Eye(open_parser(task.spec.parser, context), task.spec.sample.batch, task.device)
    names = Names(task.name, task.run, task.generator_key, task.parser_key, task.photo_keys)
    return Work(task.spec, names, store, eye, base, digests, notes).run()


def open_for(spec: AuditSpec, place: int, device: str) -> OpenGenerator | str:
    """The generator at a place of the audit file, frozen; or why it cannot be inverted."""
    precision = devices.precision(spec.run.precision, device)
    opened = open_generator(spec.generators[place], Context.of(spec, device, precision))
    try:
        read_shape(opened.generator)
        generator_digest(opened.generator)
    except RequestError as error:
        return str(error)
    return opened


def base_task(
    opened: OpenGenerator, asked: Invert, spec: AuditSpec, device: str, encoders: dict[str, Encoder]
) -> Task:  # fmt: skip
    """What all searches in one generator share; nothing is to be found yet. Raises RequestError for an unknown layer."""
    generator, settings = opened.generator, settings_of(asked, encoders, spec.folder, device)
    shape = read_shape(generator)
    nothing = torch.zeros((0, 3, shape.resolution, shape.resolution), device=device)
    return Task(
        generator, shape, choose_layers(shape, asked.layer), settings.objective.targets(nothing), (), settings.objective,
        settings.search, spec.sample.seed, settings.restarts, encoders, floors(generator),
    )  # fmt: skip


def _encoders(
    task: InversionTask, opened: OpenGenerator, asked: Invert, folder: Path
) -> tuple[dict[str, Encoder], dict[str, str], list[str]]:  # fmt: skip
    """The trained inverters that the methods start from, shipped, in the store, or trained now; their digests; notes."""
    generator, mark = opened.generator, generator_digest(opened.generator)
    found: dict[str, Encoder] = {}
    digests: dict[str, str] = {}
    notes: list[str] = []
    for kind in needed(asked):
        path = find_inverter(mark, kind, [folder])
        if path is None and asked.inverter == "auto":
            minutes = asked.inverter_minutes or SMALL[kind]
            LOG.warning("an inverter of kind %s is trained for %r: %g minutes", kind, task.name, minutes)
            recipe = InverterRecipe(kind, asked.layer)
            # What another layer or budget left unfinished is another training: it has a folder of its own.
            unfinished = folder / f"{mark}-{kind}-{digest([asked.layer, minutes])[:8]}"
            path = make_inverter(
                generator, mark, recipe, unfinished, lambda *_: None, Budget(minutes=minutes), device=task.device,
                command="an audit with invert.inverter: auto",
            )  # fmt: skip
            path = path.replace(folder / path.name)
            notes.append(f"an inverter of kind {kind} was trained for {task.name!r} in {minutes:g} minutes.")
        if path is None:
            notes.append(f"{task.name!r} is not inverted by {', '.join(methods_of(asked, kind))}: {without(kind)}.")
            continue
        inverter = open_inverter(path, mark)
        check_fit(inverter, read_shape(generator))
        digests[kind] = inverter.sha256
        found[kind] = inverter.encoder.to(task.device)
    return found, digests, notes


def needed(asked: Invert) -> list[str]:
    """Kinds of trained inverters that the methods start from."""
    return sorted({need for method in asked.methods if (need := NEEDS[method]) is not None})


def methods_of(asked: Invert, kind: str) -> list[str]:
    """The methods asked for that start from an inverter of this kind."""
    return [method for method in asked.methods if NEEDS[method] == kind]


def without(kind: str) -> str:
    """What to do where there is no inverter of a kind."""
    return (
        f"no inverter of kind {kind} is known for it; set invert.inverter: auto, which trains a small one in "
        f"{SMALL[kind]:g} minutes"
    )
