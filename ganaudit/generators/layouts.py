"""The layouts that files of a family come in, and which of them a file has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ganaudit import weights
from ganaudit.errors import RequestError
from ganaudit.generators.protocol import LayeredGenerator, size_of
from ganaudit.names import first_few
from ganaudit.state_dicts import state_dicts


@dataclass(frozen=True)
class Layout:
    """A layout. fits: whether tensors by name have it. translated: the same tensors by the names of the body's. body: the
    network of translated tensors, its parameters not filled yet, as the kind's options want it."""

    name: str
    fits: Callable[[Mapping[str, Tensor]], bool]
    translated: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]
    body: Callable[[Mapping[str, Tensor], Any], LayeredGenerator]


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


def together(
    file: weights.File, layouts: Sequence[Layout], wanted: str, options: Any
) -> tuple[LayeredGenerator, dict[str, Any]]:
    """The network of a file in whichever layout it has, and its card. Raises RequestError where it has none."""
    has = found(file, layouts)
    if has is None:
        raise unknown(file, wanted)
    layout, where, tensors = has
    generator = filled(file, layout, tensors, options)
    try:
        return generator, card(file, layout, where, generator)
    except RequestError as error:
        raise RequestError(f"weights {file.path}: {error}") from None
