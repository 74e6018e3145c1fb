"""Any photos, inverted in any generator: what comes out of them, beside what comes out of the generator's own samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit import devices, images
from ganaudit.encoders import OWN_ENCODER
from ganaudit.encoders.files import check_fit, find_inverter, open_inverter
from ganaudit.encoders.networks import Encoder
from ganaudit.encoders.own import OwnEncoder, own_encoder
from ganaudit.errors import ImageError, RequestError
from ganaudit.generators.protocol import Generator
from ganaudit.generators.shapes import GeneratorShape, choose_layers, generator_digest, read_shape
from ganaudit.inversion import fidelity
from ganaudit.inversion.inverters import InversionResult, InversionTask
from ganaudit.inversion.methods import frees_residuals, inverter, needs
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.penalty import Penalty, choose_penalty
from ganaudit.inversion.search import Search
from ganaudit.inversion.search_space import nonnegative_layers
from ganaudit.parsers.protocol import Parser
from ganaudit.paths import plain_file
from ganaudit.report.side_by_side import side_by_side, webp

OWN_SEED = 1_000_013
"""Seed of the own samples of the control: never that of an inverter's training."""
OWN = 16
"""Own samples that set the penalty and serve as control."""


@dataclass(frozen=True)
class Photo:
    """One photo at the generator's resolution, (S, S, 3) uint8, or why it cannot be used."""

    name: str
    pixels: NDArray[np.uint8] | None
    error: str | None = None


@dataclass(frozen=True)
class InvertedPhotos:
    """rows: one for each photo, ready for JSON. own_psnr: of the control, in dB. objective: with the penalty that was used.
    note: what was changed on the way."""

    rows: list[dict[str, Any]]
    own_psnr: float
    objective: Objective
    penalty: Penalty | None
    inverted: InversionResult | None
    note: str | None


def read_photos(paths: Sequence[Path], resolution: int) -> list[Photo]:
    """Decoded, scaled until they cover the square, cut to its centre. Photos smaller than it are enlarged.

    Two photos of one name get distinct ones: a picture each is written under it.
    """
    photos: list[Photo] = []
    for path in paths:
        stem = path.name
        name = stem if all(photo.name != stem for photo in photos) else f"{len(photos) + 1}-{stem}"
        try:
            pixels = images.decode(plain_file(path, "photo"))
            photos.append(Photo(name, images.resize(pixels, (resolution, resolution), "crop")))
        except (ImageError, RequestError) as error:
            photos.append(Photo(name, None, str(error)))
        except OSError as error:
            photos.append(Photo(name, None, f"{name} cannot be read: {error.strerror or error}"))
    return photos


def encoders_for(
    generator: Generator, shape: GeneratorShape, method: str, file: Path | None = None
) -> dict[str, Encoder | OwnEncoder]:  # fmt: skip
    """The inverters that `method` starts from: `file`, the one that ships for this generator, or its own encoder.

    Raises RequestError for an unknown method, an inverter of another generator, and where there is none, saying what to run.
    """
    kind = needs(method)
    if kind is None:
        return {}
    if kind == OWN_ENCODER:
        mine = own_encoder(generator)
        if mine is None:
            raise RequestError(f"method {method!r} needs an encoder that the generator brings, and this one brings none")
        return {kind: mine}
    digest = generator_digest(generator)
    path = file or find_inverter(digest, kind)
    if path is None:
        raise RequestError(
            f"method {method!r} needs a trained inverter of kind {kind!r}, and none ships for this generator; "
            f"make one with ganaudit train inverter GENERATOR --method {kind}, and name it with --inverter"
        )
    named = path.suffix == ".safetensors"  # a published file does not say whose it is
    opened = open_inverter(path, digest if named else None)
    if opened.method != kind:
        raise RequestError(f"{path} is an inverter of kind {opened.method!r}; method {method!r} needs {kind!r}")
    check_fit(opened, shape)
    device = next(iter(generator.latents(0, torch.arange(1)).values())).device
    return {kind: devices.placed(opened.encoder, device)}


