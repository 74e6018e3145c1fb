"""A diffusers pipeline as a generator: each image has a random stream of its own, so it is the same alone and in any batch."""

from __future__ import annotations

import copy
import inspect
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.generators.networks.classed import labels
from ganaudit.generators.pipelines import DiffusersSource, foreign
from ganaudit.generators.protocol import State
from ganaudit.kinds.mistakes import nearest
from ganaudit.options import in_pixels
from ganaudit.random import bits

OURS = ("generator", "output_type", "return_dict", "prompt", "class_labels", "batch_size", "num_images_per_prompt", "latents")
"""Arguments of a pipeline's call that are set here."""

Parts = Mapping[str, tuple[str, str] | None]


class PipelineGenerator:
    """A generator without layers. Raises RequestError in one sentence for a pipeline that does not make images from noise."""

    layers: tuple[str, ...] = ()
    not_inverted = "a diffusers pipeline is sampled in steps, and no latent of it is searched for"

    def __init__(
        self, folder: Path, title: str, parts: Parts, options: DiffusersSource, prompts: Sequence[str], device: str
    ) -> None:  # fmt: skip
        self.title, self.prompts, self._device = title, tuple(prompts), device
        self._here = threading.local()
        kind: Any = getattr(diffusers, title, None)
        if not (inspect.isclass(kind) and issubclass(kind, diffusers.DiffusionPipeline)):
            raise RequestError(f"its pipeline {self.title!r} is none of diffusers {diffusers.__version__}")
        for key, part in parts.items():
            if part is not None and not _known(*part):
                raise foreign(folder, f"{key} ({part[0]}.{part[1]})")
        self._pipeline = _loaded(kind, folder, parts, options, device)
        if options.scheduler is not None or options.scheduler_options:
            self._pipeline.scheduler = _scheduler(getattr(self._pipeline, "scheduler", None), options)
        self.scheduler = " and ".join(type(each).__name__ for each in _schedulers(self._pipeline).values()) or "no scheduler"
        self._takes = inspect.signature(kind.__call__).parameters
        self.call: Mapping[str, Any] = self._call(options)
        self.classes = self._classes(options)
        self._label = options.label
        self._check_conditions(options)
        image = self.run(self.latents(0, torch.arange(1)))["image"]
        self.resolution = (int(image.shape[2]), int(image.shape[3]))

    def _call(self, options: DiffusersSource) -> dict[str, Any]:
        """The values of the call that are the same for all images, those that it has by default among them."""
        height, width = in_pixels(options.size) or (None, None)
        asked = {"num_inference_steps": options.steps, "guidance_scale": options.guidance, "height": height, "width": width}
        said = {**options.arguments, **{name: value for name, value in asked.items() if value is not None}}
        for name in said:
            if name not in self._takes or name in OURS:
                valid = [each for each in self._takes if each not in (*OURS, "self")]
                raise RequestError(f"a call of {self.title} takes no {name!r}{nearest(name, valid)}")
        defaults = {name: self._takes[name].default for name in asked if name in self._takes}
        return {name: value for name, value in defaults.items() if isinstance(value, int | float)} | said

    def _classes(self, options: DiffusersSource) -> int:
        if "class_labels" not in self._takes:
            return 0
        for part in ("transformer", "unet"):
            config = getattr(getattr(self._pipeline, part, None), "config", {})
            for name in ("num_embeds_ada_norm", "num_class_embeds"):
                if config.get(name) is not None:
                    return int(options.classes or config[name])
        return options.classes or 0

    def _check_conditions(self, options: DiffusersSource) -> None:
        """Raises RequestError for conditions that it does not take, or needs and does not get."""
        if "prompt" in self._takes and not self.prompts:
            raise RequestError(f"{self.title} makes images of prompts; say them: `prompts: prompts.txt`, or a list")
        if self.prompts and "prompt" not in self._takes:
            raise RequestError(f"{self.title} takes no prompts; leave prompts out")
        if not self.classes and (options.classes or options.label is not None):
            raise RequestError(f"{self.title} has no classes; leave classes and label out")
        if options.label is not None and options.label >= self.classes:
            raise RequestError(f"label is {options.label}, and it has {self.classes} classes, from 0")
        needed = [
            name for name, taken in self._takes.items()
            if taken.default is taken.empty and taken.kind is taken.POSITIONAL_OR_KEYWORD
            and name not in ("self", *OURS, *self.call)
        ]  # fmt: skip
        if needed or "generator" not in self._takes:
            raise RequestError(f"{self.title} does not make images from noise alone: it needs {', '.join(needed) or 'more'}")

    def latents(self, seed: int, indices: Tensor) -> State:
        """`noise` (N,) int64, the seed of each image's random stream; `label` or `prompt` (N,), where it has some."""
        numbers = indices.cpu().numpy()
        noise = (bits(seed, "pipeline noise", numbers, 1)[:, 0] >> np.uint64(1)).astype(np.int64)
        state = {"noise": torch.from_numpy(noise)}
        if self.classes:
            state["label"] = labels(seed, indices, self.classes, self._label)
        if self.prompts:
            state["prompt"] = indices.cpu() % len(self.prompts)
        return MappingProxyType(state)

    def clusters(self, seed: int, indices: Tensor) -> list[str | None]:
        """Images of one prompt are not independent of each other."""
        return [self.prompts[index % len(self.prompts)] if self.prompts else None for index in indices.tolist()]

    def run(self, state: State, after: str | None = None, upto: str | None = None) -> State:
        """Images of latents. Raises RequestError for any layer: it has none."""
        if after is not None or upto is not None:
            raise RequestError(f"layer {after or upto!r} does not exist; a pipeline has no named layers")
        streams = [torch.Generator("cpu").manual_seed(seed) for seed in state["noise"].tolist()]
        given: dict[str, Any] = {"batch_size": len(streams)} if "batch_size" in self._takes else {}
        if "label" in state:
            given["class_labels"] = state["label"].tolist()
        if "prompt" in state:
            given["prompt"] = [self.prompts[number] for number in state["prompt"].tolist()]
        texts = {name: [text] * len(streams) for name, text in self.call.items() if "prompt" in name and isinstance(text, str)}
        with torch.no_grad():
            made = self._alone()(**{**self.call, **texts}, **given, generator=streams, output_type="pt")
        images = getattr(made, "images", None)
        if not isinstance(images, Tensor | np.ndarray):
            raise RequestError(f"{self.title} gives no images but {type(made).__name__}")
        unit = images if isinstance(images, Tensor) else torch.from_numpy(images).movedim(3, 1)
        return MappingProxyType({**state, "image": unit.float().to(self._device).expand(-1, 3, -1, -1) * 2.0 - 1.0})

    def _alone(self) -> Any:
        """The pipeline of one call, which shares the networks with all others. Schedulers and pipelines remember their steps:
        they are its own. Tokenizers are changed while they work: they are a thread's own."""
        if not hasattr(self._here, "parts"):
            parts = self._pipeline.components.items()
            own = {name: copy.deepcopy(part) for name, part in parts if not isinstance(part, torch.nn.Module)}
            self._here.parts = {name: part for name, part in own.items() if part is not None}
        pipeline = copy.copy(self._pipeline)
        for name, part in self._here.parts.items():
            setattr(pipeline, name, copy.deepcopy(part) if isinstance(part, diffusers.SchedulerMixin) else part)
        return pipeline


