"""The shipped villages under inversion: what their omissions are told by, and what comes back of their own samples.

Photos are held out: scenes of a seed that no generator was trained on. Intervals are 95 %, from 2,000 resamples of photos.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit import images, weights
from ganaudit.context import Context
from ganaudit.encoders.files import find_inverter, open_inverter
from ganaudit.generators.opening import open_generator
from ganaudit.generators.protocol import Generator
from ganaudit.generators.shapes import choose_layers, generator_digest, read_shape
from ganaudit.inversion import fidelity
from ganaudit.inversion.inverters import InversionTask
from ganaudit.inversion.methods import KINDS, frees_residuals, inverter, needs
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.penalty import choose_penalty
from ganaudit.inversion.perceptual import open_perceptual
from ganaudit.inversion.presets import default_search
from ganaudit.inversion.search import Search
from ganaudit.inversion.search_space import nonnegative_layers
from ganaudit.named import options_named
from ganaudit.parsers.segmentation import unet_parser
from ganaudit.statistics.resampling import means
from ganaudit.studies.inversion.verdicts import Estimate, Rules, proportion
from ganaudit.training.inverters import InverterRecipe
from ganaudit.training.making import MINUTES, make_inverter
from ganaudit.village.classes import IDS
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence

HELDOUT_SEED, OWN_SEED = 424_242, 171_717
SEARCH = Search(150, "adam", 0.05, (60, 82, 105, 120, 135), patience=40, precision="bfloat16")
OBJECTIVE = Objective("mse", open_perceptual("pyramid"))
GENERATORS = (
    "village-progan", "village-wgan-gp", "village-stylegan", "village-no-people", "village-many-people", "village-no-trees",
)  # fmt: skip
TRAINED = Path("training-inverters")
Values = NDArray[np.float64]


def village_task(
    name: str, target: Tensor, objective: Objective, search: Search, kinds: tuple[str, ...] = ("layered",)
) -> InversionTask:
    """Photos to be inverted in a shipped generator, with the inverters that ship for it, or are trained for it now."""
    generator = open_generator(options_named("generators", name), Context()).generator
    shape, digest = read_shape(generator), generator_digest(generator)
    encoders = {kind: open_inverter(_inverter(generator, name, kind), digest).encoder for kind in kinds}
    return InversionTask(
        generator, shape, choose_layers(shape), objective.targets(target), range(len(target)), objective, search,
        encoders=encoders, nonnegative_layers=nonnegative_layers(generator),
    )  # fmt: skip


def _inverter(generator: Generator, name: str, kind: str) -> Path:
    path = find_inverter(generator_digest(generator), kind, [TRAINED])
    if path is None:
        print(f"no inverter of kind {kind} ships for {name}: one is trained, {MINUTES[kind]:g} minutes, kept in {TRAINED}")
        made = make_inverter(generator, name, InverterRecipe(kind, "auto"), TRAINED / f"{name}-{kind}", lambda *_: None)
        path = made.replace(TRAINED / made.name)
    return path


def heldout(count: int, holding: str | None = None, seed: int = HELDOUT_SEED) -> tuple[Tensor, NDArray[np.int64]]:
    """Photos that no generator was trained on, and their true label maps. holding: a class that each of them shows."""
    pixels, labels = render(Prevalence(), seed, range(count if holding is None else 8 * count))
    if holding is not None:
        rows = np.flatnonzero((labels == IDS[holding]).sum(axis=(1, 2)) >= Rules().least_pixels)[:count]
        pixels, labels = pixels[rows], labels[rows]
    return images.to_unit(pixels), labels.astype(np.int64)


def own_samples(task: InversionTask, count: int) -> Tensor:
    with torch.no_grad():
        state = task.generator.latents(OWN_SEED, torch.arange(count))
        return images.to_unit(images.to_bytes(task.generator.run(state)["image"]))


def priced(task: InversionTask, count: int = 32) -> InversionTask:
    """The task with the residuals' penalty that own samples say."""
    penalty = choose_penalty(replace(task, targets=task.objective.targets(own_samples(task, count)), indices=range(count)))
    return replace(task, objective=replace(task.objective, penalty=penalty.weight))


