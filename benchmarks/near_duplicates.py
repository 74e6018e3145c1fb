"""What perceptual hashes cost, which near duplicates they find, how many there are by chance, and how long a million takes.

    python -m benchmarks.near_duplicates [PART ...]

Images are scenes of the village: much alike, and all different, so that pairs among them are false ones.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as pillow

from ganaudit import images
from ganaudit.parsers.opening import OpenParser, open_parser
from ganaudit.phash import phashes, thumbnail
from ganaudit.spec import parse
from ganaudit.statistics.hashes import near
from ganaudit.studies.census import near as finding
from ganaudit.tally import tally
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence

Pixels = NDArray[np.uint8]
BATCH = 64
ALTERED, APART = 500, 8000
BITS = (0, 2, 4, 6, 8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], help="cost, altered, chance, million; default: all")
    torch.set_num_threads(1)
    for part in parser.parse_args().part or PARTS:
        PARTS[part]()


def scenes(seed: int, count: int) -> Pixels:
    return np.concatenate(
        [render(Prevalence(), seed, range(first, min(first + 500, count)))[0] for first in range(0, count, 500)]
    )


def hashes(pictures: Sequence[Pixels] | Pixels) -> NDArray[np.uint64]:
    told = [each for each in phashes([thumbnail(picture) for picture in pictures]) if each is not None]
    return np.array(told, np.uint64)


def cost() -> None:
    """The hash beside the parse stage (network, counting), and beside the digest, one thread."""
    village = {"name": "r", "kind": "village"}
    spec = parse({
        "name": "n", "parser": {"kind": "unet", "weights": "builtin:village"}, "real": village,
        "generators": [{**village, "name": "g"}],
    })  # fmt: skip
    unet = open_parser(spec.parser, spec.context("cpu", "bfloat16"))
    for side in (64, 256):
        _cost(unet, np.stack([images.resize(scene, (side, side)) for scene in scenes(0, BATCH)]))


def _cost(unet: OpenParser, batch: Pixels) -> None:
    def stage() -> None:
        with torch.inference_mode():
            labels: Any = unet.read(images.to_unit(torch.from_numpy(batch)))
        tally(labels.maps, labels.confidence, unet.class_count)

    works = (lambda: hashes(batch)), (lambda: [images.digest(each) for each in batch]), stage
    hashed, digested, parsed = (1e6 * _best(work) / BATCH for work in works)
    print(
        f"{batch.shape[1]} px: hash {hashed:,.0f} us an image, {hashed / parsed:.2%} of parsing ({parsed:,.0f} us); "
        f"digest {digested:,.0f} us"
    )


def _best(work: Callable[[], Any], rounds: int = 5) -> float:
    """Seconds of the processor, so that what else the machine does hardly counts."""
    seconds = []
    for _ in range(rounds):
        started = time.thread_time()
        work()
        seconds.append(time.thread_time() - started)
    return min(seconds)


def _jpeg(quality: int) -> Callable[[Pixels], Pixels]:
    def alter(pixels: Pixels) -> Pixels:
        file = io.BytesIO()
        pillow.fromarray(pixels).save(file, "JPEG", quality=quality)
        return np.asarray(pillow.open(file).convert("RGB"))

    return alter


def _resized(side: int) -> Callable[[Pixels], Pixels]:
    return lambda pixels: images.resize(images.resize(pixels, (side, side)), pixels.shape[:2])


def _brighter(factor: float) -> Callable[[Pixels], Pixels]:
    return lambda pixels: np.clip(np.rint(pixels * factor), 0, 255).astype(np.uint8)


def _noisy(pixels: Pixels) -> Pixels:
    return np.clip(pixels + np.random.default_rng(0).normal(0, 10, pixels.shape), 0, 255).astype(np.uint8)


def _cropped(pixels: Pixels) -> Pixels:
    return images.resize(np.ascontiguousarray(pixels[1:-1, 1:-1]), pixels.shape[:2])


ALTERATIONS: dict[str, Callable[[Pixels], Pixels]] = {
    "JPEG 75": _jpeg(75), "JPEG 50": _jpeg(50), "JPEG 30": _jpeg(30), "half the size and back": _resized(32),
    "a quarter and back": _resized(16), "darker, 0.8": _brighter(0.8), "brighter, 1.2": _brighter(1.2),
    "noise of 10 levels": _noisy, "cropped by a pixel of 64": _cropped,
    "moved by a pixel": lambda pixels: np.roll(pixels, 1, 1), "mirrored": lambda pixels: pixels[:, ::-1],
}  # fmt: skip


def altered() -> None:
    """The share of altered images that are found within so many bits."""
    before = scenes(0, ALTERED)
    print("found within bits:", *(f"{bits:>6}" for bits in BITS))
    for name, alter in ALTERATIONS.items():
        bits = np.bitwise_count(hashes(before) ^ hashes([alter(each) for each in before]))
        print(f"{name:<26}", *(f"{np.mean(bits <= most):>6.1%}" for most in BITS))


def chance() -> None:
    """Pairs of different scenes within so many bits: of one seed, and of two, beside what the finding would expect."""
    a, b = hashes(scenes(0, APART)), hashes(scenes(1, APART))
    within = [near(each, None, max(BITS), 0) for each in (a, b)]
    between = near(a, b, max(BITS), 0)
    for name, result, pairs in (("of one seed", within[0], APART * (APART - 1) / 2), ("of two seeds", between, APART**2)):
        counts = result.counts.cumsum()
        said = ", ".join(f"{counts[bits]:,} within {bits} ({counts[bits] / pairs:.1e})" for bits in BITS)
        print(f"{pairs:,.0f} pairs of scenes {name}: {said}")
    least = min(int(each.counts[: finding.BITS + 1].sum()) + 1 for each in within) / (APART * (APART - 1) / 2)
    print(f"expected between the two, within {finding.BITS}: {least * APART**2:,.0f}")


def million(count: int = 1_000_000) -> None:
    """Pairs among a million hashes: even ones, and ones whose bits hang together."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(64, 10))
    values = (rng.normal(size=(10_000, 10)) @ base.T * 1.2 + rng.normal(size=(10_000, 64)) for _ in range(count // 10_000))
    bits = (np.packbits(each > np.median(each, axis=1, keepdims=True), axis=1) for each in values)
    alike = np.concatenate([each.view(">u8")[:, 0].astype(np.uint64) for each in bits])
    for name, some in (("even", rng.integers(2**64, size=count, dtype=np.uint64)), ("alike", alike)):
        started = time.thread_time()
        result = near(some, None, finding.BITS, finding.MOST)
        seconds = time.thread_time() - started
        print(
            f"{count:,} hashes, {name}: {seconds:.1f} s of one core, {result.pairs:,} pairs, {result.near_a:,} images in them"
        )


PARTS = {"cost": cost, "altered": altered, "chance": chance, "million": million}

if __name__ == "__main__":
    main()