def _loaded(kind: Any, folder: Path, parts: Parts, options: DiffusersSource, device: str) -> Any:
    """The pipeline of a folder: safetensors alone, no code, no download, no safety checker, no watermark."""
    off: dict[str, Any] = {name: None for name, part in parts.items() if part is None or name == "safety_checker"}
    off |= {"requires_safety_checker": False} if "safety_checker" in parts else {}
    off |= {"add_watermarker": False} if "add_watermarker" in inspect.signature(kind.__init__).parameters else {}
    with _quiet():
        pipeline = kind.from_pretrained(
            str(folder), torch_dtype=getattr(torch, options.precision), local_files_only=True, use_safetensors=True,
            trust_remote_code=False, variant=options.variant, **off,
        )  # fmt: skip
        pipeline.to(device)
    pipeline.set_progress_bar_config(disable=True)
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval().requires_grad_(False)
    return pipeline


def _known(library: str, name: str) -> bool:
    """Whether a part is of diffusers or transformers themselves, and is not one that looks its class up in its files."""
    automatic = name.startswith("Auto") and not name.startswith("Autoencoder")
    return not automatic and (library in ("diffusers", "transformers") or hasattr(diffusers.pipelines, library))


def _schedulers(pipeline: Any) -> dict[str, Any]:
    return {name: part for name, part in pipeline.components.items() if isinstance(part, diffusers.SchedulerMixin)}


def _scheduler(old: Any, options: DiffusersSource) -> Any:
    """The scheduler that is asked for, with the configuration of the pipeline's. Raises RequestError for an unknown one."""
    if old is None:
        raise RequestError("it has no scheduler of its own; leave scheduler and scheduler_options out")
    name = options.scheduler or type(old).__name__
    kind: Any = getattr(diffusers, name, None)
    known = inspect.isclass(kind) and issubclass(kind, diffusers.SchedulerMixin)
    if not known:
        valid = [each for each in dir(diffusers) if each.endswith("Scheduler")]
        raise RequestError(f"diffusers has no scheduler {name!r}{nearest(name, valid)}")
    return kind.from_config(old.config, **options.scheduler_options)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress bars and advice of both libraries."""
    logs = [diffusers.utils.logging, transformers.utils.logging]
    before = [log.get_verbosity() for log in logs]
    for log in logs:
        log.set_verbosity_error()
        log.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        for log, level in zip(logs, before, strict=True):
            log.set_verbosity(level)
            log.enable_progress_bar()
