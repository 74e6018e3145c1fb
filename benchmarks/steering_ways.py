"""Three ways to a generator that can be steered, row by row (`ganaudit.claims.steering_ways`)."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ganaudit.claims.steering_ways import WAYS, WORLDS, followed, made, make_way, squares, strengths
from ganaudit.steering.strips import draw_strip
from ganaudit.training.loop import Budget


def fewer(rows: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """By what share the masked squares of `others` are less."""
    return float(1.0 - others[:, 0].sum() / rows[:, 0].sum())


def three_ways(name: str, seeds: int, steps: int, folder: Path, out: Path | None = None) -> None:
    """The three rows, at α up to 1.5 of the range that was trained on, seed by seed; of several, their differences with the t
    interval over seeds. folder: of the trainings. out: a folder for strips."""
    world = WORLDS[name]()
    alphas = strengths(world)
    found: dict[str, list[NDArray[np.float64]]] = {way: [] for way in WAYS}
    for seed, way in itertools.product(range(1, seeds + 1), WAYS):
        generator, walk = made(make_way(world, way, seed, folder / f"{name}-{way}-{seed}", Budget(steps=steps)))
        rows = squares(generator, walk, alphas)
        found[way].append(rows)
        each = ", ".join(f"{alpha:g} {value:.3f}" for alpha, value in zip(alphas.tolist(), rows[:, 0], strict=True))
        print(f"{name}, seed {seed}, {way}: {each}; followed {100 * followed(rows):.0f} %", flush=True)
        if out is not None:
            draw_strip(walk, generator, 99, range(4), 7).save(out / f"{name}-{way.replace(',', '').replace(' ', '-')}.png")
    for way, other in itertools.pairwise(WAYS) if seeds > 1 else ():
        pairs = list(zip(found[way], found[other], strict=True))
        less = _over_seeds([fewer(a, b) for a, b in pairs])
        more = _over_seeds([followed(b) - followed(a) for a, b in pairs])
        print(f"{name}: {other}, beside {way}: squares less by {less} %, followed more by {more} points", flush=True)


def _over_seeds(values: list[float]) -> str:
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    mean, low, high = (100.0 * end for end in (np.mean(values), np.mean(values) - half, np.mean(values) + half))
    return f"{mean:.0f} [{low:.0f}, {high:.0f}]"
