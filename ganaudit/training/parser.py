"""Training the village's parser: a UNet on images with label maps, roughened so that it also reads images a generator made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ganaudit import devices, images
from ganaudit.datasets.village import VillageDataset
from ganaudit.parsers.networks.unet import UNet
from ganaudit.training.data import Data, TrainingImages
from ganaudit.training.descent import descend
from ganaudit.training.loop import OfParts, float_weights
from ganaudit.village.classes import NAMES
from ganaudit.village.scene import RESOLUTION


@dataclass(frozen=True)
class ParserRecipe:
    """One training of a UNet, to the hyperparameter. data_seed, images and style: of the village's scenes."""

    widths: tuple[int, ...] = (16, 32, 64, 96)
    data_seed: int = 1_000_001
    images: int = 30_000
    batch: int = 32
    rate: float = 3e-3
    style: str = "plain"


class ParserTraining(OfParts):
    """Cross-entropy on exact labels, AdamW, learning rate falling linearly to zero with the budget.

    data: images with label maps; the recipe's scenes of the village by default.
    """

    def __init__(self, recipe: ParserRecipe, seed: int, device: torch.device, data: Data | None = None) -> None:
        torch.manual_seed(seed)
        data = data or Data(VillageDataset(recipe.data_seed, style=recipe.style), recipe.images, NAMES)
        self.recipe, self.seed, self.device, self.batch, self.names = recipe, seed, device, recipe.batch, data.names
        self.network = devices.placed(UNet(recipe.widths, len(data.names)), device)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=recipe.rate, weight_decay=1e-4)
        self.data = TrainingImages(data, RESOLUTION, recipe.batch, seed, labelled=True)

    @property
    def belongs(self) -> Mapping[str, Any]:
        return {"training": "parser", "recipe": asdict(self.recipe), "data": self.data.belongs, "seed": self.seed}

    def step(self, step: int, spent: float) -> dict[str, float]:
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate * min(1.0, (step + 1) / 50) * max(1.0 - spent, 0.01)
        rng = np.random.default_rng([self.seed, 1, step])
        seen, maps = self.data.batch_of(step)
        pixels, labels = images.to_unit(seen).to(self.device), torch.from_numpy(maps).to(self.device).long() - 1
        if rng.random() < 0.5:
            pixels, labels = pixels.flip(3), labels.flip(2)
        pixels = roughened(pixels, rng).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            logits = self.network.train()(pixels)
        loss = F.cross_entropy(logits.float(), labels, ignore_index=-1)  # void teaches nothing
        descend(loss, self.optimiser)
        return {"loss": loss.item()}

    @property
    def _parts(self) -> Mapping[str, Any]:
        return {"network": self.network, "optimiser": self.optimiser}

    def weights(self) -> dict[str, Tensor]:
        return float_weights(self.network)

    @torch.no_grad()
    def picture(self, path: Path) -> None:
        from PIL import Image

        seen = self.data.batch_of(0)[0]
        seen = seen[: len(seen) // 4 * 4]
        label_maps = self.network.eval()(images.to_unit(seen).to(self.device)).argmax(1).cpu().numpy()
        colours = np.random.default_rng(3).integers(40, 255, (len(self.names), 3), dtype=np.uint8)
        pairs = np.concatenate([seen, colours[label_maps]], axis=2)
        sheet = pairs.reshape(-1, 4, 64, 128, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 4 * 128, 3)
        Image.fromarray(sheet).resize((1024, 2 * len(sheet)), Image.Resampling.NEAREST).save(path)


def roughened(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """Changed gain and offset, noise and, for some, blur: what a generator's images look like to a parser."""
    n = len(pixels)

    def draws(low: float, high: float, channels: int = 1) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (n, channels, 1, 1)).astype(np.float32)).to(pixels.device)

    pixels = pixels * draws(0.85, 1.15) + draws(-0.12, 0.12, 3)
    noise = torch.from_numpy(rng.standard_normal(pixels.shape, dtype=np.float32)).to(pixels.device)
    pixels = pixels + draws(0.0, 0.10) * noise
    soft = F.avg_pool2d(pixels, 3, stride=1, padding=1, count_include_pad=False)
    return torch.lerp(pixels, soft, draws(-1.0, 1.0).clamp(0.0, 1.0) * 0.8).clamp(-1.0, 1.0)
