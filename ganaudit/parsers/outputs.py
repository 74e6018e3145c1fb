"""What a parser gave for a batch, judged in one sentence: before work begins, and at every batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ganaudit.parsers.protocol import ClassInfo

SLACK = 1e-3
"""By which confidences may lie outside [0, 1]: half precision does."""


@dataclass(frozen=True)
class WrongLabels:
    """What is wrong, in one sentence. place: of the first image in the batch that it is about; None: of all."""

    sentence: str
    place: int | None = None


def wrong_labels(labels: Any, n: int, classes: tuple[ClassInfo, ...]) -> WrongLabels | None:
    """Why what `parse` gave for `n` images are no label maps and confidences of these classes; None where they are."""
    maps, confidence = getattr(labels, "maps", None), getattr(labels, "confidence", None)
    if maps is None or confidence is None:
        given = "None" if labels is None else type(labels).__name__
        return WrongLabels(f"parse(images) gives ganaudit.Labels(maps, confidence), not {given}")
    wrong = _wrong_tensors(maps, confidence, n, len({info.head for info in classes}))
    wrong = wrong or _wrong_instances(getattr(labels, "instances", None), maps)
    return WrongLabels(wrong) if wrong is not None else _wrong_values(maps, confidence, {info.id for info in classes} | {0})


def _wrong_tensors(maps: Any, confidence: Any, n: int, heads: int) -> str | None:
    shape = f"({n}, h, w)" if heads == 1 else f"({n}, {heads}, h, w)"
    if not isinstance(maps, Tensor):
        return f"the parser's label maps are an integer tensor {shape}, and here they are {type(maps).__name__}"
    if maps.layout != torch.strided or maps.is_floating_point() or maps.is_complex() or maps.dtype == torch.bool:
        return (
            f"the parser's label maps are an integer tensor {shape}, and here they are {_kind(maps)}; give class ids (.long())"
        )
    if maps.ndim not in (3, 4) or maps.shape[0] != n or 0 in maps.shape:
        return f"the parser's label maps are an integer tensor {shape}, and here their shape is {tuple(maps.shape)}"
    found = maps.shape[1] if maps.ndim == 4 else 1
    if found != heads:
        return f"the parser gave the label maps of {found} heads; its classes have {heads}"
    if not isinstance(confidence, Tensor) or confidence.layout != torch.strided:
        return f"the parser's confidences are a tensor, and here they are {_kind(confidence)}"
    if confidence.is_complex() or confidence.dtype == torch.bool:
        return f"the parser's confidences are numbers from 0 to 1, and here they are {_kind(confidence)}"
    if confidence.shape != maps.shape:
        return (
            f"the parser's confidences have the shape of its label maps, {tuple(maps.shape)}, and here they have "
            f"{tuple(confidence.shape)}"
        )
    return None


def _wrong_instances(instances: Any, maps: Tensor) -> str | None:
    if instances is None:
        return None
    shape = tuple(maps.shape)
    whole = isinstance(instances, Tensor) and not (instances.is_floating_point() or instances.is_complex())
    if whole and tuple(instances.shape) == shape and instances.dtype != torch.bool and int(instances.min()) >= 0:
        return None
    return f"the parser's instances are whole numbers {shape}, 0 where there is none, and here they are {_kind(instances)}" + (
        f" {tuple(instances.shape)}" if isinstance(instances, Tensor) else ""
    )


def _wrong_values(maps: Tensor, confidence: Tensor, known: set[int]) -> WrongLabels | None:
    low, high = (int(end) for end in maps.aminmax())
    if low < 0 or high > max(known) or (len(known) <= max(known) and _gaps(maps, known)):
        unknown = [value for value in torch.unique(maps).tolist() if value not in known]
        some = ", ".join(map(str, unknown[:5])) + (" …" if len(unknown) > 5 else "")
        place = _first(torch.isin(maps, torch.tensor(unknown, device=maps.device)))
        return WrongLabels(f"the parser gave the class id {some}, which is none of its classes", place)
    least, most = (float(end) for end in confidence.aminmax())
    if not (least > -SLACK and most < 1.0 + SLACK):  # NaN, too
        sure = confidence.float()
        odd = ~((sure > -SLACK) & (sure < 1.0 + SLACK))
        value = float(sure[odd][0])
        return WrongLabels(f"the parser's confidences are numbers from 0 to 1, and one of them is {value:.3g}", _first(odd))
    return None


def _gaps(maps: Tensor, known: set[int]) -> bool:
    """Whether there is an id between those that are known; sorting all pixels would take longer than parsing some."""
    named = torch.zeros(max(known) + 1, dtype=torch.bool, device=maps.device)
    named[list(known)] = True
    return not bool(named[maps.long()].all())


def _first(which: Tensor) -> int:
    """The first image with a pixel that is so."""
    return int(which.flatten(1).any(dim=1).nonzero()[0])


def _kind(value: Any) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    sparse = "" if value.layout == torch.strided else "sparse "
    return f"{sparse}{str(value.dtype).removeprefix('torch.')}"
