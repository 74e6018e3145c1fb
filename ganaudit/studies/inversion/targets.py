"""The images that are inverted in a generator: photos held out and photos it was trained on, own samples, masked ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit import devices, images
from ganaudit.context import Context
from ganaudit.generators.protocol import Generator
from ganaudit.parsers.opening import OpenParser
from ganaudit.random import uniforms
from ganaudit.records import catalog
from ganaudit.records.store import Store
from ganaudit.sources.opening import open_source
from ganaudit.sources.roles import HELDOUT, TRAIN, Asked
from ganaudit.spec import AuditSpec
from ganaudit.statistics.sampling import draw
from ganaudit.studies.inversion.photos import OWN_SEED
from ganaudit.studies.inversion.settings import HELD, MASKED, OWN
from ganaudit.studies.inversion.settings import TRAIN as TRAINED
from ganaudit.studies.inversion.verdicts import Rules

POOL = 8
"""Own samples are chosen among so many times as many, so that rare classes are in enough of them."""
PATCH = 0.25
"""Side of the patch of a masked own sample, as a share of the image's."""
GREY = 127
ROLES = {HELD: HELDOUT, TRAINED: TRAIN}


@dataclass(frozen=True)
class Sought:
    """Images to be inverted. pixels: (N, H, W, 3) uint8 at the parser's resolution. maps, sure: (N, h, w), what the parser
    saw. patches: (N, 4), top, left, bottom, right of what is greyed out, as shares of the image."""

    sample: str
    indices: tuple[int, ...]
    weights: tuple[float, ...]
    pixels: Tensor
    maps: NDArray[np.int16]
    sure: NDArray[np.float32]
    patches: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.indices)

    def take(self, places: Sequence[int]) -> Sought:
        """The images at these places."""
        chosen = list(places)
        return Sought(
            self.sample, tuple(self.indices[i] for i in chosen), tuple(self.weights[i] for i in chosen), self.pixels[chosen],
            self.maps[chosen], self.sure[chosen], None if self.patches is None else self.patches[chosen],
        )  # fmt: skip


@dataclass(frozen=True)
class Eye:
    """The parser, asked in batches of one size."""

    parser: OpenParser
    batch: int
    device: str

    @torch.inference_mode()
    def see(self, pixels: Tensor) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
        """Label maps and confidences (N, h, w) of 8-bit pixels (N, H, W, 3), of the parser's first head."""
        parts: list[tuple[Tensor, Tensor]] = []
        for start in range(0, len(pixels), self.batch):
            part = pixels[start : start + self.batch]
            padded = torch.cat([part, part.new_zeros((self.batch - len(part), *part.shape[1:]))])
            labels = self.parser.parser.parse(images.to_unit(padded.to(self.device)))
            first = (slice(len(part)), 0) if labels.maps.ndim == 4 else (slice(len(part)),)
            parts.append((labels.maps[first].cpu(), labels.confidence[first].cpu()))
        if not parts:
            return np.zeros((0, 1, 1), dtype=np.int16), np.zeros((0, 1, 1), dtype=np.float32)
        maps, sure = (torch.cat(list(one)) for one in zip(*parts, strict=True))
        return maps.numpy().astype(np.int16), sure.float().numpy()

    def resized(self, pixels: Tensor) -> Tensor:
        """At the parser's resolution."""
        return resized(pixels, self.parser.resolution)


def resized(pixels: Tensor, size: tuple[int, int] | None) -> Tensor:
    """8-bit pixels (N, H, W, 3) at another size; None: as they are."""
    if size is None or tuple(pixels.shape[1:3]) == tuple(size):
        return pixels
    return torch.from_numpy(np.stack([images.resize(one, size) for one in pixels.cpu().numpy()]))


@torch.inference_mode()
def own_pixels(generator: Generator, indices: Sequence[int]) -> Tensor:
    """Own samples (N, S, S, 3) uint8: of a seed that no inverter was trained on."""
    made = []
    for start in range(0, len(indices), 64):
        state = generator.latents(OWN_SEED, torch.tensor(list(indices[start : start + 64]), dtype=torch.int64))
        made.append(images.to_bytes(generator.run(state)["image"].clamp(-1.0, 1.0)).cpu())
    return torch.cat(made).clone()


