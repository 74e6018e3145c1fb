"""What the options of a kind are made of: frozen models with a sentence under each key. Imports nothing heavy."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ganaudit import links
from ganaudit.fields import Count, Name, PathText, Photos, Size, Step, Whole

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
FACTORY = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
"""How `module:factory` is spelt."""


def _json(options: dict[str, Any]) -> dict[str, Any]:
    """Options enter the content key, so they are what JSON can hold: no dates (YAML makes some unasked), no NaN."""
    for name, value in options.items():
        try:
            json.dumps(value, allow_nan=False, sort_keys=True)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the value of {name!r} cannot enter a content key: {error}; write it in quotes") from None
    return options


Options = Annotated[dict[str, Any], AfterValidator(_json)]
_one_or_more = BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)
Files = Annotated[tuple[PathText, ...], _one_or_more]
Links = Annotated[tuple[Annotated[str, AfterValidator(links.checked)], ...], _one_or_more]


class Part(BaseModel):
    """A part of the audit file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, use_attribute_docstrings=True)


class Origin(Part):
    """A file: how it is known, and where it can be had."""

    sha256: Digest | None = None
    """The weights file must have this digest."""
    bytes: Annotated[Whole, Field(gt=0, lt=2**50)] | None = None
    """And this size."""
    url: Links = ()
    """Where `ganaudit fetch` gets it: https, http or hf://OWNER/NAME/FILE; of several, the next where one fails. After a #, the
    file inside a zip or tar."""

    @model_validator(mode="after")
    def _of_a_file(self) -> Origin:
        weights = getattr(self, "weights", "")
        if self.url and (weights is None or weights.startswith("builtin:")):
            raise ValueError("url is where a file is downloaded from; name the file it becomes in weights, or leave url out")
        return self


class FetchedFile(Origin):
    """A further file that an audit needs."""

    path: PathText
    """Where it lies, from the audit file's folder."""
    url: Annotated[Links, Field(min_length=1)]
    """Where `ganaudit fetch` gets it."""


class ParserPart(Part):
    """What reads images: what every kind has."""

    kind: str
    """The kind of parser."""


class Source(Part):
    """Where images come from: what every kind has."""

    name: Name
    """What people call it. Names live in the run, never in the records."""
    count: Count | None = None
    """Images to audit; a collection's default is all of them, a generator's is `sample.count`."""
    heldout: Photos | None = None
    """Of the real side alone: so many images after those counted, which no generator was trained on, are inverted."""
    kind: str
    """The kind of source."""


class TrainedSource(Source):
    """What is known of a generator's training."""

    step: Step | None = None
    """The training step of the weights; default: what their card or metadata says."""
    step_from: Name | None = None
    """Where a pattern's steps were read from: card, metadata, file name."""
    training: Name | None = None
    """The training that it is a checkpoint of; a pattern in `weights` fills it in."""
    rounding: Literal["nearest", "down"] = "nearest"
    """How a generator's images become 8 bits; down: every value to the next lower one, as scripts do that cut off the decimals
    of (x + 1) · 127.5; those that cut off the decimals of 127.5 · x + 128, as NVIDIA's, round to the nearest."""


class WeightsSource(Origin, TrainedSource):
    """A generator of a known family, with its weights."""

    weights: PathText
    """A file, or builtin:NAME; a pattern such as ckpt/*.safetensors: one generator for each file."""


class FactoryPart(Origin):
    """What users' own generators, collections and parsers have."""

    kind: Annotated[str, Field(pattern=FACTORY)]
    """module:factory"""
    weights: PathText | None = None
    """A file or a folder; its path is passed to the factory as `weights`."""
    options: Options = {}
    """Keyword arguments of the factory."""
    files: Files = ()
    """More files or folders that it reads: their content enters the key, their paths are passed as `files`."""
    threads: Literal[1] | None = None
    """1: it is called by one thread at a time; default: by several at once."""


class FactorySource(FactoryPart, TrainedSource):
    """Your own generator or collection: `module:factory`, found beside the audit file."""

    weights: PathText | None = None
    """A file, a folder, or a pattern; its path is passed to the factory as `weights`."""
    resize: Size | None = None
    """Side, or [height, width], in pixels; default: what the parser wants."""
    how: Literal["crop", "stretch"] = "crop"
    """crop: short side to size, centre cut out. stretch: both sides to size."""


class FactoryParser(FactoryPart, ParserPart):
    """Your own parser: `module:factory`, found beside the audit file."""


OF_CODES = "of codes"
"""Stands in the annotation of an option that decides what a generator's encoder says, not what is sampled."""

IN_RECIPE = "in the recipe"
"""Of one that a model's recipe says as what it came to, where that is not the default."""


def chosen(options: Part) -> dict[str, Any]:
    """The options of a kind's own that were set to something else than their default: what enters a sample's key."""
    marked = {name for name, field in type(options).model_fields.items() if {OF_CODES, IN_RECIPE} & {*map(str, field.metadata)}}
    shared = {*WeightsSource.model_fields, *FactorySource.model_fields, *marked}
    said = options.model_dump(mode="json", exclude_defaults=True)
    return {name: value for name, value in said.items() if name not in shared}


def in_pixels(size: Size | None) -> tuple[int, int] | None:
    """A side, or (height, width), as (height, width)."""
    return (size, size) if isinstance(size, int) else None if size is None else (size[0], size[1])
