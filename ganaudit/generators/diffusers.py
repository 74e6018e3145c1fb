"""Kind `diffusers`: a pipeline in a folder, sampled as its own call samples it, the noise of each image by its index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.pipelines import PROMPTS, DiffusersSource, components, files_digest, holds
from ganaudit.kinds import Kind, Opened

if TYPE_CHECKING:
    from ganaudit.generators.networks.pipeline import PipelineGenerator

MISSING = "kind diffusers needs packages that are not installed here; pip install 'ganaudit[diffusers]'"


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
