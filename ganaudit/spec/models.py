"""The parts of the audit file, as frozen pydantic models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from ganaudit import paths
from ganaudit.context import Context
from ganaudit.fields import Count, Decimal, Name, Place, Seed, Whole
from ganaudit.kinds import options_at
from ganaudit.kinds.mistakes import nearest
from ganaudit.names import as_read
from ganaudit.options import FetchedFile, ParserPart, Part, Source
from ganaudit.spec.studies import Invert, RealSpec, Steer

GeneratorSpec = Annotated[SerializeAsAny[Source], options_at("generators")]
ParserSpec = Annotated[SerializeAsAny[ParserPart], options_at("parser")]
TruthSpec = Annotated[SerializeAsAny[Source], options_at("truth")]


class Sample(Part):
    """How generators are sampled."""

    count: Count = 4000
    seed: Seed = 1
    batch: Annotated[Whole, Field(gt=0, le=1024)] = 64
    """Images a batch; divides 1,024."""

    @model_validator(mode="after")
    def _divides(self) -> Sample:
        if 1024 % self.batch:
            raise ValueError(f"batch {self.batch} does not divide a block of 1024 images; use 32, 64 or 128")
        return self


def _own_or_percent(value: Any, validated: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validated(value)
    except ValidationError:
        raise ValueError(f"{value!r} is neither own nor a percentage from 0 to below 100") from None


class Decide(Part):
    """Where findings draw their lines."""

    alpha: Annotated[Decimal, Field(ge=1e-6, le=0.5)] = 0.05
    """Share of wrong verdicts that is accepted; intervals are at 1 - alpha."""
    dropped: Annotated[Decimal, Field(gt=0.0, lt=1.0)] = 0.1
    """A class is dropped when it is beyond doubt made less than this share of what real images hold."""
    reduced: Annotated[Decimal, Field(gt=0.0, lt=1.0)] = 0.8
    """Reduced below this share; between reduced and increased it is equivalent."""
    increased: Annotated[Decimal, Field(gt=1.0, le=1e6)] = 1.25
    """Increased above this."""
    permutations: Annotated[Whole, Field(ge=0, le=100_000)] = 99
    """Permutations for the p-value of the distance; 0: none. Of k generators p cannot be below k / (permutations + 1)."""

    presence: Annotated[Literal["own"] | Annotated[Decimal, Field(ge=0.0, lt=100.0)], WrapValidator(_own_or_percent)] = "own"
    """A class is present in an image where its largest connected region has the size that it has in nineteen of twenty real
    images which hold it; or from this percentage of the image's pixels on. Never below 4 pixels."""

    @property
    def presence_percent(self) -> float | None:
        """The percentage; None where every class has its own size."""
        return None if self.presence == "own" else self.presence

    @model_validator(mode="after")
    def _in_order(self) -> Decide:
        if self.dropped >= self.reduced:
            raise ValueError(f"dropped {self.dropped:g} is not below reduced {self.reduced:g}; dropped is the harder verdict")
        return self


class Slice(Part):
    """A part of the images: a condition over the columns of `images`; in the audit file, one text for both sides, or two."""

    real: Annotated[str, Field(min_length=1)] | None = None
    """WHERE on the real images; all of them by default."""
    generated: Annotated[str, Field(min_length=1)] | None = None
    """WHERE on the generated images; all of them by default."""


def _both_sides(value: Any) -> Any:
    return {"real": value, "generated": value} if isinstance(value, str) else value


