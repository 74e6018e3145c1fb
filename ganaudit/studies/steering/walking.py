"""One block of images, moved along a walk and parsed at every strength; or one block of real images, parsed as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganaudit import devices
from ganaudit.foreign_code import blamed
from ganaudit.images import digest
from ganaudit.keys import source_key
from ganaudit.parsers.opening import OpenParser
from ganaudit.parsers.seeing import see
from ganaudit.sources.opening import GeneratorSource
from ganaudit.steering.losses import masked_square_error
from ganaudit.steering.walks import Walk
from ganaudit.studies.steering.models import (
    AskedWalk,
    Setup,
    Steerable,
    SteeringShard,
    generator_of,
    parser_of,
    source_of,
    walk_of,
)
from ganaudit.studies.steering.record_tables import STEERING_IMAGES
from ganaudit.studies.steering.rows import Seen, recorded
from ganaudit.version import __version__

VERSION = 2
"""Enters the content keys: raised when the same walk and images would give other records."""
SHOWN = 6
"""Of the first so many images, pictures are kept at every strength."""


@dataclass(frozen=True)
class SteeringDone:
    """images: each counts once for every strength. quarantined: those that were set aside."""

    images: int
    quarantined: int


@dataclass(frozen=True)
class TrainedWalk:
    """A walk of an audit once it is trained. sha256: of its tensors."""

    asked: AskedWalk
    path: Path
    sha256: str


@dataclass(frozen=True)
class WalkedShard(SteeringShard):
    """The images first to last of a generator, along one walk."""

    walk: TrainedWalk
    key: str
    first: int
    last: int

    @property
    def group(self) -> str:
        return self.walk.asked.which.name

    @property
    def images(self) -> int:
        return (self.last - self.first + 1) * len(self.walk.asked.alphas)

    @property
    def label(self) -> str:
        return f"{self.group} {self.walk.asked.name} {self.first}-{self.last}"


@dataclass(frozen=True)
class StillShard(SteeringShard):
    """The real images first to last."""

    which: Steerable
    key: str
    first: int
    last: int

    @property
    def group(self) -> str:
        return self.which.name

    @property
    def images(self) -> int:
        return self.last - self.first + 1

    @property
    def label(self) -> str:
        return f"{self.group} {self.first}-{self.last}"


def walked_key(setup: Setup, walk: TrainedWalk) -> str:
    """The key of the records of a generator's samples along a walk."""
    return source_key({
        "steering": VERSION, "of": walk.asked.which.key, "parser": setup.parser_key, "walk": walk.sha256,
        "shape": asdict(walk.asked.shape), "alphas": list(walk.asked.alphas), "shard": setup.asked.shard,
        "batch": setup.spec.sample.batch, "device": setup.device.split(":")[0],
    })  # fmt: skip


def still_key(setup: Setup, which: Steerable, first: int, count: int) -> str:
    """The key of the records of real images, of which there are `count` from `first` on: their shards begin and end there."""
    return source_key({
        "steering": VERSION, "of": which.key, "parser": setup.parser_key, "shard": setup.asked.shard, "first": first,
        "count": count,
    })  # fmt: skip


def places(block: tuple[int, int], strengths: int) -> tuple[int, int]:
    """Of a block of images at so many strengths in the list of all images at all strengths: what the shard is called by."""
    return block[0] * strengths, (block[1] + 1) * strengths - 1


def blocks(setup: Setup, first: int = 0, count: int | None = None) -> list[tuple[int, int]]:
    """(first, last) of the shards: whole ones, so that a run which wants more images finds them; of real images, of which there
    are `count` from `first` on, the last one ends with them."""
    size, wanted = setup.asked.shard, setup.asked.images
    if count is None:
        return [(start, start + size - 1) for start in range(0, wanted, size)]
    return [(start, min(start + size, first + count) - 1) for start in range(first, first + min(count, wanted), size)]


