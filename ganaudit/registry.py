"""The one registry: kind → what opens it, imported only when it is used."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ganaudit.errors import RequestError

Room = Literal["generators", "parsers", "datasets", "inverters"]


@dataclass(frozen=True)
class Entry:
    """One kind: `module:attribute` of what opens it, and one line for people."""

    target: str
    summary: str

    def load(self) -> Callable[..., Any]:
        module, attribute = self.target.split(":")
        opener: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
        return opener


REGISTRY: dict[Room, dict[str, Entry]] = {
    "generators": {
        "dcgan": Entry("ganaudit.generators.dcgan:from_weights", "DCGAN body: transposed convolutions, batch norm"),
        "progan": Entry("ganaudit.generators.progan:from_weights", "ProGAN body: pixel norm, upsampling, 3x3 convolutions"),
        "stylegan": Entry("ganaudit.generators.stylegan:from_weights", "style-based body: mapping, modulated layers, noise"),
        "village": Entry(
            "ganaudit.datasets.village:VillageDataset", "the built-in world with changed prevalences: a known omission"
        ),
        "folder": Entry("ganaudit.datasets.folder:FolderDataset", "images made elsewhere"),
        "masks": Entry("ganaudit.datasets.masks:MasksDataset", "images and label maps made elsewhere"),
        "module:factory": Entry("ganaudit.factory:call", "your own generator, from a Python file beside the audit file"),
    },
    "parsers": {
        "unet": Entry("ganaudit.parsers.segmentation:unet_parser", "UNet; builtin:village reads the built-in world"),
        "masks": Entry("ganaudit.parsers.masks:MaskClasses", "no network: every source brings its label maps"),
        "module:factory": Entry("ganaudit.factory:call", "your own parser, from a Python file beside the audit file"),
    },
    "datasets": {
        "village": Entry("ganaudit.datasets.village:VillageDataset", "the built-in world, rendered by seed"),
        "folder": Entry("ganaudit.datasets.folder:FolderDataset", "image files below a folder"),
        "masks": Entry("ganaudit.datasets.masks:MasksDataset", "images with a label PNG beside each"),
        "module:factory": Entry("ganaudit.factory:call", "your own collection, from a Python file beside the audit file"),
    },
    "inverters": {
        "latent": Entry("ganaudit.inversion.inverters:latent", "gradient descent on z from random starts"),
        "encoder": Entry("ganaudit.inversion.inverters:encoder", "one trained network: image to z"),
        "layered": Entry("ganaudit.inversion.inverters:layered", "the layered encoder: image to r, then layer by layer to z"),
        "encoder+latent": Entry("ganaudit.inversion.inverters:encoder_latent", "search on z from the network's guess"),
        "layered+latent": Entry("ganaudit.inversion.inverters:layered_latent", "search on z from the layered encoder's guess"),
        "layerwise": Entry("ganaudit.inversion.inverters:layerwise", "the layered encoder's z, then residuals on early layers"),
        "feature": Entry("ganaudit.inversion.inverters:feature", "r itself is free: an upper bound, no evidence"),
    },
}


def opener(room: Room, kind: str) -> Callable[..., Any]:
    """What opens `kind`. Raises RequestError with the nearest valid name."""
    entries = REGISTRY[room]
    name = "module:factory" if ":" in kind else kind
    if name not in entries:
        near = difflib.get_close_matches(kind, entries, n=1)
        guess = f"; did you mean {near[0]!r}?" if near else ";"
        raise RequestError(f"there is no {kind!r} among the {room}{guess} There are: {', '.join(entries)}")
    return entries[name].load()