class Run(Part):
    """Where the work is done."""

    runner: Literal["threads", "dask"] = "threads"
    """threads of the command's own process, or the workers of a Dask cluster (`pip install 'ganaudit[dask]'`)."""
    workers: Annotated[Whole, Field(gt=0, le=1024)] | Literal["auto"] = "auto"
    """Blocks worked on at once; auto: one for each core, or one for each GPU. With an address: workers that must be there."""
    readers: Annotated[Whole, Field(ge=0, le=256)] | Literal["auto"] = "auto"
    """Processes that decode stored images ahead of the network, beside each process that works on blocks; auto: none on a
    CPU, where blocks decode side by side, and up to 8 of the cores beside a GPU."""
    address: Annotated[str, Field(min_length=1)] | None = None
    """Of a Dask scheduler, such as tcp://head:8786; default: a cluster on this machine, for the time of the run."""
    device: Name = "auto"
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of the parser. auto: bfloat16 on cpu and cuda, float32 elsewhere. Generators have their own, float32 on a processor."""
    block_minutes: Annotated[Decimal, Field(gt=0.0, le=7 * 24 * 60)] | None = None
    """Minutes by the wall clock that one block, or one opening, may take, before the run fails and names it; default: any."""
    memory: Annotated[Decimal, Field(gt=0.0, le=1.0)] = 0.9
    """Share of the machine's memory (or its container's) that this process may hold, before the run fails in a sentence."""

    @model_validator(mode="after")
    def _address_of_a_cluster(self) -> Run:
        if self.address is not None and self.runner != "dask":
            raise ValueError(f"address {self.address!r} is that of a Dask scheduler; it goes with runner: dask")
        return self


Figure = Literal[
    "relative_change", "area_ratio", "presence_ratio", "count_ratio", "real_area", "generated_area", "real_presence",
    "generated_presence", "fsd", "corrected", "rank",
]  # fmt: skip
OF_A_GENERATOR = ("fsd", "corrected", "rank")
"""Figures that are of no class."""


class Expected(Part):
    """A published value, which a run is held against."""

    generator: Name
    figure: Figure
    """relative_change: of mean area, (generated - real) / real. Areas are in percent of pixels, presences shares of images.
    fsd is the plain distance, corrected the one without its bias, rank the place by it."""
    class_name: Name | None = Field(None, validation_alias=AliasChoices("class", "class_name"))
    """The class that the figure is of."""
    value: Decimal
    within: Annotated[Decimal, Field(ge=0.0)] = 0.0
    """What the value may be off by itself: its rounding, or how it was read off a picture."""
    images: Count | None = None
    """Images of each side that it was measured on: then it has a sampling error of its own, which is counted too."""
    source: Name
    """Where it stands."""

    @model_validator(mode="after")
    def _of_a_class(self) -> Expected:
        if (self.class_name is None) != (self.figure in OF_A_GENERATOR):
            needs = "is of no class; leave class out" if self.class_name is not None else "is of a class; name it in class"
            raise ValueError(f"{self.figure} {needs}")
        return self


class AuditSpec(Part):
    """One audit: real images, generators, a parser, and how much of each."""

    name: Name
    store: Place = Path("audits")
    """The folder that keeps the records."""
    parser: ParserSpec
    real: RealSpec
    generators: Annotated[tuple[GeneratorSpec, ...], Field(min_length=1)]
    sample: Sample = Sample()
    decide: Decide = Decide()
    second_parser: ParserSpec | None = None
    """Another parser that reads the same images: how far both agree, and what becomes of the verdicts."""
    truth: TruthSpec | None = None
    """Images with true label maps: what the parser itself is worth, and class findings corrected for its error."""
    groups: dict[Name, Annotated[tuple[Name, ...], Field(min_length=1)]] = Field(default_factory=dict)
    """Named groups of classes that get a verdict together."""
    slices: dict[Name, Annotated[Slice, BeforeValidator(_both_sides)]] = Field(default_factory=dict)
    """Parts of the images that get verdicts of their own: a WHERE over the columns of `images`."""
    accept: dict[Name, tuple[Name, ...]] = Field(default_factory=dict)
    """Generator → classes whose omission is known and accepted: they are no regression."""
    expect: tuple[Expected, ...] = ()
    """Published values that the run is held against: met or not within sampling error."""
    heldout: RealSpec | None = None
    """Images that no generator was trained on, as a source of their own; or `heldout: N` on the real side."""
    invert: Invert | None = None
    """Held-out photos beside the nearest thing each generator can make; default: none are inverted."""
    steer: Steer | None = None
    """How far each generator can be moved, and why it stops; default: none is moved."""
    fetch: tuple[FetchedFile, ...] = ()
    """Further files that it needs, such as the others in a folder of weights, for `ganaudit fetch`."""
    run: Run = Run()
    folder: Place = Path()
    """Where relative paths and modules start from; an audit file's own folder by default."""

    @property
    def train(self) -> Source | None:
        """Photos that the generators were trained on, to be inverted."""
        return None if self.invert is None else self.invert.train

    @model_validator(mode="after")
    def _one_name_each(self) -> AuditSpec:
        further = [source for source in (self.truth, self.heldout, self.train) if source is not None]
        names = [source.name for source in (self.real, *self.generators, *further)]
        read = [as_read(name) for name in names]
        twice = sorted({name for name, alike in zip(names, read, strict=True) if read.count(alike) > 1})
        if twice:
            raise ValueError(f"two sources have one name, as people read it: {', '.join(map(repr, twice))}; give each its own")
        return self

    @model_validator(mode="after")
    def _held_out(self) -> AuditSpec:
        for source in (*self.generators, *(source for source in (self.truth, self.heldout, self.train) if source is not None)):
            if source.heldout is not None:
                raise ValueError(f"source {source.name!r}: heldout stands on the real side alone")
        if self.real.heldout is not None and self.heldout is not None:
            raise ValueError("heldout is given twice: as a source of its own and on the real side; keep one")
        if self.invert is not None and self.real.heldout is None and self.heldout is None:
            raise ValueError(
                "invert needs photos that no generator was trained on: a source heldout, or heldout: N on the real side"
            )
        return self

    @model_validator(mode="after")
    def _said_of_generators(self) -> AuditSpec:
        names = [source.name for source in self.generators]
        for name in self.accept:
            if name not in names:
                raise ValueError(f"accept.{name}: no generator has this name{nearest(name, names)}")
        for place, theirs in enumerate(() if self.invert is None else self.invert.reconstructions):
            if theirs.generator not in names:
                raise ValueError(
                    f"invert.reconstructions[{place}].generator: no generator has the name {theirs.generator!r}"
                    f"{nearest(theirs.generator, names)}"
                )
        for place, expected in enumerate(self.expect):
            if expected.generator not in names:
                raise ValueError(
                    f"expect[{place}].generator: no generator has the name {expected.generator!r}"
                    f"{nearest(expected.generator, names)}"
                )
        return self

    def context(self, device: str, precision: str, anew: bool = False) -> Context:
        """What opening needs to know of it. anew: see `Context`."""
        cache = self.path(self.store) / "cache"
        return Context(self.folder, device, precision, self.sample.seed, cache=cache, batch=self.sample.batch, anew=anew)

    def path(self, value: Path | str) -> Path:
        """`value`, from the audit's folder where it is relative."""
        return paths.resolved(self.folder / paths.request(value, "the path"), "the path")
