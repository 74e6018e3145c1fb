"""The images that are inverted, read and parsed once for all generators and methods, and kept as records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit import images, resizing
from ganaudit.encoded import confidence_of, confidence_png, label_png, labels_of, pixels_of, webp
from ganaudit.errors import AuditError
from ganaudit.generators.protocol import Generator
from ganaudit.parsers.seeing import see
from ganaudit.records.store import Store
from ganaudit.studies.inversion.choosing import Patch, TargetList
from ganaudit.studies.inversion.done import InversionDone, footer
from ganaudit.studies.inversion.models import InversionShard, parser_of, source_of
from ganaudit.studies.inversion.photos import OWN_SEED
from ganaudit.studies.inversion.record_tables import INVERSION_TARGETS

GREY = 127
COLUMNS = ("image", "sample", "weight", "patch_top", "patch_left", "patch_bottom", "patch_right", "picture", "label_map",
           "confidence_map")  # fmt: skip


@dataclass(frozen=True)
class ParsedTargets:
    """Images to be inverted. pixels: (N, H, W, 3) uint8 at the parser's resolution. maps, confidence: (N, h, w), what the
    parser saw. patches: (N, 4), top, left, bottom, right of what is greyed out, as shares of the image. key: of the records."""

    key: str
    sample: str
    indices: tuple[int, ...]
    weights: tuple[float, ...]
    pixels: Tensor
    maps: NDArray[np.int64]
    confidence: NDArray[np.float32]
    patches: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width at which they were parsed."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[2])


@dataclass(frozen=True)
class TargetShard(InversionShard):
    """One batch of a list, to be read and parsed. part: its images, which stand at the places first to last of the list."""

    part: TargetList
    key: str
    first: int
    last: int

    @property
    def group(self) -> str:
        return self.part.source

    @property
    def images(self) -> int:
        return len(self.part)

    @property
    def label(self) -> str:
        return f"{self.part.source} {self.part.sample} {self.first}-{self.last}"


def parse_targets(shard: TargetShard) -> InversionDone:
    """Writes one batch. Raises AuditError where an image is no longer what was chosen, or the parser fails."""
    setup, part = shard.setup.here(), shard.part
    read = source_of(setup, part.asked, part.source_key).read(part.indices)
    broken = next((error for error in read.errors if error is not None), None)
    if broken is not None:
        raise AuditError(f"an image of {part.source!r} that was chosen cannot be read any more: {broken}")
    pixels = read.pixels.cpu()
    maps, confidence = see(parser_of(setup), pixels, setup.spec.sample.batch, setup.device)
    if part.patches is not None:
        pixels, maps = greyed(pixels, maps, part.patches)
    rows = [
        {
            "key": shard.key, "image": image, "sample": part.sample, "weight": part.weights[place],
            "picture": webp(pixels[place].numpy()), "label_map": label_png(maps[place]),
            "confidence_map": confidence_png(confidence[place]), **_patch(part, place),
        }
        for place, image in enumerate(part.indices)
    ]  # fmt: skip
    table = INVERSION_TARGETS.from_rows(rows)
    setup.store.write_shard(
        INVERSION_TARGETS.name, shard.key, shard.first, shard.last, {INVERSION_TARGETS.name: table}, footer(setup, shard.key)
    )
    return InversionDone(len(part), 0)


def _patch(part: TargetList, place: int) -> dict[str, float]:
    if part.patches is None:
        return {}
    return dict(zip(("patch_top", "patch_left", "patch_bottom", "patch_right"), part.patches[place], strict=True))


def read_targets(store: Store, key: str, count: int, batch: int, places: Sequence[int]) -> ParsedTargets:
    """The images at these places, ascending, of a list of `count` that is kept in shards of `batch`. Raises AuditError."""
    rows = []
    for first in sorted({place // batch * batch for place in places}):
        block = (first, min(first + batch, count) - 1)
        block_rows = store.read_block(INVERSION_TARGETS, key, block, COLUMNS)
        inside = [place - first for place in places if block[0] <= place <= block[1]]
        rows += block_rows.take(inside).to_pylist()
    patches = None
    if rows[0]["patch_top"] is not None:
        patches = np.array([[row[name] for name in COLUMNS[3:7]] for row in rows], dtype=np.float64)
    return ParsedTargets(
        key, rows[0]["sample"], tuple(row["image"] for row in rows), tuple(row["weight"] for row in rows),
        torch.from_numpy(np.stack([pixels_of(row["picture"]) for row in rows])),
        np.stack([labels_of(row["label_map"]) for row in rows]),
        np.stack([confidence_of(row["confidence_map"]) for row in rows]), patches,
    )  # fmt: skip


def resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """8-bit pixels (N, H, W, 3) at another size, each side stretched on its own, so that the way back is the same."""
    return resizing.resized(pixels, size, "stretch")


@torch.inference_mode()
def own_pixels(generator: Generator, indices: Sequence[int]) -> Tensor:
    """Own samples (N, h, w, 3) uint8: of a seed that no inverter was trained on."""
    made = []
    for start in range(0, len(indices), 64):
        state = generator.latents(OWN_SEED, torch.tensor(list(indices[start : start + 64]), dtype=torch.int64))
        made.append(images.to_bytes(generator.run(state)["image"].clamp(-1.0, 1.0)).cpu())
    return torch.cat(made).clone()


def greyed(pixels: Tensor, maps: NDArray[np.int64], patches: Sequence[Patch]) -> tuple[Tensor, NDArray[np.int64]]:
    """Images with a patch greyed out, whose label maps are void there and otherwise the clean ones."""
    at, pixels, maps = np.array(patches, dtype=np.float64), pixels.clone(), maps.copy()
    pixels[torch.from_numpy(inside(at, (pixels.shape[1], pixels.shape[2])))] = GREY
    maps[inside(at, (maps.shape[1], maps.shape[2]))] = 0
    return pixels, maps


def inside(patches: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Masks (N, h, w) of patches (N, 4): the pixels that a patch touches."""
    in_patch = np.zeros((len(patches), *size), dtype=bool)
    for mask, (top, left, bottom, right) in zip(in_patch, patches.tolist(), strict=True):
        height, width = size
        mask[int(top * height) : int(np.ceil(bottom * height)), int(left * width) : int(np.ceil(right * width))] = True
    return in_patch


def untouched(patches: NDArray[np.float64], size: tuple[int, int], at: tuple[int, int]) -> NDArray[np.bool_]:
    """Masks (N, *at) of images that got their patches at `size` and were then resized: the pixels that hold nothing of them."""
    grey = torch.from_numpy(inside(patches, size)).to(torch.uint8)[..., None].repeat(1, 1, 1, 3) * 255
    return np.asarray(resized(grey, at)[..., 0].numpy() == 0)
