"""What is opened to invert: parser, sources, generators, inverters, and what all searches in one generator share.

Everything is opened once a process (see `Context.opened`), and known by its content: a changed file is opened anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch

from ganaudit.encoders import OWN_ENCODER
from ganaudit.encoders.files import OpenInverter, check_fit, find_inverter, open_inverter
from ganaudit.encoders.networks import Encoder
from ganaudit.encoders.own import OwnEncoder, own_encoder
from ganaudit.errors import AuditError, RequestError
from ganaudit.generators.protocol import Generator
from ganaudit.generators.shapes import choose_layers, generator_digest, read_shape
from ganaudit.inversion.inverters import InversionTask
from ganaudit.inversion.methods import needs
from ganaudit.inversion.search_space import nonnegative_layers
from ganaudit.keys import canonical
from ganaudit.parsers.opening import OpenParser
from ganaudit.sources.opening import GeneratorSource, OpenSource
from ganaudit.sources.planned import Plan, PlannedSource
from ganaudit.sources.reopening import reopened_parser, reopened_source
from ganaudit.sources.roles import GENERATED, OWN, SourceRole
from ganaudit.spec import AuditSpec, Invert
from ganaudit.studies.inversion.asked import settings_of
from ganaudit.studies.setup import StudySetup
from ganaudit.training.making import SMALL

Inverters = Sequence[tuple[str, str]]
"""Trained inverters: (kind, digest of the file)."""


@dataclass(frozen=True)
class Setup(StudySetup):
    """What all shards of this study share."""

    @property
    def asked(self) -> Invert:
        assert self.spec.invert is not None
        return self.spec.invert


@dataclass(frozen=True)
class InversionShard:
    """What all shards of this study are alike in."""

    setup: Setup

    study: ClassVar[str] = "inversion"

    @property
    def spec(self) -> AuditSpec:
        return self.setup.spec


@dataclass(frozen=True)
class Invertible:
    """A generator that can be inverted. key: of its samples; own, own_key: the source of its own samples."""

    place: int
    name: str
    key: str
    own: SourceRole
    own_key: str


def setup_of(plan: Plan) -> Setup:
    return Setup(plan.spec, plan.device, plan.precision, plan.parser_key)


def reason(generator: Generator) -> str | None:
    """Why a generator cannot be inverted; None where it can."""
    try:
        read_shape(generator)
        generator_digest(generator)
    except RequestError as error:
        return str(error)
    return None


def invertible(plan: Plan) -> tuple[list[Invertible], list[str]]:
    """The generators of a plan that can be inverted, and a sentence about each that cannot, or has more classes than one."""
    own = {source.asked.place: source for source in plan.sources if source.role == OWN}
    generators: list[Invertible] = []
    notes: list[str] = []
    assert plan.spec.invert is not None
    for source in plan.sources if plan.spec.invert.searched else ():
        if source.role != GENERATED:
            continue
        place = source.asked.place
        if place in own:
            mine = own[place]
            generators.append(Invertible(place, source.name, source.key, mine.asked, mine.key))
            if _several_classes(generator_of(setup_of(plan), generators[-1])):
                notes.append(
                    f"{source.name!r} has classes, and each photo is searched for in a class that its index draws: what is "
                    "missing may be of another one. Give the generator a label, and photos of that class."
                )
        else:
            notes.append(f"{source.name!r} is not inverted: {_why_not(setup_of(plan), source)}.")
    return generators, notes


def _several_classes(generator: Generator) -> bool:
    label = generator.latents(0, torch.arange(64)).get("label")
    return label is not None and bool((label != label[0]).any())


def _why_not(setup: Setup, source: PlannedSource) -> str:
    opened = source_of(setup, source.asked, source.key)
    if not isinstance(opened, GeneratorSource):
        return f"a source of kind {source.kind!r} is images, not a generator"
    return reason(opened.generator) or "it has no own samples"


def parser_of(setup: Setup) -> OpenParser:
    return reopened_parser(setup.spec.parser, setup.parser_key, setup.context)


def source_of(setup: Setup, asked: SourceRole, key: str) -> OpenSource:
    """A source in its role."""
    return reopened_source(setup.spec, asked, key, parser_of(setup), setup.context)


def generator_of(setup: Setup, which: Invertible) -> Generator:
    opened = source_of(setup, which.own, which.own_key)
    assert isinstance(opened, GeneratorSource)
    return opened.generator


def frame(resolution: int | Sequence[int]) -> tuple[int, int]:
    """Height and width of a generator's images: its resolution is one side of a square, or both."""
    return (resolution, resolution) if isinstance(resolution, int) else (resolution[0], resolution[1])


