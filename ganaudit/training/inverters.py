"""Training inverters on a generator's own samples: no photo is ever seen, so what they lose of a photo is evidence.

Bau et al., ICCV 2019: e_i with left and right inversion losses, the feature inverter, assembly, joint tuning. Gradients are
zeroed at every step, which the reference forgets in three of its trainers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganaudit import devices, images
from ganaudit.encoders.networks import (
    LOSSES,
    DirectEncoder,
    DirectShape,
    Encoder,
    LayeredEncoder,
    LayeredShape,
    initialise,
    square_error,
)
from ganaudit.errors import RequestError
from ganaudit.generators.protocol import Generator, State, with_z
from ganaudit.generators.shapes import GeneratorShape, choose_layers, generator_digest, read_shape
from ganaudit.random import VERSION as DRAWS_VERSION
from ganaudit.training.descent import descend, set_rate
from ganaudit.training.loop import OfParts, float_weights


@dataclass(frozen=True)
class InverterRecipe:
    """One training of an inverter, to the hyperparameter."""

    method: str = "layered"
    """`layered` (e_i, feature inverter, joint tuning) or `encoder` (one network)."""
    layer: str = "auto"
    loss: str = "l1"
    """`l1`, as published, or `cosine`, as the reference codes it."""
    right: float = 0.01
    """Weight of the right inversion loss (λ_R)."""
    batch: int = 32
    rate: float = 2e-3
    joint_rate: float = 5e-4
    parts: tuple[float, float] = (0.35, 0.55)
    """Shares of the budget at which the feature inverter is done, and at which the e_i are done too."""
    data_seed: int = 1_000_003

    def __post_init__(self) -> None:
        if self.method not in ("layered", "encoder"):
            raise RequestError(f"there is no inverter {self.method!r} to train; there are layered, encoder")
        if self.loss not in ("l1", "cosine"):
            raise RequestError(f"there is no inversion loss {self.loss!r}; there are l1, cosine")

    def as_dict(self) -> dict[str, Any]:
        """What enters the content key, with the version of the latents' draws."""
        return {**asdict(self), "parts": list(self.parts), "draws": DRAWS_VERSION}


FADE = 0.05
"""What is left of a learning rate at the end of its part of the budget."""


