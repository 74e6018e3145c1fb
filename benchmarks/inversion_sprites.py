"""Whole verdicts on classes where the right answer is known: the sprite village with one sprite on, off, or rare.

A case is one class in one generator, judged by photos and samples of its own seed: 20 photos that hold the class, searched
plainly; where the class is not made by those, the same photos by the mask-weighted search; samples, whose share of the class is
compared with that of real scenes; and as control 32 samples of the village with all sprites on. `off` is right as `not made`,
`on` and `rare` (one scene in 200, dropped from samples, yet within reach of a latent) as anything but it.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.sprites import NAMES, SPRITES, SpriteParser, SpriteVillage
from ganaudit import images
from ganaudit.encoders.files import find_inverter, open_inverter
from ganaudit.encoders.networks import Encoder
from ganaudit.generators.shapes import choose_layers, generator_digest, read_shape
from ganaudit.inversion.inverters import InversionTask
from ganaudit.inversion.methods import inverter
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.perceptual import open_perceptual
from ganaudit.inversion.search import Search
from ganaudit.statistics.proportions import p_below
from ganaudit.studies.inversion.searching import WEIGHTED_STARTS
from ganaudit.studies.inversion.verdicts import (
    MADE,
    NOT_MADE,
    ClassInPhoto,
    ControlCase,
    Rules,
    class_verdict,
    confusion,
    contrast_of,
    control,
    photo_verdict,
    proportion,
    seen,
)
from ganaudit.training.inverters import InverterRecipe
from ganaudit.training.loop import Budget
from ganaudit.training.making import make_inverter

PHOTO_SEED, OWN_SEED = 424_242, 171_717
PHOTOS, CONTROL, SAMPLES, RARE = Rules().cases, 32, 400, 0.005
LEAST = 25
"""Pixels of the class that a photo has to hold: a sprite whose presence is in doubt is no case."""
SEARCH = Search(60, "adam", 0.05, (36, 48), patience=15)
OBJECTIVE = Objective("mse", open_perceptual("pyramid"))
TRAINED = 2.0
"""Minutes of the encoder that every search starts from, trained on samples of the village with all sprites on."""


@dataclass(frozen=True)
class Scenes:
    """Images of the village with all sprites on that hold one class. labels: (N, 64, 64), true."""

    images: Tensor
    labels: Tensor
    indices: list[int]


def holding(village: SpriteVillage, number: int, seed: int, count: int = PHOTOS) -> Scenes:
    """The first `count` images of a seed that show the class."""
    state = village.latents(seed, torch.arange(8 * count))
    labels = village.labels(state)
    rows = ((labels == number).flatten(1).sum(dim=1) >= LEAST).nonzero().flatten()[:count]
    shown = images.to_unit(images.to_bytes(village.run({"z": state["z"][rows]})["image"]))
    return Scenes(shown, labels[rows], rows.tolist())


def back(
    generator: SpriteVillage, encoder: Encoder, scenes: Scenes, number: int, weighted: bool = False
) -> tuple[list[ClassInPhoto], list[ClassInPhoto]]:
    """The class in each photo, as it comes back from the generator; and from the first start alone."""
    shape = read_shape(generator)
    targets = OBJECTIVE.targets(scenes.images, scenes.labels == number if weighted else None)
    task = InversionTask(
        generator,
        shape,
        choose_layers(shape),
        targets,
        scenes.indices,
        OBJECTIVE,
        SEARCH,
        encoders={"encoder": encoder},
        further_starts=WEIGHTED_STARTS if weighted else 0,
    )
    made = inverter("encoder+latent")(task)
    both = []
    for image in (made.found.image, made.every[0].image):
        maps = SpriteParser().parse(image).maps.numpy()
        both.append([seen(confusion(truth, maps[place]))[number] for place, truth in enumerate(scenes.labels.numpy())])
    return both[0], both[1]


def present(village: SpriteVillage, number: int, seed: int) -> int:
    """In how many of SAMPLES samples the parser sees the class."""
    shown = images.to_unit(images.to_bytes(village.run(village.latents(seed, torch.arange(SAMPLES)))["image"]))
    return int(((SpriteParser().parse(shown).maps == number).flatten(1).sum(dim=1) >= Rules().least_pixels).sum())


def encoder_of(village: SpriteVillage) -> Encoder:
    folder, digest = Path("training-sprites-encoder"), generator_digest(village)
    path = find_inverter(digest, "encoder", [folder])
    path = path or make_inverter(
        village, "sprites", InverterRecipe("encoder"), folder, lambda *_: None, Budget(minutes=TRAINED), device="cpu"
    )  # fmt: skip
    return open_inverter(path, digest).encoder


def cases_of(scenes: Scenes, found: list[ClassInPhoto] | None, number: int) -> list[ControlCase]:
    """What a control compares: area, contrast, and recall where the scenes were searched for."""
    cases = []
    for place, image in enumerate(scenes.images):
        mask = (scenes.labels[place] == number).numpy()
        recall = found[place].recall if found else 0.0
        cases.append(ControlCase(int(mask.sum()), contrast_of(image.permute(1, 2, 0).double().numpy(), mask), recall))
    return cases


def sprites(replicates: int = 9) -> None:
    """Prints each condition's verdicts, and the shares of wrong and of missed `not made`."""
    whole = SpriteVillage()
    encoder, began = encoder_of(whole), time.process_time()
    verdicts: dict[str, Counter[str]] = {condition: Counter() for condition in ("off", "on", "rare")}
    photos: dict[str, Counter[str]] = {condition: Counter() for condition in verdicts}
    single: dict[str, Counter[str]] = {condition: Counter() for condition in verdicts}
    gateless: Counter[str] = Counter()
    for replicate in range(replicates):
        for place, sprite in enumerate(SPRITES):
            number, step = 1 + NAMES.index(sprite.parts[0].name), 1000 * replicate + 10 * place
            with_part, own = holding(whole, number, PHOTO_SEED + step), holding(whole, number, OWN_SEED + step, CONTROL)
            real = present(whole, number, PHOTO_SEED + step + 1)
            siblings = cases_of(own, back(whole, encoder, own, number)[0], number)
            typical = cases_of(with_part, None, number)
            pixels, contrast = (float(np.median([getattr(area, name) for area in typical])) for name in ("pixels", "contrast"))
            passes = control([], siblings, pixels, contrast).passes()
            for condition, generator in (
                ("off", SpriteVillage([sprite.name])), ("on", whole), ("rare", SpriteVillage(prevalence={sprite.name: RARE})),
            ):  # fmt: skip
                plain, _ = back(generator, encoder, with_part, number)
                first = [inverted.recall for inverted in plain]
                made = class_verdict(first, False, [], True, passes) == MADE
                weighted = ([], []) if made else back(generator, encoder, with_part, number, weighted=True)
                last, one_start = ([area.recall for area in found] for found in weighted)
                drawn = present(generator, number, OWN_SEED + step + 1)
                dropped = bool(p_below(real, SAMPLES, drawn, SAMPLES, 0.1) < 0.05)
                verdicts[condition][class_verdict(first, dropped, last, True, passes)] += 1
                single[condition][class_verdict(first, dropped, one_start, True, passes)] += 1
                photos[condition].update(photo_verdict(inverted, passes) for inverted in plain)
                if condition != "off":
                    gateless[class_verdict(first, True, last, True, passes)] += 1
        print(f"replicate {replicate + 1} of {replicates}: {dict(verdicts)}", flush=True)
    for condition, counted in verdicts.items():
        print(f"{condition:5} classes {dict(counted)}; photos {dict(photos[condition])}")
    right = sum(verdicts["off"].values())
    can = sum(sum(verdicts[condition].values()) for condition in ("on", "rare"))
    wrong, missed = verdicts["on"][NOT_MADE] + verdicts["rare"][NOT_MADE], right - verdicts["off"][NOT_MADE]
    for words, hits, cases in (
        ("wrong `not made`, of classes that can be made", wrong, can),
        ("the same from one start", single["on"][NOT_MADE] + single["rare"][NOT_MADE], can),
        ("the same without the gate on samples", gateless[NOT_MADE], can),
        ("missed `not made`, of classes that cannot be made", missed, right),
    ):
        share = proportion(hits, cases)
        print(f"{words}: {hits} of {cases}, {100 * share.value:.1f} % [{100 * share.low:.1f}, {100 * share.high:.1f}]")
    print(f"{right + can} cases, {PHOTOS} photos each, at most {SEARCH.steps} steps; {time.process_time() - began:.0f} CPU s")