def walk_block(shard: WalkedShard) -> SteeringDone:
    """Writes one block. Raises AuditError where generator or parser fail."""
    setup = shard.setup.here()
    source, parser = generator_of(setup, shard.walk.asked.which), parser_of(setup)
    moved = walk_of(setup, shard.walk.asked, shard.walk.path, shard.walk.sha256)
    block, batch = (shard.first, shard.last), setup.spec.sample.batch
    seen = list(seen_along(source, parser, moved.walk, shard.walk.asked, block, batch, setup.device))
    return _written(setup, shard.key, shard.first, shard.last, seen, parser.class_count)


def seen_along(
    source: GeneratorSource, parser: OpenParser, walk: Walk, asked: AskedWalk, block: tuple[int, int], batch: int, device: str
) -> Iterator[Seen]:
    """The images first to last of a generator, batch by batch at every strength, with what the parser sees in them."""
    first, last = block
    for start in range(first, last + 1, batch):
        indices = torch.arange(start, min(start + batch, last + 1))
        clusters = source.clusters(indices.tolist())
        for alpha, image, measured in _along(source, walk, asked, indices, batch):
            pixels, errors = source.shown(image)
            maps, confidence = see(parser, pixels, batch, device)
            shown, still = pixels.cpu().numpy(), alpha == asked.alphas[asked.origin]
            digests = [digest(one) if still and error is None else None for one, error in zip(shown, errors, strict=True)]
            yield Seen(indices.tolist(), alpha, shown, maps, confidence, tuple(errors), measured, clusters, digests)


@torch.inference_mode()
def _along(
    source: GeneratorSource, walk: Walk, asked: AskedWalk, indices: Tensor, batch: int
) -> Iterator[tuple[float, Tensor, dict[str, Tensor]]]:
    """(α, images (n, 3, H, W), what is measured of each) at every strength. The generator is always asked for a whole batch:
    what is made beside an image changes nothing."""
    n, generator = len(indices), source.generator
    whole = torch.cat([indices, indices[:1].repeat(batch - n)])

    def made(alpha: float) -> Tensor:
        with blamed("the generator", str(next(iter(state.values())).device), batch):
            going = walk.state(generator, state, torch.full((batch,), alpha))
            image: Tensor = generator.run(going)["image"][:n].float()
            return image

    with blamed("the generator", "cpu", batch):
        state = generator.latents(source.seed, whole)
    still, before = made(asked.edit.identity), None
    for alpha in asked.alphas:
        image = made(alpha)
        target, mask = asked.edit.apply(still, torch.full((n,), alpha, device=still.device))
        target = target.clamp(-1.0, 1.0)
        measured = {
            "error": masked_square_error(image.clamp(-1.0, 1.0), target, mask),
            "error_still": masked_square_error(still.clamp(-1.0, 1.0), target, mask),
            "known": mask.flatten(1).mean(dim=1),
        }
        if before is not None:
            measured["distance"] = (image - before).flatten(1).square().mean(dim=1).sqrt()
        before = image
        yield alpha, image, measured


def parse_block(shard: StillShard) -> SteeringDone:
    """Writes one block of real images."""
    setup = shard.setup.here()
    source, parser, batch, seen = source_of(setup, shard.which), parser_of(setup), setup.spec.sample.batch, []
    for start in range(shard.first, shard.last + 1, batch):
        indices = range(start, min(start + batch, shard.last + 1))
        read = source.read(indices)
        maps, confidence = see(parser, read.pixels, batch, setup.device)
        pixels, alike = read.pixels.cpu().numpy(), (read.clusters, read.digests)
        seen.append(Seen(list(indices), None, pixels, maps, confidence, tuple(read.errors), {}, *alike))
    return _written(setup, shard.key, shard.first, shard.last, seen, parser.class_count)


def _written(setup: Setup, key: str, first: int, last: int, seen: list[Seen], classes: int) -> SteeringDone:
    written = recorded(key, seen, classes, SHOWN)
    footer = {
        "recipe": key, "code": __version__, "device": devices.describe(setup.device), "torch": torch.__version__,
        "batch": str(setup.spec.sample.batch),
    }  # fmt: skip
    at = places((first, last), len({each.alpha for each in seen}))
    setup.store.write_shard(STEERING_IMAGES.name, key, *at, written, footer)
    bad = sum(error is not None for each in seen for error in each.errors)
    return SteeringDone(sum(len(each.images) for each in seen), bad)
