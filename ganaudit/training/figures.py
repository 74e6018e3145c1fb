"""What the shipped models are worth: the figures on their cards, measured on scenes that no training saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganaudit import images, kinds, weights
from ganaudit.context import Context
from ganaudit.encoders.decomposition import correlation
from ganaudit.encoders.files import find_inverter, open_inverter
from ganaudit.encoders.networks import LayeredEncoder
from ganaudit.generators.opening import open_generator
from ganaudit.generators.protocol import Encoding
from ganaudit.generators.shapes import generator_digest
from ganaudit.inversion.fidelity import mse
from ganaudit.named import options_named
from ganaudit.parsers.opening import open_parser
from ganaudit.parsers.protocol import Parser
from ganaudit.statistics.frechet import frechet_from_rows
from ganaudit.statistics.resampling import means
from ganaudit.training.card import add_figures
from ganaudit.village.classes import NAMES
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence

FRESH_SEED = 2_000_003
BATCH = 64


def of_parser(path: str, scenes: int = 2000, precision: str = "bfloat16") -> dict[str, Any]:
    """Intersection over union of every class, over `scenes` fresh scenes together."""
    parser = _parser(path, precision)
    confusion = np.zeros((len(NAMES) + 1, len(NAMES) + 1), dtype=np.int64)
    for pixels, truth in _scenes(scenes):
        label_maps = _parsed(parser, pixels)
        confusion += np.bincount(
            (truth.astype(np.int64) * len(confusion) + label_maps).ravel(), minlength=confusion.size
        ).reshape(confusion.shape)
    hits, true, said = np.diag(confusion)[1:], confusion.sum(1)[1:], confusion.sum(0)[1:]
    iou = hits / (true + said - hits)
    pixels = np.concatenate([batch for batch, _ in _scenes(512)])
    own = _parsed(parser, pixels[:BATCH])
    alone = np.concatenate([_parsed(parser, pixels[i : i + 1]) for i in range(BATCH)])
    exact = _parser(path, "float32")
    other = np.mean([(_parsed(parser, part) != _parsed(exact, part)).mean() for part in np.split(pixels, 8)])
    return {
        "labels_that_differ": {
            "batch 1 against 64": float((own != alone).mean()),
            f"{precision} against float32": float(other),
        },
        "scenes": scenes, "mean_iou": round(float(iou.mean()), 4), "pixel_accuracy": round(float(hits.sum() / true.sum()), 4),
        "iou": {name: round(float(value), 3) for name, value in zip(NAMES, iou, strict=True)},
    }  # fmt: skip


def of_generator(path: str, parser_path: str = "builtin:village", count: int = 5000) -> dict[str, Any]:
    """FSD of `count` samples against `count` fresh scenes, the same of two sets of scenes, and each class's area ratio."""
    parser = _parser(parser_path, "bfloat16")
    generator = open_generator(options_named("generators", path), Context()).generator
    real = np.concatenate([_areas(_parsed(parser, pixels)) for pixels, _ in _scenes(2 * count)])
    made = []
    for first in range(0, count, BATCH):
        with torch.inference_mode():
            state = generator.latents(1, torch.arange(first, min(first + BATCH, count)))
            made.append(_areas(_parsed(parser, images.to_bytes(generator.run(state)["image"]).numpy())))
    generated = np.concatenate(made)
    distance, floor = frechet_from_rows(real[:count], generated), frechet_from_rows(real[:count], real[count:])
    ratios = generated.mean(0)[1:] / real[:count].mean(0)[1:]
    return {
        "images_a_side": count, "fsd": round(distance.value, 3), "mean_part": round(distance.mean_part, 3),
        "real_against_real": round(floor.value, 3),
        "area_ratio": {name: round(float(value), 2) for name, value in zip(NAMES, ratios, strict=True)},
    }  # fmt: skip


@torch.inference_mode()
def of_encoder(path: str, count: int = 512, beside: str = "village-progan") -> dict[str, Any]:
    """How near a generator's own encoder brings back `count` fresh scenes, as the mean squared error on [-1, 1] and its 95 %
    interval, and the same of the shipped layered encoder of generator `beside`: by its z, and by its r, which is free."""
    generator = open_generator(options_named("generators", path), Context()).generator
    other = open_generator(options_named("generators", beside), Context()).generator
    found = find_inverter(generator_digest(other), "layered")
    assert isinstance(generator, Encoding) and found is not None
    layered = open_inverter(found).encoder
    assert isinstance(layered, LayeredEncoder)
    feature = layered.layers[-1]
    rows = []
    for pixels, _ in _scenes(count):
        real = images.to_unit(pixels)
        guess = layered(real)
        made = (
            generator.run({generator.encodes: generator.encode(real)}),
            other.run({"z": guess["z"]}), other.run({"z": guess["z"], feature: guess[feature]}, after=feature),
        )  # fmt: skip
        rows.append(torch.stack([mse(state["image"], real) for state in made], dim=1))
    errors = torch.cat(rows)[:count].double().numpy()
    names = ("mse", f"{beside}, layered, z", f"{beside}, layered, r")
    less = {f"less than {name}": errors[:, place] - errors[:, 0] for place, name in enumerate(names) if place}
    columns = dict(zip(names, errors.T, strict=True)) | less
    bounds = means(np.stack(list(columns.values()), axis=1), np.ones(len(errors)))
    return {"images": count} | {
        name: [round(x or 0.0, 5) for x in triple] for name, triple in zip(columns, bounds, strict=True)
    }


@torch.inference_mode()
def of_codes(path: str, count: int = 2048) -> float:
    """z_corr: the mean correlation of z with what the encoder says of its image, as a file holds it, over fresh z."""
    generator = open_generator(options_named("generators", path), Context()).generator
    assert isinstance(generator, Encoding)
    total = 0.0
    for first in range(0, count, BATCH):
        state = generator.latents(2, torch.arange(first, min(first + BATCH, count)))
        image = images.to_unit(images.to_bytes(generator.run(state)["image"]))
        total += float(correlation(state["z"], generator.encode(image)).sum())
    return round(total / count, 4)


def _scenes(count: int) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    return [render(Prevalence(), FRESH_SEED, range(first, min(first + BATCH, count))) for first in range(0, count, BATCH)]


def _parser(path: str, precision: str) -> Parser:
    return open_parser(options_named("parsers", path), Context(precision=precision)).parser


def _parsed(parser: Parser, pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    maps: NDArray[np.int64] = parser.parse(images.to_unit(pixels)).maps.numpy()
    return maps


def _areas(maps: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N, 16) percent of pixels of each class id."""
    n = len(maps)
    owner = np.arange(n)[:, None] * (len(NAMES) + 1) + maps.reshape(n, -1)
    counts = np.bincount(owner.ravel(), minlength=n * (len(NAMES) + 1)).reshape(n, -1)
    areas: NDArray[np.float64] = 100.0 * counts / maps[0].size
    return areas


def write_figures(path: Path) -> None:
    """Adds the figures of a model to the card beside its weights file."""
    if weights.card(path).get("kind") in kinds.names("parsers"):
        add_figures(path, of_parser(str(path)))
        return
    figures = of_generator(str(path))
    generator = open_generator(options_named("generators", str(path)), Context()).generator
    if isinstance(generator, Encoding):
        figures["reconstruction"] = of_encoder(str(path))
        if generator.encodes == "z":
            figures["z_corr"] = of_codes(str(path))
    add_figures(path, figures)