def base_of(setup: Setup, which: Invertible, inverters: Inverters = ()) -> InversionTask:
    """What all searches in one generator share, with the trained inverters of these digests; nothing is to be found yet.

    Raises RequestError for an unknown layer, AuditError where the inverters' files are not the same any more.
    """
    decisive = setup.asked.model_dump(mode="json", exclude={"images", "own", "masked", "train", "train_images", "inverter"})
    name = canonical([
        "base", which.own_key, which.key, setup.device, str(setup.spec.folder), setup.spec.sample.seed, decisive, inverters
    ])  # fmt: skip
    try:
        return setup.context.opened(
            name, lambda: base_task(setup, generator_of(setup, which), _encoders(setup, which, dict(inverters)))
        )
    except RequestError as error:
        raise RequestError(f"{which.name!r} cannot be inverted: {error}") from None


def base_task(setup: Setup, generator: Generator, encoders: Mapping[str, Encoder | OwnEncoder]) -> InversionTask:
    asked, shape = setup.asked, read_shape(generator)
    settings = settings_of(asked, encoders, setup.spec.folder, setup.device)
    nothing = torch.zeros((0, 3, *frame(shape.resolution)), device=setup.device)
    return InversionTask(
        generator, shape, choose_layers(shape, asked.layer), settings.objective.targets(nothing), (), settings.objective,
        settings.search, setup.spec.sample.seed, settings.restarts, encoders, nonnegative_layers(generator),
    )  # fmt: skip


def _encoders(setup: Setup, which: Invertible, digests: Mapping[str, str]) -> dict[str, Encoder | OwnEncoder]:
    encoders = inverters_of(setup, which, list(digests))
    for kind, digest in digests.items():
        if kind not in encoders or encoders[kind].sha256 != digest:
            raise AuditError(
                f"the inverter of kind {kind} for {which.name!r} is not here as it was when the audit was planned; "
                "every worker sees the folder of the store, and the same version of ganaudit"
            )
    return {kind: encoders[kind].encoder for kind in digests}


def inverters_of(setup: Setup, which: Invertible, kinds: Sequence[str]) -> dict[str, OpenInverter | OwnEncoder]:
    """The inverters that there are for a generator, by kind, on the device: in the store or shipped, or its own encoder."""
    generator = generator_of(setup, which)
    mark, encoders = mark_of(setup, which), dict[str, OpenInverter | OwnEncoder]()
    for kind in kinds:
        if kind == OWN_ENCODER:
            if (mine := own_encoder(generator)) is not None:
                encoders[kind] = mine
            continue
        path = find_inverter(mark, kind, [inverters_folder(setup)])
        if path is not None:
            name = f"inverter {mark} {path} {path.stat().st_mtime_ns} {setup.device}"
            encoders[kind] = setup.context.opened(name, lambda path=path: _inverter(path, mark, generator, setup.device))  # type: ignore[misc]
    return encoders


def _inverter(path: Path, mark: str, generator: Generator, device: str) -> OpenInverter:
    opened = open_inverter(path, mark)
    check_fit(opened, read_shape(generator))
    return replace(opened, encoder=opened.encoder.to(device))


def mark_of(setup: Setup, which: Invertible) -> str:
    """What an inverter of a generator belongs to."""
    return setup.context.opened(f"mark {which.own_key} {setup.device}", lambda: generator_digest(generator_of(setup, which)))


def inverters_folder(setup: Setup) -> Path:
    """Where inverters that audits trained are."""
    return setup.store.path / "inverters"


def needed(asked: Invert) -> list[str]:
    """Kinds of trained inverters that the methods start from."""
    return sorted({need for method in asked.searched if (need := needs(method)) is not None})


def methods_of(asked: Invert, kind: str) -> list[str]:
    """The methods asked for that start from an inverter of this kind."""
    return [method for method in asked.searched if needs(method) == kind]


def without(kind: str) -> str:
    """What to do where there is no inverter of a kind."""
    if kind == OWN_ENCODER:
        return "it has no encoder of its own"
    return (
        f"no inverter of kind {kind} is known for it; set invert.inverter: auto, which trains a small one in "
        f"{SMALL[kind]:g} minutes"
    )