def penalty(count: int = 16) -> None:
    """The residuals' penalty that own samples set, and how large free residuals get on them, by several searches."""
    channels = replace(default_search(150), rate=0.05, falls=(1.0,), eigenbasis=False)
    searches = {
        "default, 500 steps": default_search(500), "default, 100 steps": default_search(100),
        "single channels, 150 steps": channels, "that of these benches": SEARCH,
    }  # fmt: skip
    for name in ("village-progan", "village-no-people", "village-wgan-gp"):
        for called, search in searches.items():
            task = village_task(name, torch.zeros(0, 3, 64, 64), OBJECTIVE, replace(search, precision="bfloat16"))
            chosen = choose_penalty(replace(task, targets=OBJECTIVE.targets(own_samples(task, count)), indices=range(count)))
            print(f"{name:18} {called:26} penalty {chosen.weight:.2f}, free residuals' size {chosen.size:.3f}", flush=True)


def mean(values: Values) -> Estimate:
    average, low, high = means(values[:, None], np.ones(len(values)))[0]
    value, below, above = (math.nan if end is None else end for end in (average, low, high))
    return Estimate(value, below, above, len(values))


def written(share: Estimate, digits: int = 2) -> str:
    return f"{share.value:.{digits}f} [{share.low:.{digits}f}, {share.high:.{digits}f}]"


@dataclass(frozen=True)
class Recalls:
    """Recall of one class in each photo, by the plain search and by the one that is weighted for the class."""

    plain: Values
    weighted: Values


def recalls(name: str, known: str, count: int, method: str) -> Recalls:
    """Recall of class `known` in `count` held-out photos that hold it, inverted in the generator `name`."""
    target, labels = heldout(count, known)
    inside = torch.from_numpy(labels == IDS[known])
    task = village_task(name, target, OBJECTIVE, SEARCH)
    task = priced(task) if method == "layerwise" else task
    parser = unet_parser(weights.load("builtin:village"), "cpu", "bfloat16")
    shares = []
    for mask in (None, inside):
        made = inverter(method)(replace(task, targets=OBJECTIVE.targets(target, mask)))
        again = parser.parse(made.found.image).maps == IDS[known]
        shares.append(((again & inside).flatten(1).sum(dim=1) / inside.flatten(1).sum(dim=1)).double().numpy())
    return Recalls(*shares)


def people(count: int = 128) -> None:
    """How often the people of photos come back from village-many-people, and from village-progan."""
    for method in ("layerwise", "layered+latent"):
        recalls_of = {name: recalls(name, "person", count, method) for name in ("village-many-people", "village-progan")}
        for search in ("plain", "weighted"):
            many, usual = (getattr(recall, search) for recall in recalls_of.values())
            shares = [proportion(int((recall >= Rules().recovered).sum()), count) for recall in (many, usual)]
            print(
                f"{method}, {search} search, {count} photos with people: recall {written(mean(many))} in village-many-people, "
                f"{written(mean(usual))} in village-progan, difference {written(mean(many - usual))}; "
                f"recovered {' against '.join(written(one) for one in shares)}",
                flush=True,
            )


def area_under_curve(high: Values, low: Values) -> float:
    """How often a score of the first is above one of the second; ties count half (Mann and Whitney)."""
    return float(((high[:, None] > low[None, :]) + 0.5 * (high[:, None] == low[None, :])).mean())