def own_samples(generator: Generator, eye: Eye, count: int, seed: int) -> Sought:
    """About `count` own samples, and more where a class would be in too few, of POOL times as many."""
    pool = list(range(POOL * count))
    pixels = eye.resized(own_pixels(generator, pool))
    maps, sure = eye.see(pixels)
    chosen = draw(np.array(pool, dtype=np.int64), _present(maps, eye.parser.class_count), count, seed)
    places = chosen.places.tolist()
    return Sought(OWN, tuple(places), tuple(chosen.weights.tolist()), pixels[places], maps[places], sure[places])


def masked_samples(own: Sought, count: int, seed: int) -> Sought:
    """The first `count` own samples with a patch greyed out, whose label maps are void there and otherwise the clean ones."""
    which = own.take(range(min(count, len(own))))
    corners = uniforms(seed, "masked patch", which.indices, 2) * (1.0 - PATCH)
    patches = np.concatenate([corners, corners + PATCH], axis=1)
    pixels, maps = which.pixels.clone(), which.maps.copy()
    pixels[torch.from_numpy(inside(patches, (pixels.shape[1], pixels.shape[2])))] = GREY
    maps[inside(patches, (maps.shape[1], maps.shape[2]))] = 0
    return Sought(MASKED, which.indices, which.weights, pixels, maps, which.sure, patches)


def inside(patches: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Masks (N, h, w) of patches (N, 4): the pixels that a patch touches."""
    found = np.zeros((len(patches), *size), dtype=bool)
    for mask, (top, left, bottom, right) in zip(found, patches.tolist(), strict=True):
        height, width = size
        mask[int(top * height) : int(np.ceil(bottom * height)), int(left * width) : int(np.ceil(right * width))] = True
    return found


def untouched(patches: NDArray[np.float64], size: tuple[int, int], at: tuple[int, int]) -> NDArray[np.bool_]:
    """Masks (N, *at) of images that got their patches at `size` and were then resized: the pixels that hold nothing of them."""
    grey = torch.from_numpy(inside(patches, size)).to(torch.uint8)[..., None].repeat(1, 1, 1, 3) * 255
    return np.asarray(resized(grey, at)[..., 0].numpy() == 0)


def photos(store: Store, run: str, spec: AuditSpec, eye: Eye, sample: str, count: int) -> Sought:
    """About `count` photos of a role, and more where a class would be in too few."""
    role = ROLES[sample]
    with catalog.of_run(store, run) as connection:
        statement = "SELECT image FROM run_images(?) WHERE role = ? AND status = 'ok' ORDER BY image"
        offered = [image for (image,) in connection.execute(statement, [run, role]).fetchall()]
        held = connection.execute(
            "SELECT image, class_id FROM run_class_pixels(?) WHERE role = ? AND class_id > 0 AND pixels >= ?",
            [run, role, Rules().least_pixels],
        ).fetchall()
    place = {image: number for number, image in enumerate(offered)}
    present = np.zeros((len(offered), eye.parser.class_count), dtype=bool)
    for image, class_id in held:
        present[place[image], class_id] = True
    chosen = draw(np.array(offered, dtype=np.int64), present, count, spec.sample.seed)
    picked = [offered[number] for number in chosen.places.tolist()]
    asked, context = Asked(role), Context.of(spec, eye.device, devices.precision(spec.run.precision, eye.device))
    source = open_source(asked, asked.source(spec), eye.parser, context)
    parts = [source.read(picked[i : i + eye.batch]).pixels for i in range(0, len(picked), eye.batch)]
    pixels = torch.cat(parts) if parts else torch.zeros((0, 1, 1, 3), dtype=torch.uint8)
    return Sought(sample, tuple(picked), tuple(chosen.weights.tolist()), pixels, *eye.see(pixels))


def _present(maps: NDArray[np.int16], classes: int) -> NDArray[np.bool_]:
    counts = np.stack([np.bincount(one.ravel(), minlength=classes)[:classes] for one in maps])
    counts[:, 0] = 0
    return np.asarray(counts >= Rules().least_pixels)
