"""Pipelines of diffusers in folders: what an audit file says of one, and what its folder says. Nothing of it is run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ganaudit.errors import RequestError
from ganaudit.fields import Arguments, Decimal, PathText, Size, Whole
from ganaudit.options import WeightsSource

INDEX = "model_index.json"
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