def trees(count: int = 96) -> None:
    """Whether the omission score, 1 - recall of trees, tells village-no-trees from village-progan photo by photo."""
    for method in ("layerwise", "layered+latent"):
        without, usual = (recalls(name, "tree", count, method) for name in ("village-no-trees", "village-progan"))
        for search in ("plain", "weighted"):
            scores = [1.0 - getattr(share, search) for share in (without, usual)]
            draws = np.random.default_rng(0).integers(0, count, (2000, count))
            area = [area_under_curve(scores[0][rows], scores[1][rows]) for rows in draws]
            low, high = np.quantile(area, [0.025, 0.975])
            print(
                f"{method}, {search} search, {count} photos with trees: score {written(mean(scores[0]))} in village-no-trees, "
                f"{written(mean(scores[1]))} in village-progan; AUC {area_under_curve(*scores):.3f} [{low:.3f}, {high:.3f}]",
                flush=True,
            )


def own(count: int = 16, steps: int = 400) -> None:
    """PSNR of every shipped generator's own samples, as they come back."""
    search = replace(SEARCH, steps=steps, halve_at=(steps // 2, steps * 2 // 3, steps * 5 // 6), patience=100)
    for name in GENERATORS:
        task = village_task(name, torch.zeros(0, 3, 64, 64), OBJECTIVE, search)
        task = replace(task, targets=OBJECTIVE.targets(own_samples(task, count)), indices=range(count))
        said = []
        for method in ("layered+latent", "layerwise"):
            made = inverter(method)(task).found
            share = mean(fidelity.psnr(made.image, task.targets.images).double().numpy())
            said.append(f"{method} {written(share, 1)} dB")
        print(f"{name:20} {count} own samples, {steps} steps: {', '.join(said)}", flush=True)


def order(count: int = 32, name: str = "village-progan") -> None:
    """Every method of the paper's Fig. 6 on held-out photos and on own samples, each beside the full method (f)."""
    target, labels = heldout(count)
    task = village_task(name, target, OBJECTIVE, SEARCH, ("layered", "encoder"))
    chosen = priced(task).objective.penalty
    print(f"{name}: {count} photos and {count} own samples, at most {SEARCH.steps} steps, penalty {chosen:.3g}", flush=True)
    parser = unet_parser(weights.load("builtin:village"), "cpu", "bfloat16")
    targets = {"photos": task.targets, "own samples": OBJECTIVE.targets(own_samples(task, count))}
    psnr_of: dict[str, dict[str, Values]] = {}
    ways = {each.name: (each.name, 1.0) for each in KINDS if each.name != "reconstructions"}
    ways["layerwise, a tenth of the penalty"] = "layerwise", 0.1
    for way, (method, multiple) in ways.items():
        kind = needs(method)
        if kind is not None and kind not in (task.encoders or {}):
            print(f"{way:16} no inverter of kind {kind} ships")
            continue
        objective = replace(OBJECTIVE, penalty=multiple * chosen if frees_residuals(method) else 0.0)
        run = inverter(method)
        made = {which: run(replace(task, targets=target, objective=objective)).found for which, target in targets.items()}
        psnr_of[way] = {
            which: fidelity.psnr(images.image, targets[which].images).double().numpy() for which, images in made.items()
        }
        maps = parser.parse(made["photos"].image).maps.numpy()
        said = [f"{which} {written(mean(psnr))} dB" for which, psnr in psnr_of[way].items()]
        for known in ("sky", "tree", "person"):
            inside = labels == IDS[known]
            holding_rows = np.flatnonzero(inside.sum(axis=(1, 2)) >= Rules().least_pixels)
            share = np.array([(maps[row][inside[row]] == IDS[known]).mean() for row in holding_rows])
            said.append(f"{known} {written(mean(share))} of {len(holding_rows)}")
        print(f"{way:16} {', '.join(said)}", flush=True)
    for way in psnr_of:
        if way != "layerwise":
            gaps = [f"{which} {written(mean(psnr_of[way][which] - psnr_of['layerwise'][which]))} dB" for which in targets]
            print(f"{way:16} less layerwise: {', '.join(gaps)}")
