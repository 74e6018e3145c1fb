"""Starts of a search, side by side: `python -m benchmarks.starts GENERATOR`, one that `ganaudit invert` takes.

Held-out village scenes are searched for from a random code, the mean one and each encoder that there is for the generator, in z
and, where it has one, in w. --out keeps every curve as Parquet.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks.inversion_villages import OBJECTIVE, heldout, mean, written
from ganaudit.claims.measuring import mean_over, ratio_over
from ganaudit.context import Context
from ganaudit.encoders import OWN_ENCODER
from ganaudit.encoders.files import find_inverter, open_inverter
from ganaudit.encoders.networks import Encoder
from ganaudit.encoders.own import OwnEncoder, own_encoder
from ganaudit.generators.opening import open_generator
from ganaudit.generators.protocol import Generator
from ganaudit.generators.shapes import choose_layers, generator_digest, read_shape
from ganaudit.inversion.inverters import InversionTask
from ganaudit.inversion.search import Search
from ganaudit.inversion.starts import RANDOM, StartCurves, apart_at_start, searched_from, start_codes
from ganaudit.named import options_named

STEPS, RATE, EVERY = 200, 0.05, 5


def encoders_of(generator: Generator) -> dict[str, Encoder | OwnEncoder]:
    """Its own encoder and the inverters that ship for it, by kind."""
    encoders: dict[str, Encoder | OwnEncoder] = {}
    if (mine := own_encoder(generator)) is not None:
        encoders[OWN_ENCODER] = mine
    digest = generator_digest(generator)
    for kind in ("layered", "encoder"):
        if (path := find_inverter(digest, kind)) is not None:
            encoders[kind] = open_inverter(path, digest).encoder.eval()
    return encoders


def task_of(generator: Generator, photos: torch.Tensor, steps: int, rate: float = RATE) -> InversionTask:
    """The search of photos that all starts share: Adam at one rate, without patience."""
    shape = read_shape(generator)
    how = Search(steps, "adam", rate, log_every=EVERY)
    return InversionTask(
        generator, shape, choose_layers(shape), OBJECTIVE.targets(photos), range(len(photos)), OBJECTIVE, how
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.starts", description=__doc__)
    parser.add_argument("generator")
    parser.add_argument("--photos", type=int, default=32)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args(arguments)
    generator = open_generator(options_named("generators", asked.generator), Context()).generator
    photos, _ = heldout(asked.photos)
    codes = start_codes(generator, photos, encoders_of(generator))
    curves = searched_from(task_of(generator, photos, asked.steps, asked.rate), codes)
    print(f"{asked.generator}: {asked.photos} held-out photos, {asked.steps} steps of Adam at {asked.rate:g}")
    print(f"twins' losses before the first step differ by at most {apart_at_start(curves):.1e} of themselves")
    for line in lines(curves):
        print(line)
    if asked.out is not None:
        pq.write_table(rows(asked.generator, curves), asked.out, compression="zstd")
        print(asked.out)


def lines(curves: Sequence[StartCurves]) -> list[str]:
    """A line a start and space, and of each start how soon it is where the random one ends, in the same space."""
    random = {each.space: each for each in curves if each.start == RANDOM}
    said = []
    for each in sorted(curves, key=lambda each: (each.space, each.start)):
        values: Mapping[str, np.ndarray] = {
            "first": each.loss[:, 0], "best": each.best[:, -1], "area": each.area(), "volatility": each.volatility()
        }  # fmt: skip
        line = f"{each.space} {each.start:12} " + ", ".join(
            f"{name} {written(mean(value), 3)}" for name, value in values.items()
        )
        if each.start != RANDOM and each.space in random:
            line += f"; steps to where random ends {_sooner(each, random[each.space])}"
        said.append(line)
    return said


def _sooner(each: StartCurves, random: StartCurves) -> str:
    """Steps to the loss at which the random start ends, by the random start's own steps to it; a photo that never gets there
    counts with all its steps."""
    threshold, most = random.best[:, -1], float(each.steps[-1])
    mine, theirs = (np.minimum(curves.steps_to(threshold), most) for curves in (each, random))
    ratio = ratio_over(mine, theirs)
    never = mean_over(each.best[:, -1] > threshold)
    return f"{ratio.effect:.2f} [{ratio.low:.2f}, {ratio.high:.2f}] of its own ({never.effect:.0%} of photos never)"


def rows(generator: str, curves: Sequence[StartCurves]) -> pa.Table:
    """Every loss and gradient norm of every photo."""
    return pa.Table.from_pylist([
        {
            "generator": generator, "start": each.start, "space": each.space, "photo": photo, "step": int(step),
            "loss": float(each.loss[photo, place]), "gradient_norm": float(each.gradient[photo, place]),
        }
        for each in curves for photo in range(len(each.loss)) for place, step in enumerate(each.steps)
    ])  # fmt: skip


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
