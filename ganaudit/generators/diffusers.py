"""Kind `diffusers`: a pipeline in a folder, sampled as its own call samples it, the noise of each image by its index."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.fields import Arguments, Decimal, PathText, Size, Whole
from ganaudit.kinds import Kind, Opened
from ganaudit.options import WeightsSource

if TYPE_CHECKING:
    from ganaudit.generators.networks.pipeline import PipelineGenerator

INDEX = "model_index.json"
MISSING = "kind diffusers needs packages that are not installed here; pip install 'ganaudit[diffusers]'"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack", ".h5")
"""Weights that are not read: pickles, and those of other libraries."""
PROMPTS = 1_000_000

Prompt = Annotated[str, Field(min_length=1, max_length=10_000)]


class DiffusersSource(WeightsSource):
    """A pipeline of Hugging Face's diffusers: without conditions, of classes, or of prompts."""

    weights: PathText
    """The folder that save_pretrained wrote; or hf://OWNER/NAME@REVISION, a snapshot downloaded before, by its commit."""
    prompts: PathText | Annotated[tuple[Prompt, ...], Field(min_length=1, max_length=PROMPTS)] | None = None
    """A list, or a text file with one a line: image i is of prompt i, and so on from the first again. Images of one prompt are
    one cluster."""
    classes: Annotated[Whole, Field(gt=0, le=1_000_000)] | None = None
    """How many classes there are, where the pipeline does not say; the class of each image is drawn uniformly, by its index."""
    label: Annotated[Whole, Field(ge=0)] | None = None
    """All images are of this class, from 0."""
    steps: Annotated[Whole, Field(gt=0, le=10_000)] | None = None
    """Of the scheduler; default: the pipeline's."""
    guidance: Decimal | None = None
    """guidance_scale; default: the pipeline's."""
    size: Size | None = None
    """Side, or [height, width], in pixels; default: the pipeline's."""
    scheduler: str | None = None
    """Another one, such as DDIMScheduler, with the configuration of the pipeline's."""
    scheduler_options: Arguments = Field(default={})
    """What is changed in the scheduler's configuration: {timestep_spacing: trailing}."""
    arguments: Arguments = Field(default={})
    """Further arguments of the pipeline's call: {eta: 1.0, negative_prompt: blurry}."""
    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    """What it computes in."""
    variant: str | None = None
    """Of the weights' files: fp16."""
    threads: Literal[1] | None = None
    """1: it is called by one thread at a time; default: by several at once."""


def holds(path: Path) -> bool:
    """Whether a folder is what save_pretrained writes of a pipeline."""
    return path.is_dir() and (path / INDEX).is_file()


def prompts_file(options: DiffusersSource, context: Context) -> Sequence[Path]:
    """The file of its prompts, where they are in one. Raises RequestError where it is not there."""
    if not isinstance(options.prompts, str):
        return []
    path = context.path(options.prompts)
    if not path.is_file():
        raise RequestError(f"prompts {path} do not exist; name a text file with one prompt a line, or write a list: [a, b]")
    return [path]


def open_diffusers(options: DiffusersSource, context: Context) -> Opened:
    """The pipeline of a folder, tried once. Raises RequestError for what is none, or asks for code of its own."""
    from ganaudit import weights
    from ganaudit.foreign_code import naming
    from ganaudit.keys import digest
    from ganaudit.random import VERSION as DRAWS_VERSION

    folder = weights.located(options.weights, context.folder)
    title, parts = components(folder)
    digests = {"weights": weights.insisted(folder, files_digest(folder, parts), options.sha256)}
    prompts = read_prompts(options, context)
    try:
        from ganaudit.generators.networks.pipeline import PipelineGenerator
    except ImportError:
        raise RequestError(MISSING) from None
    with naming(folder):
        generator = PipelineGenerator(folder, title, parts, options, prompts, context.device)
    recipe = {"kind": "diffusers", **digests, "draws": DRAWS_VERSION, "call": dict(generator.call)}
    recipe |= {"prompts": digest(list(prompts))} if prompts else {}
    recipe |= {"classes": generator.classes} if generator.classes else {}
    return Opened(generator, recipe, digests, folder, (_note(folder, generator),))


def components(folder: Path) -> tuple[str, Mapping[str, tuple[str, str] | None]]:
    """The class of a pipeline, and its parts by name: (library, class), or None of one that is left out.

    Raises RequestError for a folder that holds none, for code that lies in it, and for weights that are no safetensors.
    """
    if not holds(folder):
        raise RequestError(f"{folder} is no diffusers pipeline: a folder with {INDEX} is wanted, as save_pretrained writes it")
    try:
        said = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        name = said["_class_name"]
        parts = {key: value for key, value in said.items() if isinstance(value, list) and not key.startswith("_")}
        found = {key: (str(library), str(kind)) if library else None for key, (library, kind) in parts.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RequestError(f"{folder / INDEX} does not say of which pipeline it is; save_pretrained writes one") from None
    if not isinstance(name, str):
        raise foreign(folder, f"the pipeline {name!r}")
    for key in found:
        files = sorted(file.name for file in (folder / key).iterdir()) if (folder / key).is_dir() else []
        code = [file for file in files if file.endswith(".py")]
        if code:
            raise foreign(folder, f"{key}/{code[0]}")
        pickled = [file for file in files if file.endswith(PICKLES)]
        if pickled and not any(file.endswith(".safetensors") for file in files):
            raise RequestError(
                f"{folder / key} holds its weights as {pickled[0]}, and safetensors alone are read; "
                "pipeline.save_pretrained(…) writes them"
            )
    return name, found


def foreign(folder: Path, what: str) -> RequestError:
    """A pipeline that brings code."""
    return RequestError(f"{folder} brings code of its own, which is not run: {what}; that of diffusers and transformers is")


def files_digest(folder: Path, parts: Iterable[str]) -> str:
    """SHA-256 over the files that a pipeline is made of: its index and its parts' folders, whatever lies beside them."""
    from ganaudit.identity import content_digest
    from ganaudit.keys import digest

    there = [INDEX, *(key for key in sorted(parts) if (folder / key).is_dir())]
    return digest([[key, content_digest(folder / key)] for key in there])


def read_prompts(options: DiffusersSource, context: Context) -> tuple[str, ...]:
    """The prompts, none where none are said. Raises RequestError for a file without."""
    if not isinstance(options.prompts, str):
        return options.prompts or ()
    (path,) = prompts_file(options, context)
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError):
        raise RequestError(f"prompts {path} cannot be read; a text file in UTF-8 is wanted, with one prompt a line") from None
    prompts = tuple(line for line in lines if line)
    if not 0 < len(prompts) <= PROMPTS:
        raise RequestError(f"prompts {path} hold {len(prompts):,} prompts; one a line is wanted, {PROMPTS:,} at most")
    return prompts


def _note(folder: Path, generator: PipelineGenerator) -> str:
    height, width = generator.resolution
    steps = generator.call.get("num_inference_steps")
    numbers = {"steps": steps, "prompts": len(generator.prompts), "classes": generator.classes}
    said = [f"{word}: {number}" for word, number in numbers.items() if number]
    parts = [f"{height}×{width} pixels", generator.scheduler, *said]
    return f"{folder.name} is a {generator.title}: {', '.join(parts)}"


KIND = Kind(
    "diffusers", DiffusersSource, open_diffusers,
    "a pipeline of diffusers, from a folder on this machine; its safety checker and watermark are off, and it is not inverted",
    holds=holds, files=prompts_file,
)  # fmt: skip