class InverterTraining(OfParts):
    """One inverter of a frozen generator. Parts of the budget follow each other: features, e_i, all together."""

    def __init__(self, generator: Generator, recipe: InverterRecipe, seed: int, device: torch.device) -> None:
        torch.manual_seed(seed)
        self.generator, self.recipe, self.seed, self.device, self.batch = generator, recipe, seed, device, recipe.batch
        self.shape: GeneratorShape = read_shape(generator)
        self.encoder: Encoder
        if recipe.method == "layered":
            self.feature = choose_layers(self.shape, recipe.layer).feature
            self.encoder = LayeredEncoder(LayeredShape.of(self.shape, self.feature))
        else:
            self.encoder = DirectEncoder(DirectShape.of(self.shape))
        initialise(self.encoder)
        devices.placed(self.encoder, device).train()
        self.optimisers = {part: torch.optim.Adam(self._learning(part), recipe.rate) for part in self.parts}
        self.scales = self._scales()

    @property
    def belongs(self) -> Mapping[str, Any]:
        data = {"own samples of": generator_digest(self.generator)}
        return {"training": "inverter", "recipe": self.recipe.as_dict(), "data": data, "seed": self.seed}

    @property
    def parts(self) -> tuple[str, ...]:
        return ("features", "inverters", "joint") if self.recipe.method == "layered" else ("joint",)

    def _learning(self, part: str) -> list[nn.Parameter]:
        if isinstance(self.encoder, DirectEncoder) or part == "joint":
            return list(self.encoder.parameters())
        wanted = part == "features"
        return [value for name, value in self.encoder.named_parameters() if name.startswith("features.") == wanted]

    def _part(self, spent: float) -> tuple[str, float]:
        """The part of the training that a share of the budget falls into, and how much of that part is over."""
        if len(self.parts) == 1:
            return "joint", spent
        first, second = self.recipe.parts
        if spent < first:
            return "features", spent / first
        if spent < second:
            return "inverters", (spent - first) / (second - first)
        return "joint", (spent - second) / (1.0 - second)

    @torch.no_grad()
    def samples(self, seed: int, first: int, count: int) -> State:
        """Own samples `first` and on: z, every layer before r and r, and the image."""
        indices = torch.arange(first, first + count)
        state: State = self.generator.latents(seed, indices)
        before = None
        for name in self.encoder.layers if isinstance(self.encoder, LayeredEncoder) else ():
            state = self.generator.run(state, after=before, upto=name)
            before = name
        return self.generator.run(state, after=before)

    def _scales(self) -> dict[str, float]:
        """Each activation's standard deviation, so that losses of different layers have one unit."""
        state = self.samples(self.recipe.data_seed - 1, 0, 64)
        return {name: max(float(value.float().std()), 1e-6) for name, value in state.items() if value.is_floating_point()}

    def _error(self, truth: State, guess: Mapping[str, Tensor], name: str, loss: str | None = None) -> Tensor:
        scale = self.scales[name]
        return LOSSES[loss or self.recipe.loss](truth[name].float() / scale, guess[name].float() / scale).mean()

    def step(self, step: int, spent: float) -> dict[str, float]:
        """One optimiser step on fresh samples."""
        part, over = self._part(spent)
        rate = self.recipe.rate if part != "joint" or len(self.parts) == 1 else self.recipe.joint_rate
        set_rate(self.optimisers[part], rate * (1.0 - (1.0 - FADE) * over))
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            truth = self.samples(self.recipe.data_seed, step * self.batch, self.batch)
            losses = getattr(self, f"_{part}")(truth)
        descend(sum(losses.values()), self.optimisers[part])
        return {name: value.item() for name, value in losses.items()}

    def _features(self, truth: State) -> dict[str, Tensor]:
        assert isinstance(self.encoder, LayeredEncoder)
        guess = {self.feature: self.encoder.features(self._pixels(truth))}
        return {"r": self._error(truth, guess, self.feature, "mse")}

    def _inverters(self, truth: State) -> dict[str, Tensor]:
        """e_i of every layer at once: each is shown the true activation of its own layer."""
        assert isinstance(self.encoder, LayeredEncoder)
        losses: dict[str, Tensor] = {}
        names: list[str | None] = [None, *self.encoder.layers]
        for before, layer in zip(names, self.encoder.layers, strict=False):
            guess = {before or "z": self.encoder.inverter(layer)(truth[layer])}
            again = self.generator.run({**truth, **guess}, after=before, upto=layer)
            left = self._error(truth, guess, before or "z")
            losses[layer] = left + self.recipe.right * self._error(truth, again, layer)
        return losses

    def _joint(self, truth: State) -> dict[str, Tensor]:
        guess = self.encoder(self._pixels(truth))
        latent = {**truth, "z": guess["z"]}
        losses = {"z": self._error(truth, guess, "z")}
        if isinstance(self.encoder, LayeredEncoder):
            again = self.generator.run(latent, upto=self.feature)
            image = self.generator.run(again, after=self.feature)["image"]
            losses |= {"r": self._error(truth, guess, self.feature), "r again": self._error(truth, again, self.feature)}
        else:
            image = self.generator.run(latent)["image"]
        return losses | {"x": square_error(truth["image"].float(), image.float()).mean()}

    def _pixels(self, truth: State) -> Tensor:
        """What an image looks like as a file: clamped and rounded to 8 bits, as every photo is."""
        return images.to_unit(images.to_bytes(truth["image"])).contiguous(memory_format=torch.channels_last)

    @property
    def _parts(self) -> Mapping[str, Any]:
        return {"encoder": self.encoder, **{f"{part} step": optimiser for part, optimiser in self.optimisers.items()}}

    def weights(self) -> dict[str, Tensor]:
        return float_weights(self.encoder)

    @torch.no_grad()
    def figures(self, count: int = 256) -> dict[str, float]:
        """What it is worth on own samples that it was not trained on: PSNR in dB (peak 2), cosine of z."""
        self.encoder.eval()
        truth = self.samples(self.recipe.data_seed + 1, 0, count)
        guess = self.encoder(self._pixels(truth))
        measured = {"z_cosine": float(torch.cosine_similarity(truth["z"], guess["z"]).mean())}
        pairs = {"psnr_z": self.generator.run({**truth, "z": guess["z"]})["image"]}
        if isinstance(self.encoder, LayeredEncoder):
            pairs["psnr_r"] = self.generator.run({**with_z(truth, guess["z"]), **guess}, after=self.feature)["image"]
        for name, image in pairs.items():
            measured[name] = float((10.0 * torch.log10(4.0 / square_error(truth["image"], image))).mean())
        self.encoder.train()
        return {name: round(value, 4 if name == "z_cosine" else 2) for name, value in measured.items()}

    @torch.no_grad()
    def picture(self, path: Path) -> None:
        """Own samples above what the inverter makes of them."""
        from PIL import Image

        self.encoder.eval()
        truth = self.samples(self.recipe.data_seed + 1, 0, 8)
        again = self.generator.run({**truth, "z": self.encoder(self._pixels(truth))["z"]})["image"]
        self.encoder.train()
        rows = torch.stack([images.to_bytes(images_of).cpu() for images_of in (truth["image"], again)])
        side = self.shape.resolution
        Image.fromarray(rows.permute(0, 2, 1, 3, 4).reshape(2 * side, 8 * side, 3).numpy()).save(path)
