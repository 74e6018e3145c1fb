"""A generator's latent space, measured: `python -m benchmarks.latent_space GENERATOR`, one that `ganaudit invert` takes.

Path lengths, linear separability by probes on what the village's parser sees, what else moves along a boundary, and how
monotone classes are between two codes, in z and, where it has one, in w.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit.claims.measuring import mean_over, ratio_over
from ganaudit.claims.scenes import LEAST, class_pixels, label_maps, opened, pyramid
from ganaudit.errors import RequestError
from ganaudit.generators.protocol import Generator, Mapped, with_code
from ganaudit.latent_space.monotone import monotone
from ganaudit.latent_space.movement import moved, movement
from ganaudit.latent_space.path_length import Radius, lerp, path_lengths, perceptual_distance, slerp
from ganaudit.latent_space.probes import Probe, auc, conditional_entropy, fit_probe, separability
from ganaudit.steering.spaces import latent_of
from ganaudit.village.classes import NAMES

Floats = NDArray[np.float64]
BATCH, PLACES = 64, 9
STEP = 3.0
"""How far a code moves along a boundary's normal, in standard deviations of the codes along it."""


def codes_of(generator: Generator, space: str, count: int, seed: int = 1) -> Tensor:
    """(count, L) codes of samples."""
    with torch.no_grad():
        return latent_of(generator, generator.latents(seed, torch.arange(count)), space)


@torch.inference_mode()
def areas_of(generator: Generator, space: str, codes: Tensor) -> Floats:
    """(N, 15) percent of pixels of each class, in images of codes (N, L); their noise is that of images 0, 1, 2 …"""
    parts = []
    for first in range(0, len(codes), BATCH):
        part = codes[first : first + BATCH]
        state = generator.latents(1, torch.arange(first, first + len(part)))
        maps = label_maps(generator.run(with_code(state, space, part))["image"])
        parts.append(100.0 * class_pixels(maps)[:, 1:] / maps[0].size)
    return np.concatenate(parts)


def spaces(generator: Generator) -> list[str]:
    return ["z", "w"] if isinstance(generator, Mapped) else ["z"]


def lengths(generator: Generator, pairs: int) -> Iterator[str]:
    """Path lengths, untrimmed and trimmed, at the prior's radius and at 1."""
    distance = perceptual_distance(pyramid())
    radii: tuple[tuple[str, Radius], ...] = (("w", "prior"), ("z", "prior"), ("z", 1.0))
    found = {}
    for space, radius in radii:
        if space in spaces(generator):
            here = found[space, radius] = path_lengths(generator, space, pairs, distance, radius=radius)
            ends = path_lengths(generator, space, pairs, distance, ends=True, radius=radius)
            where = "" if space == "w" else f", radius {radius}"
            yield (
                f"{space}{where}: {mean_over(here.lengths).text()}, trimmed {here.trimmed():.2f}; "
                f"from one end {ends.mean():.2f}"
            )
    if ("w", "prior") in found:
        yield f"w by z: {ratio_over(found['w', 'prior'].lengths, found['z', 'prior'].lengths).text()}"


def probed(codes: Floats, areas: Floats, pixels: int) -> dict[int, tuple[Probe, float, float]]:
    """By class that some images hold and some do not: its probe, and of the other half of the images area under the curve and
    conditional entropy."""
    half, result = len(codes) // 2, {}
    present = areas >= 100.0 * LEAST / pixels
    for number in range(areas.shape[1]):
        try:
            probe = fit_probe(codes[:half], present[:half, number])
        except RequestError:
            continue
        side, truth = probe.side(codes[half:]), present[half:, number]
        result[number] = (probe, auc(side, truth), conditional_entropy(side > 0, truth))
    return result


def separated(generator: Generator, count: int) -> Iterator[str]:
    """Linear separability in each space, and what else moves along each boundary."""
    for space in spaces(generator):
        codes = codes_of(generator, space, count)
        areas, numbers = areas_of(generator, space, codes), codes.double().numpy()
        found = probed(numbers, areas, 64 * 64)
        entropy = np.array([each[2] for each in found.values()])
        known = {number: area for number, (_, area, _) in found.items() if np.isfinite(area)}
        yield (
            f"{space}: separability 2^ΣH = {separability(entropy):.2f} over {len(found)} classes of {count // 2} images; mean "
            f"area under the curve {np.mean(list(known.values())):.3f}: "
            + ", ".join(f"{NAMES[number]} {area:.2f}" for number, area in known.items())
        )
        best = sorted(known, key=lambda number: -known[number])[:3]
        some = codes[:256]
        for number in best:
            probe = found[number][0]
            normal = torch.from_numpy(probe.normal).to(some)
            reach = STEP * float(np.std(numbers @ probe.normal))
            seen = movement(areas[: len(some)], areas_of(generator, space, moved(some, normal, reach)), number)
            others = [place for place in np.argsort(-np.abs(seen.change)) if place != number][:3]
            yield (
                f"  {space} along {NAMES[number]} by {STEP:g} deviations: {seen.change[number]:+.2f} "
                f"[{seen.low[number]:+.2f}, {seen.high[number]:+.2f}] percent of pixels, "
                + ", ".join(f"{NAMES[place]} {seen.change[place]:+.2f}" for place in others)
                + f"; others move {seen.aside[0]:.2f} times as much"
            )


def straight(generator: Generator, paths: int) -> Iterator[str]:
    """How monotone each class's area is between two codes: w along a line, z along the circle."""
    for space in spaces(generator):
        a, b = codes_of(generator, space, paths), codes_of(generator, space, paths, seed=2)
        way = []
        for t in torch.linspace(0.0, 1.0, PLACES):
            share = t.expand(paths)
            way.append(areas_of(generator, space, lerp(a, b, share) if space == "w" else slerp(a, b, share)))
        seen = monotone(np.stack(way, axis=1))
        said = [
            f"{NAMES[number]} {seen.value[number]:.2f} [{seen.low[number]:.2f}, {seen.high[number]:.2f}]"
            for number in np.argsort(-np.nan_to_num(seen.value)) if np.isfinite(seen.value[number])
        ]  # fmt: skip
        yield f"{space}: mean {np.nanmean(seen.value):.3f}: {', '.join(said)}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latent_space", description=__doc__)
    parser.add_argument("generator")
    parser.add_argument("--pairs", type=int, default=1000, help="Of path lengths.")
    parser.add_argument("--images", type=int, default=2000, help="Of probes.")
    parser.add_argument("--paths", type=int, default=128, help="Of monotone paths.")
    asked = parser.parse_args(arguments)
    generator = opened(asked.generator)
    parts = {
        "Path length (pyramid's squared differences)": lengths(generator, asked.pairs),
        "Linear probes": separated(generator, asked.images), "Monotone paths": straight(generator, asked.paths),
    }  # fmt: skip
    for title, lines in parts.items():
        print(title)
        for line in lines:
            print(line, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
