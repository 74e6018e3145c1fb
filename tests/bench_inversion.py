"""What inversion is worth, measured here and now: `python -m tests.bench_inversion speed|sprites|order`.

speed: the reference's loop against the batched search, same generator, targets and loss, split by what each change gives.
sprites: photos of the sprite village in generators with one sprite switched off or on; how many verdicts are wrong.
order: the methods of Bau et al.'s Fig. 6 on held-out photos, with intervals, beside the generator's own samples.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganaudit import images, weights
from ganaudit.generators.named import open_named
from ganaudit.inversion import fidelity
from ganaudit.inversion.inverter_files import find_inverter, open_inverter
from ganaudit.inversion.inverters import NEEDS, Task
from ganaudit.inversion.making import make_inverter
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.penalty import calibrate
from ganaudit.inversion.perceptual import open_perceptual
from ganaudit.inversion.search import Search
from ganaudit.inversion.shapes import choose_layers, generator_digest, read_shape
from ganaudit.inversion.span import floors
from ganaudit.inversion.training import InverterRecipe
from ganaudit.inversion.verdicts import confusion, photo_verdict, proportion, seen, weighted_mean
from ganaudit.parsers.segmentation import unet_parser
from ganaudit.registry import opener
from ganaudit.village.classes import IDS
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence
from ganaudit.village.sprites import NAMES, SPRITES, SpriteParser, SpriteVillage

HELDOUT_SEED, OWN_SEED = 424_242, 171_717


def village_task(name: str, target: Tensor, objective: Objective, search: Search) -> Task:
    """Photos to be inverted in a shipped generator, with the inverters that ship for it."""
    generator = open_named(name)
    shape, digest = read_shape(generator), generator_digest(generator)
    paths = {kind: find_inverter(digest, kind) for kind in ("layered", "encoder")}
    encoders = {kind: open_inverter(path, digest).encoder for kind, path in paths.items() if path is not None}
    return Task(
        generator, shape, choose_layers(shape), objective.targets(target), range(len(target)), objective, search,
        encoders=encoders, floors=floors(generator),
    )  # fmt: skip


def heldout(count: int) -> tuple[Tensor, np.ndarray]:
    """Photos of the village that no generator was trained on, and their true label maps."""
    pixels, labels = render(Prevalence(), HELDOUT_SEED, range(count))
    return images.to_unit(pixels), labels.astype(np.int64)


def own_samples(task: Task, count: int) -> Tensor:
    with torch.no_grad():
        state = task.generator.latents(OWN_SEED, torch.arange(count))
        return images.to_unit(images.to_bytes(task.generator.run(state)["image"]))


def timed(task: Task, method: str = "layerwise") -> tuple[float, float]:
    """CPU seconds an image, and the mean final loss."""
    began = time.process_time()
    found = opener("inverters", method)(task).found
    return (time.process_time() - began) / len(task.targets), float(found.loss_best.mean())


def speed() -> None:
    """Reference: one image at a time, float32, Adam .01, 3,000 steps, halved at 800, 1,200 and 1,800, no early stop."""
    target, _ = heldout(32)
    objective = Objective("l1", open_perceptual("pyramid"), penalty=1.0)
    alone = Search(100, "adam", 0.01, batch=1)
    task = village_task("village-progan", target, objective, alone)
    few = replace(task, targets=task.targets.take(torch.arange(2)), indices=range(2))
    whole = Search(3000, "adam", 0.01, (800, 1200, 1800), batch=1)
    one, batched, half = (
        timed(replace(which, search=how))[0] / how.steps
        for which, how in (
            (few, alone), (task, replace(alone, batch=32)), (task, replace(alone, batch=32, precision="bfloat16")),
        )
    )  # fmt: skip
    print(
        f"CPU ms an image and step: alone {1e3 * one:.2f}, in a batch of 32 {1e3 * batched:.2f}, in bf16 too {1e3 * half:.2f}"
    )
    print(f"at equal steps: {one / half:.2f}x ({one / batched:.2f}x by batching, {batched / half:.2f}x by precision)")
    began, reference_loss = timed(replace(few, search=whole))
    ours = Search(400, "adam", 0.03, (200, 280, 340), patience=60, tolerance=1e-3, precision="bfloat16", batch=32)
    spent, _ = timed(replace(task, search=ours))
    _, loss = timed(replace(few, search=ours))
    higher = 100 * (loss / reference_loss - 1)
    print(f"whole: {began:.1f} s an image against {spent:.2f} s: {began / spent:.1f}x; loss {higher:+.2f} %")


def sprites(photos: int = 13, steps: int = 200) -> None:
    """Every sprite switched off and on, `photos` photos each: wrong is an omission of what is on, or a find of what is off."""
    on = SpriteVillage()
    folder = Path("training-sprites-encoder")
    found = find_inverter(generator_digest(on), "encoder", [folder])
    found = found or make_inverter(on, "sprites", InverterRecipe("encoder"), folder, lambda *_: None, 2.0, device="cpu")
    encoders = {"encoder": open_inverter(found, generator_digest(on)).encoder}
    shape, parser, objective = read_shape(on), SpriteParser(), Objective("mse", open_perceptual("pyramid"))
    state = on.latents(HELDOUT_SEED, torch.arange(400))
    labels, pool = on.labels(state), images.to_unit(images.to_bytes(on.run(state)["image"]))
    search = Search(steps, "adam", 0.05, (steps * 6 // 10, steps * 8 // 10), patience=40)
    wrong_omissions = wrong_finds = cases = 0
    for sprite in SPRITES:
        number = 1 + NAMES.index(sprite.parts[0].name)
        area = (labels == number).flatten(1).sum(dim=1)
        rows = (area >= 25).nonzero().flatten()[:photos]
        for off in (True, False):
            generator = SpriteVillage([sprite.name] if off else [])
            task = Task(
                generator, shape, choose_layers(shape), objective.targets(pool[rows]), rows.tolist(), objective, search,
                encoders=encoders,
            )  # fmt: skip
            made = opener("inverters", "encoder+latent")(task).found
            maps = parser.parse(made.image).maps.numpy()
            verdicts = [
                photo_verdict(seen(confusion(labels[row].numpy(), maps[place]))[number], True, made.errors[place] is not None)
                for place, row in enumerate(rows.tolist())
            ]
            lost, recovered = verdicts.count("omitted"), verdicts.count("recovered")
            cases += len(verdicts)
            wrong_omissions += 0 if off else lost
            wrong_finds += recovered if off else 0
            print(
                f"{sprite.name:7} {'off' if off else 'on ':3} {dict((v, verdicts.count(v)) for v in sorted(set(verdicts)))}",
                flush=True,
            )
    share = proportion(wrong_omissions, cases)
    print(f"{cases} cases: {wrong_omissions} wrong omissions ({100 * share.value:.1f} %, at most {100 * share.high:.1f} %), "
          f"{wrong_finds} finds of what is switched off")  # fmt: skip


def order(count: int = 32, name: str = "village-progan") -> None:
    """PSNR of every method on held-out photos and on own samples; recall of people, trees and sky."""
    target, labels = heldout(count)
    objective = Objective("mse", open_perceptual("pyramid"))
    search = Search(300, "adam", 0.05, (180, 240), patience=60, precision="bfloat16")
    task = village_task(name, target, objective, search)
    own = replace(task, targets=objective.targets(own_samples(task, count)))
    penalty = calibrate(own)
    print(f"{name}: penalty {penalty.weight:.3g}, from {penalty.images} own samples (95th percentile {penalty.size:.3g})")
    parser = unet_parser(weights.load("builtin:village"), "cpu", "bfloat16")
    for method, kind in NEEDS.items():
        if kind is not None and kind not in (task.encoders or {}):
            print(f"{method:16} no inverter of kind {kind} ships")
            continue
        priced = replace(objective, penalty=penalty.weight if method == "layerwise" else 0.0)
        images_of = {}
        said = []
        for label, one in (("photos", task), ("own", own)):
            made = opener("inverters", method)(replace(one, objective=priced)).found
            images_of[label] = made.image
            share = weighted_mean(fidelity.psnr(made.image, one.targets.images).double().numpy(), np.ones(count))
            said.append(f"{label} {share.value:5.2f} dB [{share.low:.2f}, {share.high:.2f}]")
        maps = parser.parse(images_of["photos"]).maps.numpy()
        for known in ("person", "tree", "sky"):
            inside = labels == IDS[known]
            said.append(f"{known} {(maps[inside] == IDS[known]).mean():.2f}")
        print(f"{method:16} {', '.join(said)}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for part in sys.argv[1:] or ("speed", "sprites", "order"):
        {"speed": speed, "sprites": sprites, "order": order}[part]()
