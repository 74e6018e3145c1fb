"""What is opened to steer: parser, sources, generators, walks; and which walks an audit asks for in which generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from ganaudit.errors import AuditError, RequestError
from ganaudit.generators.protocol import Generator, size_of
from ganaudit.generators.shapes import generator_digest
from ganaudit.parsers.opening import OpenParser
from ganaudit.sources.opening import GeneratorSource, OpenSource
from ganaudit.sources.planned import Plan
from ganaudit.sources.reopening import reopened_parser, reopened_source
from ganaudit.sources.roles import GENERATED, REAL, SourceRole
from ganaudit.spec import AuditSpec, Steer
from ganaudit.steering.edits import Edit, edit_named
from ganaudit.steering.files import OpenWalk, open_walk
from ganaudit.steering.spaces import space_named
from ganaudit.steering.walks import WalkShape
from ganaudit.studies.setup import StudySetup
from ganaudit.training.walks import refuse_without_gradients


@dataclass(frozen=True)
class Setup(StudySetup):
    """What all shards of this study share."""

    @property
    def asked(self) -> Steer:
        assert self.spec.steer is not None
        return self.spec.steer


@dataclass(frozen=True)
class SteeringShard:
    """What all shards of this study are alike in."""

    setup: Setup

    study: ClassVar[str] = "steering"

    @property
    def spec(self) -> AuditSpec:
        return self.setup.spec


@dataclass(frozen=True)
class Steerable:
    """A source of the plan in its role: a generator that is moved, or real images. key: of its records; digest: what walks of a
    generator belong to; size: (height, width) of its images."""

    role: SourceRole
    name: str
    key: str
    digest: str
    size: tuple[int, int]


@dataclass(frozen=True)
class AskedWalk:
    """A walk that an audit asks for in a generator. alphas: the strengths that are looked at, ascending."""

    which: Steerable
    shape: WalkShape
    alphas: tuple[float, ...]

    @property
    def edit(self) -> Edit:
        return self.shape.opened()[0]

    @property
    def name(self) -> str:
        """Such as `zoom in z, linear`."""
        return f"{self.shape.edits[0]} in {self.shape.space}, {self.shape.kind}"

    @property
    def origin(self) -> int:
        """Place of the identity among the strengths."""
        return min(range(len(self.alphas)), key=lambda place: abs(self.alphas[place] - self.edit.identity))


def setup_of(plan: Plan) -> Setup:
    return Setup(plan.spec, plan.device, plan.precision, plan.parser_key)


def parser_of(setup: Setup) -> OpenParser:
    return reopened_parser(setup.spec.parser, setup.parser_key, setup.context)


def source_of(setup: Setup, which: Steerable) -> OpenSource:
    """A source in its role."""
    return reopened_source(setup.spec, which.role, which.key, parser_of(setup), setup.context)


def generator_of(setup: Setup, which: Steerable) -> GeneratorSource:
    opened = source_of(setup, which)
    assert isinstance(opened, GeneratorSource)
    return opened


def walks_folder(setup: Setup) -> Path:
    """Where walks that audits trained are."""
    return setup.store.path / "walks"


def walk_of(setup: Setup, asked: AskedWalk, path: Path, sha256: str) -> OpenWalk:
    """A trained walk on the device. Raises AuditError where its tensors are not the same any more."""

    def opened() -> OpenWalk:
        found = open_walk(path, asked.which.digest)
        if found.digest != sha256:
            raise AuditError(
                f"the walk {path} is not the one that the audit was planned with; delete it and run the audit again"
            )
        return replace(found, walk=found.walk.to(setup.device).eval())

    return setup.context.opened(f"walk {sha256} {asked.which.digest} {path} {setup.device}", opened)


def real_images(plan: Plan) -> Steerable:
    """The real side."""
    source = next(source for source in plan.sources if source.role == REAL)
    return Steerable(source.asked, source.name, source.key, "", (0, 0))


def steerable(plan: Plan) -> tuple[list[AskedWalk], list[str]]:
    """Every walk that is asked for, generator by generator, and a sentence on each that there cannot be."""
    setup, walks, notes = setup_of(plan), list[AskedWalk](), list[str]()
    for source in plan.sources:
        if source.role != GENERATED:
            continue
        opened = source_of(setup, Steerable(source.asked, source.name, source.key, "", (0, 0)))
        if not isinstance(opened, GeneratorSource):
            notes.append(f"{source.name!r} is not steered: a source of kind {source.kind!r} is images, not a generator.")
            continue
        try:
            which = Steerable(
                source.asked, source.name, source.key, generator_digest(opened.generator), size_of(opened.generator)
            )
            walks += asked_walks(setup.asked, which, opened.generator)
        except RequestError as error:
            notes.append(f"{source.name!r} is not steered: {str(error).rstrip('.')}.")
    return walks, notes


def asked_walks(asked: Steer, which: Steerable, generator: Generator) -> list[AskedWalk]:
    """Each edit in each space, each kind of walk. Raises RequestError for a space or strengths that cannot be, and for a
    generator without gradients."""
    refuse_without_gradients(generator)
    spaces = dict.fromkeys(space_named(generator, name).name for name in asked.spaces)
    return [
        AskedWalk(which, WalkShape.of(generator, space_named(generator, space), kind, edit), strengths(asked, edit, which.size))
        for edit in asked.edits for space in spaces for kind in asked.walks
    ]  # fmt: skip


def strengths(asked: Steer, edit: str, size: tuple[int, int]) -> tuple[float, ...]:
    """The α of an edit, ascending. Raises RequestError for one that images of `size` cannot hold, or without the identity."""
    opened = edit_named(edit)
    if edit in asked.at:
        given = sorted(set(asked.at[edit]))
        opened.check(given, size, whole_grid=True)
        return tuple(given)
    return tuple(opened.grid(asked.alphas, size, asked.reach).tolist())


def checked(asked: Steer, sources: Sequence[OpenSource]) -> None:
    """Raises RequestError for edits, walks, and strengths that no generator of the audit can hold."""
    for source in sources:
        if not isinstance(source, GeneratorSource):
            continue
        size = size_of(source.generator)
        for edit in asked.edits:
            try:
                strengths(asked, edit, size)
            except RequestError as error:
                raise RequestError(f"steer: {error}") from None
