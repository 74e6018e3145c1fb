"""What both scene parsers have in common: random images, and what ours gives of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganaudit.context import Context
from ganaudit.parsers.networks.unified_parsing import HEADS
from ganaudit.parsers.opening import open_parser

PARSERS = ("upp", "mit_semseg")


def pictures(side: int, count: int = 2) -> Tensor:
    """(N, 3, side, side) in [-1, 1]: waves, whose neighbouring pixels are like each other."""
    place = torch.linspace(0, 9, side)
    turns = 6.3 * torch.rand(count, 3, 3, 1, 1)
    return torch.sin(turns[:, :, 0] + place) * torch.sin(turns[:, :, 1] + place[:, None]) * torch.cos(turns[:, :, 2] * place)


def folder_of(networks: Mapping[str, nn.Module], epoch: int, beside: Mapping[str, str] | None = None) -> Callable[[Path], Path]:
    """Writes encoder and decoder as they are published, and further files."""

    def save(path: Path) -> Path:
        path.mkdir()
        for name, network in networks.items():
            torch.save(network.state_dict(), path / f"{name}_epoch_{epoch}.pth")
        for name, text in (beside or {}).items():
            (path / name).write_text(text)
        return path

    return save


@torch.no_grad()
def parsed(options: Any, folder: Path, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The maps of the encoder's stages, the logits of each head, and the labels."""
    parser: Any = open_parser(options, Context(folder)).parser
    labels = parser.parse(given["images"]).maps
    (x,) = parser.preprocessing(given["images"])
    x = x.contiguous(memory_format=torch.channels_last)
    if options.kind == "upp":
        stages = parser.encoder(x)
        logits = parser.decoder(stages, HEADS)
    else:
        stages = parser.network.encoder(x)
        logits = {"scene": parser.network.decoder(stages)}
    return {**{f"stage{n}": stage for n, stage in enumerate(stages, start=1)}, **logits, "result": labels}
