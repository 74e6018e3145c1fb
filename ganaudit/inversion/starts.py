"""What a search's start is worth: the same photos from several starts, in z and in w, and the curves that come of it.

LIA (Zhu et al., ECCV 2020) compares three starts in two spaces: a random code, the mean one (Image2StyleGAN's choice) and the
encoder's. A start in z and its twin in w are one code, so both make the same image before the first step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit.encoders.networks import Encoder
from ganaudit.encoders.own import OwnEncoder
from ganaudit.generators.protocol import Generator, spaces_of, with_code
from ganaudit.inversion.inverters import InversionTask, z_of
from ganaudit.inversion.search import SearchResult, search_all
from ganaudit.inversion.search_space import SearchSpace
from ganaudit.random import normals

RANDOM, MEAN = "random", "mean"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StartCurves:
    """One start in one space, of N photos. steps: (T,); loss: (N, T) at those steps; gradient: (N, T), its Euclidean norms."""

    start: str
    space: str
    steps: NDArray[np.int64]
    loss: Floats
    gradient: Floats

    @property
    def best(self) -> Floats:
        """(N, T): the lowest loss up to each step, which is what a search gives back if it is stopped there."""
        lowest: Floats = np.minimum.accumulate(self.loss, axis=1)
        return lowest

    def area(self) -> Floats:
        """(N,): the mean of `best` over the steps, by the trapezoidal rule: the area under the curve, per step."""
        area: Floats = np.trapezoid(self.best, self.steps, axis=1) / (self.steps[-1] - self.steps[0])
        return area

    def steps_to(self, threshold: Floats | float) -> Floats:
        """(N,): the first of the steps at which a photo's loss is no more than its threshold; infinity where none is."""
        reached = self.best <= np.broadcast_to(np.asarray(threshold, np.float64), (len(self.loss),))[:, None]
        first: Floats = np.where(reached.any(axis=1), self.steps[reached.argmax(axis=1)].astype(np.float64), np.inf)
        return first

    def volatility(self) -> Floats:
        """(N,): how much the gradient's norm changes from one of the steps to the next, as a mean absolute log ratio."""
        logs = np.log(np.maximum(self.gradient, np.finfo(np.float64).tiny))
        mean: Floats = np.abs(np.diff(logs, axis=1)).mean(axis=1)
        return mean


def start_codes(
    generator: Generator, images: Tensor, encoders: Mapping[str, Encoder | OwnEncoder], seed: int = 0
) -> dict[str, dict[str, Tensor]]:  # fmt: skip
    """By start and space, codes (N, L) of images (N, 3, H, W): `random`, `mean` and each of `encoders`, by its name.

    A start is in both spaces where the one code follows from the other: w from z by `to_w`, z from w by `to_z`, where the
    generator has them. `mean` is that of w, or 0 where there is no w.
    """
    known = {space.name: space for space in spaces_of(generator)}
    (length,) = known["z"].shape
    device = images.device
    z = torch.from_numpy(normals(seed, "start", range(len(images)), length)).to(device)
    begun: dict[str, dict[str, Tensor]] = {RANDOM: {"z": z}}
    if "w" in known and known["w"].mean is not None:
        begun[MEAN] = {"w": known["w"].mean.to(device).expand(len(images), -1).clone()}
    else:
        begun[MEAN] = {"z": torch.zeros_like(z)}
    for name, encoder in encoders.items():
        with torch.no_grad():
            said = encoder(images)
        begun[name] = {space: said[space].float() for space in ("z", "w") if space in said}
    return {start: _both(generator, codes) for start, codes in begun.items()}


@torch.no_grad()
def _both(generator: Generator, codes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The codes, with their twin in the other space where one is known."""
    twins = dict(codes)
    if "w" not in twins and (to_w := getattr(generator, "to_w", None)) is not None:
        twins["w"] = to_w(twins["z"].double()).to(twins["z"])
    if "z" not in twins and (z := z_of(generator, twins["w"])) is not None:
        twins["z"] = z
    return twins


def searched_from(task: InversionTask, codes: Mapping[str, Mapping[str, Tensor]]) -> list[StartCurves]:
    """The search of `task` from every start in every space, photos in the same order. The search has no patience and no
    further trials, so that all photos have all steps."""
    with torch.no_grad():
        state = task.generator.latents(task.seed, torch.tensor(list(task.indices), dtype=torch.int64))
    return [
        _curves(start, space, search_all(
            SearchSpace(task.generator, with_code(state, space, code), latent=True, space=space), task.objective, task.targets,
            task.search,
        )[0])
        for start, spaces in codes.items() for space, code in spaces.items()
    ]  # fmt: skip


def _curves(start: str, space: str, result: SearchResult) -> StartCurves:
    steps = np.array(max((curve.steps for curve in result.curves), key=len), np.int64)

    def values(term: str) -> Floats:
        rows = [np.array(curve.terms[term], np.float64) for curve in result.curves]
        # a photo whose loss was no longer finite has no further steps: it stays where it was
        return np.stack([np.pad(row, (0, len(steps) - len(row)), mode="edge") for row in rows])

    return StartCurves(start, space, steps, values("loss"), values("gradient_norm"))


def apart_at_start(curves: list[StartCurves]) -> float:
    """How far losses of twins, one start in two spaces, differ before the first step, relatively: the largest of all photos."""
    firsts: dict[str, list[Floats]] = {}
    for each in curves:
        firsts.setdefault(each.start, []).append(each.loss[:, 0])
    twins = [pair for pair in firsts.values() if len(pair) == 2]
    return max((float((np.abs(a - b) / np.maximum(np.abs(a), 1e-12)).max()) for a, b in twins), default=0.0)