def invert_photos(
    generator: Generator, photos: Sequence[Photo], method: str, objective: Objective, search: Search,
    layer: str = "auto", penalty: float | None = None, encoders: Mapping[str, Encoder | OwnEncoder] | None = None,
    restarts: int = 1,
) -> InvertedPhotos:  # fmt: skip
    """Inverts every photo that could be read, and OWN own samples as control.

    penalty: of the residuals, where the method frees any; None: set from own samples. Pixels of a photo are
    compared as 8-bit values in [-1, 1].
    """
    shape = read_shape(generator)
    choice = choose_layers(shape, layer)
    state = generator.latents(OWN_SEED, torch.arange(OWN))
    device = state["z"].device
    with torch.no_grad():
        own = images.to_unit(images.to_bytes(generator.run(state)["image"]))
    good = [photo for photo in photos if photo.pixels is not None]
    run = inverter(method)
    task = InversionTask(
        generator, shape, choice, objective.targets(own), range(OWN), objective, search, OWN_SEED, restarts, encoders,
        nonnegative_layers(generator),
    )  # fmt: skip
    found_penalty = None
    if frees_residuals(method):
        if penalty is None:
            found_penalty = choose_penalty(task, method)
            penalty = found_penalty.weight
        task = replace(task, objective=replace(objective, penalty=penalty))
    control = run(task)
    own_psnr = float(fidelity.psnr(control.found.image, own).mean())
    if not good:
        return InvertedPhotos(
            [_set_aside(photo.name, photo.error) for photo in photos], own_psnr, task.objective, found_penalty, None, None
        )
    stacked = np.stack([photo.pixels for photo in good if photo.pixels is not None])
    target = images.to_unit(stacked).to(device)
    inverted = run(replace(task, targets=task.objective.targets(target), indices=range(len(good))))
    rows = {photo.name: _row(photo.name, place, inverted, target) for place, photo in enumerate(good)}
    ordered = [rows[photo.name] if photo.pixels is not None else _set_aside(photo.name, photo.error) for photo in photos]
    return InvertedPhotos(ordered, own_psnr, task.objective, found_penalty, inverted, inverted.note)


def _set_aside(name: str, error: str | None) -> dict[str, Any]:
    return {"name": name, "status": "quarantined", "error": error}


def _row(name: str, place: int, inverted: InversionResult, target: Tensor) -> dict[str, Any]:
    result = inverted.found
    error = result.errors[place]
    set_aside = not math.isfinite(float(result.loss_best[place]))
    if set_aside:
        return _set_aside(name, error)
    image, wanted = result.image[place : place + 1], target[place : place + 1]
    return {
        "name": name, "status": "ok", "error": error, "method": inverted.method, "layer": inverted.layer,
        "free_per_pixel": round(inverted.ratio, 4), "evidence": inverted.evidential,
        "psnr": _finite(fidelity.psnr(image, wanted)), "mse": float(fidelity.mse(image, wanted)),
        "ssim": float(fidelity.ssim(image, wanted)), "loss_first": float(result.loss_first[place]),
        "loss_best": float(result.loss_best[place]), "best_step": int(result.best_step[place]),
        "steps": int(result.steps[place]), "gradient_norm": float(result.gradient_norm[place]),
        "residual": float(result.residual[place]), "restart": int(inverted.restart[place]),
        "spread": float(inverted.spread[place]),
    }  # fmt: skip


def _finite(value: Tensor) -> float | None:
    return float(value) if bool(value.isfinite()) else None


def write_pictures(
    outcome: InvertedPhotos, photos: Sequence[Photo], folder: Path, parser: Parser | None = None, outlined: str | None = None
) -> None:
    """A lossless WebP for each inverted photo, and into its row the file's name and each class's recall.

    outlined: a class of the parser, whose border in the photo is drawn.
    """
    names = {info.id: info.name for info in parser.classes} if parser else {}
    inverted, place = outcome.inverted, 0
    for photo, row in zip(photos, outcome.rows, strict=True):
        if photo.pixels is None or inverted is None:
            continue
        pixels = images.to_bytes(inverted.found.image[place : place + 1])[0].cpu().numpy()
        place += 1
        if row["status"] != "ok":
            continue
        maps = mask = None
        if parser is not None:
            both = images.to_unit(np.stack([photo.pixels, pixels])).to(inverted.found.image.device)
            seen = parser.parse(both).maps.cpu().numpy().astype(np.int64)
            seen = seen[:, 0] if seen.ndim == 4 else seen
            maps = (seen[0], seen[1])
            row["classes"] = _recall(maps, names)
            mask = np.isin(seen[0], [number for number, name in names.items() if name == outlined])
        path = folder / f"{photo.name}.webp"
        path.write_bytes(webp(side_by_side(photo.pixels, pixels, maps, mask)))
        row["picture"] = path.name


def _recall(maps: tuple[NDArray[np.int64], NDArray[np.int64]], names: dict[int, str]) -> dict[str, dict[str, float]]:
    """For each class in the photo: its pixels there, and the share of them that the reconstruction's map agrees on."""
    by_class: dict[str, dict[str, float]] = {}
    for number in np.unique(maps[0]).tolist():
        inside = maps[0] == number
        by_class[names.get(number, "void")] = {
            "pixels": int(inside.sum()), "recall": round(float((maps[1][inside] == number).mean()), 4)
        }  # fmt: skip
    return by_class
