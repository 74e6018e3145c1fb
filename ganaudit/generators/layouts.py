"""The layouts that files of a family come in, and which of them a file has."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ganaudit import weights
from ganaudit.errors import RequestError
from ganaudit.generators.protocol import LayeredGenerator, size_of
from ganaudit.names import first_few
from ganaudit.state_dicts import siblings, state_dicts


@dataclass(frozen=True)
class Layout:
    """A layout. fits: whether tensors by name have it. translated: the same tensors by the names of the body's. body: the
    network of translated tensors, its parameters not filled yet, as the kind's options want it."""

    name: str
    fits: Callable[[Mapping[str, Tensor]], bool]
    translated: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]
    body: Callable[[Mapping[str, Tensor], Any], LayeredGenerator]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """With which TensorFlow made the networks that are computed here; a file says its own beside the tensors."""


def found(file: weights.File, layouts: Sequence[Layout]) -> tuple[Layout, str, Mapping[str, Tensor]] | None:
    """The layout of the first network in a file that has one, the keys that lead to it, and its tensors as stored."""
    for where, tensors in state_dicts(file.content):
        for layout in layouts:
            if layout.fits(tensors):
                return layout, where, tensors
    return None


def filled(file: weights.File, layout: Layout, tensors: Mapping[str, Tensor], options: Any) -> LayeredGenerator:
    """The network of a file's tensors. Raises RequestError naming what does not fit."""
    weights.check_plain(file.path, tensors, file.size)
    try:
        translated = layout.translated(tensors)
    except RequestError as error:
        raise RequestError(f"weights {file.path}: {error}") from None
    loaded = weights.Weights(translated, file.metadata, file.sha256, file.path)
    return weights.network(loaded, lambda named: layout.body(named, options))


def unknown(file: weights.File, wanted: str) -> RequestError:
    """What a file of no known layout holds."""
    networks = state_dicts(file.content)
    if not networks:
        return RequestError(f"weights {file.path} hold no state dict (a mapping of names to tensors); {wanted} is wanted")
    where, tensors = networks[0]
    keys = first_few([f"{name} {tuple(value.shape)}" for name, value in tensors.items()], 4)
    return RequestError(
        f"weights {file.path} are not the weights of {wanted} in any layout that is known (docs/bring-your-model.md); they "
        f"hold {f'{where}: ' if where else ''}{keys}"
    )


def card(file: weights.File, layout: Layout, where: str, generator: LayeredGenerator) -> dict[str, Any]:
    """What was loaded: layout, keys that lead to it, latent, resolution, layers, numbers of parameters, what was left out."""
    return {
        "layout": layout.name, "network": where, "latent": generator.latent, "resolution": list(size_of(generator)),
        "layers": list(generator.layers), "parameters": sum(value.numel() for value in generator.parameters()),
        "left_out": list(file.left_out),
    }  # fmt: skip


def sentence(card: Mapping[str, Any]) -> str:
    """A card in one line, to be read after a name and "is"."""
    height, width = card["resolution"]
    where = f" under {card['network']!r}" if card["network"] else ""
    return (
        f"{card['layout']}{where}: z of {card['latent']}, {len(card['layers'])} layers, {height}×{width} pixels, "
        f"{card['parameters']:,} parameters"
    )


def said_of(file: weights.File, where: str, key: str) -> Mapping[str, Any]:
    """The arguments with which NVIDIA's code made the network under `where`, from the file beside its tensors, or from the
    metadata of a converted one; {} where it does not say them. key: `static_kwargs` of TensorFlow's networks, `init_kwargs` of
    PyTorch's."""
    said = siblings(file.content, where).get(key)
    if key in file.metadata:
        with contextlib.suppress(ValueError, RecursionError):
            said = json.loads(file.metadata[key])
    return said if isinstance(said, Mapping) else {}


def made_with(file: weights.File, where: str) -> Mapping[str, Any]:
    """The same of either key, those of a synthesis network as NVIDIA's first PyTorch code gives them: `synthesis_kwargs`."""
    before = said_of(file, where, "static_kwargs")
    return said_of(file, where, "init_kwargs") or ({"synthesis_kwargs": before} if before else {})


def _check_arguments(file: weights.File, layout: Layout, where: str) -> None:
    """Raises RequestError for a network that was made in another way than is computed here: no tensor shows that."""
    said = said_of(file, where, "static_kwargs")
    for name, known in layout.arguments.items():
        found = said.get(name, known)
        if type(found) not in (bool, int, float, str, list, type(None)) or found != known:
            raise RequestError(
                f"weights {file.path}: this network was made with {name}={repr(found)[:60]}, and {layout.name} is known with "
                f"{name}={known!r} alone: its images would be others. Sample it where it was made, and audit the images "
                "(kind: folder)"
            )


def together(
    file: weights.File, layouts: Sequence[Layout], wanted: str, options: Any
) -> tuple[LayeredGenerator, dict[str, Any]]:
    """The network of a file in whichever layout it has, and its card. Raises RequestError where it has none."""
    has = found(file, layouts)
    if has is None:
        raise unknown(file, wanted)
    layout, where, tensors = has
    _check_arguments(file, layout, where)
    generator = filled(file, layout, tensors, options)
    try:
        return generator, card(file, layout, where, generator)
    except RequestError as error:
        raise RequestError(f"weights {file.path}: {error}") from None
