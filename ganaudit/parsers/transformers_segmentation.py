"""Segmentation models of transformers as parsers: the library's own processor before them and after them."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers.models.auto import modeling_auto

from ganaudit.errors import RequestError
from ganaudit.foreign_code import said
from ganaudit.images import to_bytes
from ganaudit.names import first_few
from ganaudit.parsers.instances import painted
from ganaudit.parsers.labelling import AT_ONCE, Labelling, labelling, of_channels
from ganaudit.parsers.protocol import Labels
from ganaudit.parsers.segmentation import DTYPES
from ganaudit.pickled.answer import SHARED

SEMANTIC = modeling_auto.MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES
UNIVERSAL = modeling_auto.MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES
PREPROCESSING = (
    "size", "crop_size", "pad_size", "size_divisor", "resample", "do_resize", "do_center_crop", "do_pad", "do_rescale",
    "rescale_factor", "do_normalize", "image_mean", "image_std", "do_split_image",
)  # fmt: skip
"""What of a processor decides the network's input."""
SMALL = 10_000_000
"""Numbers of a model that need not be told apart from its file before they are made."""


def opened_folder(folder: Path, config: Mapping[str, Any]) -> tuple[Any, Any]:
    """(model, processor) of a folder, nothing fetched and none of its code run. Raises RequestError."""
    family = config["model_type"]
    automatic: dict[bool, Any] = {
        True: transformers.AutoModelForSemanticSegmentation, False: transformers.AutoModelForUniversalSegmentation
    }  # fmt: skip
    if family not in SEMANTIC and family not in UNIVERSAL:
        if "auto_map" in config:
            raise RequestError(
                f"{folder} brings code of its own, which is not run: config.json asks for {config['auto_map']}; models of "
                "transformers itself are read"
            )
        known = ", ".join(sorted([*SEMANTIC, *UNIVERSAL]))
        raise RequestError(f"{folder}: {family!r} is no segmentation model that transformers knows; it knows {known}")
    return loaded(folder, automatic[family in SEMANTIC], partial(_processor, family=family))


def loaded(folder: Path, automatic: Any, processor_of: Callable[..., Any]) -> tuple[Any, Any]:
    """(model, processor) of a folder whose family is known; automatic: the class that opens its model, processor_of: what opens
    its processor. Raises RequestError."""
    here: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        with _quiet():
            read = transformers.AutoConfig.from_pretrained(folder, **here)
            for part in filter(None, (read, getattr(read, "backbone_config", None))):
                if getattr(part, "use_pretrained_backbone", False):
                    part.use_pretrained_backbone = False  # its weights are in the folder: none are fetched
            processor = processor_of(folder, **here)
            _check_size(folder, automatic, read)
            model, loading = automatic.from_pretrained(
                folder, config=read, use_safetensors=True, output_loading_info=True, dtype=torch.float32, **here
            )
    except RequestError:
        raise
    except ImportError as error:
        raise RequestError(f"{folder}: transformers needs a package that is not installed here: {said(error)}") from None
    except Exception as error:
        raise RequestError(f"{folder}: transformers cannot open it: {said(error)}") from None
    wrong = [*(f"{name} is missing" for name in sorted(loading["missing_keys"])), *map(str, loading["mismatched_keys"])]
    if wrong:
        raise RequestError(f"{folder}: its weights are of another model than config.json says: {first_few(wrong, 3, '; ')}")
    return model.eval().requires_grad_(False), processor


def _check_size(folder: Path, automatic: Any, config: Any) -> None:
    """Raises RequestError for a model that is larger than its file, before it takes memory."""
    with torch.device("meta"):
        empty = automatic.from_config(config)
    numbers = sum(value.numel() for value in empty.parameters())
    held = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    if numbers > max(SHARED * held, SMALL):  # each number is a byte or more, and tensors may be shared
        raise RequestError(
            f"{folder}: its weights are of another model than config.json says: {numbers:,} numbers are wanted, and its files "
            f"have {held:,} bytes"
        )


def _processor(folder: Path, family: str, **here: Any) -> Any:
    if family == "oneformer":  # it reads the task, as a text
        return transformers.OneFormerProcessor.from_pretrained(folder, repo_path=str(folder), **here)
    return transformers.AutoImageProcessor.from_pretrained(folder, **here)


