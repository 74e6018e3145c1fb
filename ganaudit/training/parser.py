"""Training the village's parser: a UNet on rendered scenes, roughened so that it also reads images a generator made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ganaudit.parsers.networks.unet import UNet
from ganaudit.training.loop import batch_indices, scenes
from ganaudit.village.classes import NAMES
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence
from ganaudit.village.style import style as style_of

WIDTHS = (16, 32, 64, 96)
DATA_SEED = 1_000_001
IMAGES = 30_000
BATCH = 32
RATE = 3e-3


class ParserTraining:
    """Cross-entropy on exact labels, AdamW, learning rate falling linearly to zero with the budget."""

    def __init__(self, seed: int, device: torch.device, style: str = "plain") -> None:
        torch.manual_seed(seed)
        self.seed, self.device, self.style = seed, device, style_of(style)
        self.network = UNet(WIDTHS, len(NAMES)).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=RATE, weight_decay=1e-4)
        self.pixels, self.labels = scenes(Prevalence(), DATA_SEED, IMAGES, self.style)

    def step(self, iteration: int, spent: float) -> dict[str, float]:
        for group in self.optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (iteration + 1) / 50) * max(1.0 - spent, 0.01)
        members = batch_indices(len(self.pixels), BATCH, self.seed, iteration)
        rng = np.random.default_rng([self.seed, 1, iteration])
        pixels = torch.from_numpy(self.pixels[members]).to(self.device).permute(0, 3, 1, 2).float() / 127.5 - 1.0
        labels = torch.from_numpy(self.labels[members]).to(self.device).long() - 1
        if rng.random() < 0.5:
            pixels, labels = pixels.flip(3), labels.flip(2)
        pixels = roughened(pixels, rng).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            logits = self.network.train()(pixels)
        loss = F.cross_entropy(logits.float(), labels)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return {"loss": loss.item()}

    def state(self) -> dict[str, Any]:
        return {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])

    def weights(self) -> dict[str, Tensor]:
        return {name: value.float().cpu() for name, value in self.network.state_dict().items() if value.is_floating_point()}

    @torch.no_grad()
    def picture(self, path: Path) -> None:
        from PIL import Image

        images, _ = render(Prevalence(), 0, range(24), self.style)
        x = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).float() / 127.5 - 1.0
        found = self.network.eval()(x).argmax(1).cpu().numpy()
        colours = np.random.default_rng(3).integers(40, 255, (len(NAMES), 3), dtype=np.uint8)
        pairs = np.concatenate([images, colours[found]], axis=2)
        sheet = pairs.reshape(6, 4, 64, 128, 3).transpose(0, 2, 1, 3, 4).reshape(6 * 64, 4 * 128, 3)
        Image.fromarray(sheet).resize((1024, 768), Image.Resampling.NEAREST).save(path)


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