class TransformersSegmenter:
    """Images (N, 3, H, W) in [-1, 1] -> maps (N, H, W): the library's processor, model and post-processing, that in float32.

    Confidence is the softmax of the logits; where the model sums masks over queries, the class's share of all classes' sums; of
    a panoptic segment or an instance its score, and 0 where there is none. Instances are painted by score.
    """

    def __init__(
        self, model: Any, processor: Any, task: str, classes: Any, size: tuple[int, int] | None, folder: Path, device: str,
        precision: str,
    ) -> None:  # fmt: skip
        self.processor, self.task = processor, task
        self.device, self.dtype = device, DTYPES[precision]
        self.model = model.to(device, self.dtype)
        reader = getattr(processor, "image_processor", processor)
        self.labelling = _named(model.config.id2label, classes, folder)
        self.classes = self.labelling.classes
        self.resolution = size or _size_of(reader)
        self.preprocessing = {name: _plain(getattr(reader, name)) for name in PREPROCESSING if hasattr(reader, name)}
        if not hasattr(processor, f"post_process_{task}_segmentation"):
            raise RequestError(f"{folder}: {type(model).__name__} gives no {task} segmentation; set task: semantic")

    @torch.inference_mode()
    def parse(self, images: Tensor) -> Labels:
        """Label maps and confidences at the size of the images, some images at a time."""
        height, width = images.shape[2:]
        channels = max(1, len(self.labelling.ids))
        group = max(1, AT_ONCE.get(torch.device(self.device).type, AT_ONCE["other"]) // (channels * height * width))
        parts = torch.split(to_bytes(images.to(self.device)), group)
        seen = [self._parsed(part.permute(0, 3, 1, 2)) for part in parts]
        return self.labelling.of_values(*(torch.cat(each) for each in zip(*seen, strict=True)))

    def _parsed(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Label values, confidences and, of instances, their numbers, (n, H, W) each, of bytes (n, 3, H, W)."""
        asked = {"task_inputs": [self.task] * len(pixels)} if self.model.config.model_type == "oneformer" else {}
        given = self.processor(images=list(pixels), return_tensors="pt", **asked)
        inputs = {name: self._input(value) for name, value in given.items()}
        outputs = self.model(**inputs)
        for name, value in list(outputs.items()):
            if isinstance(value, Tensor) and value.is_floating_point():
                outputs[name] = value.float()
        sizes = [(int(pixels.shape[2]), int(pixels.shape[3]))] * len(pixels)
        if self.task == "panoptic":
            return _stacked([_segments(each, sizes[0]) for each in self._post(outputs, sizes)])
        if self.task == "instance":
            return _stacked([_instances(each, sizes[0], self.device) for each in self._post(outputs, sizes)])
        scores = self._post(outputs, sizes, return_segmentation_scores=True)
        share = _softmax if "logits" in outputs else _share
        return _stacked([(each.segmentation, share(each.segmentation_scores, each.segmentation)) for each in scores])

    def _input(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return value.to(self.device, self.dtype) if value.is_floating_point() else value.to(self.device)

    def _post(self, outputs: Any, sizes: list[tuple[int, int]], **more: Any) -> Any:
        process = getattr(self.processor, f"post_process_{self.task}_segmentation")
        if "label_ids_to_fuse" in inspect.signature(process).parameters:
            more["label_ids_to_fuse"] = set()  # segments of one class are counted together anyway
        if "return_binary_maps" in inspect.signature(process).parameters:
            more["return_binary_maps"] = True  # in one map the library lets later ones cover surer ones
        return process(outputs, target_sizes=sizes, **more)


def _softmax(scores: Tensor, chosen: Tensor) -> Tensor:
    """The probability (H, W) of the channel that was chosen, of logits (C, H, W)."""
    best: Tensor = scores.gather(0, chosen[None])
    return (scores - best).exp().sum(dim=0).reciprocal()


def _share(scores: Tensor, chosen: Tensor) -> Tensor:
    best: Tensor = scores.gather(0, chosen[None])[0]
    return best / scores.sum(dim=0).clamp(min=torch.finfo(torch.float32).tiny)


def _segments(found: Mapping[str, Any], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Label values (H, W), -1 where there is no segment, and their scores."""
    where = found["segmentation"].long()
    values, scores = torch.full(size, -1, device=where.device), torch.zeros(size, device=where.device)
    for segment in found["segments_info"]:
        inside = where == segment["id"]
        values[inside], scores[inside] = segment["label_id"], segment["score"]
    return values, scores


def _instances(found: Mapping[str, Any], size: tuple[int, int], device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Label values (H, W), -1 where there is no instance, their scores, and numbers of instances: see `painted`."""
    segments, where = found["segments_info"], found["segmentation"]
    if not segments:
        where = torch.zeros(0, *size, device=device)
    elif where.ndim == 2:  # one map is all that this model's library gives
        where = torch.stack([where == segment["id"] for segment in segments])
    values, scores = (torch.tensor([each[name] for each in segments]) for name in ("label_id", "score"))
    return painted(where.to(device), values, scores)


def _stacked(parts: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return tuple(torch.stack(each) for each in zip(*parts, strict=True))


def _named(id2label: Mapping[int, str], classes: Any, folder: Path) -> Labelling:
    """Names of config.json, or those of the audit file. A name that several labels have gets the label's number."""
    if classes is not None:
        return of_channels(classes, len(id2label), folder)
    several = Counter(id2label.values())
    return labelling({label: name if several[name] == 1 else f"{name} {label}" for label, name in id2label.items()})


def _size_of(reader: Any) -> tuple[int, int] | None:
    size = _plain(getattr(reader, "size", None)) or {}
    side = size.get("shortest_edge")
    return (size["height"], size["width"]) if {"height", "width"} <= size.keys() else (side, side) if side else None


def _plain(value: Any) -> Any:
    """A processor's setting as JSON has it."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items() if part is not None}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's progress bars and advice."""
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
