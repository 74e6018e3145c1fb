"""Verdicts where the right answer is known: photos of the sprite village, in generators with one sprite switched off or on."""

from __future__ import annotations

import pytest
import torch

from benchmarks.sprites import NAMES, SPRITES, SpriteParser, SpriteVillage
from ganaudit import images
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.perceptual import open_perceptual
from ganaudit.inversion.search import Search, search
from ganaudit.inversion.search_space import SearchSpace
from ganaudit.studies.inversion.verdicts import confusion, photo_verdict, seen


@pytest.mark.parametrize("kind, name", [("person", "person"), ("tree", "tree"), ("house", "building")])
def test_what_is_switched_off_is_omitted_and_what_is_on_recovered(kind, name):
    on, number = SpriteVillage(), 1 + NAMES.index(name)
    state = on.latents(11, torch.arange(60))
    labels = on.labels(state)
    rows = ((labels == number).flatten(1).sum(dim=1) >= 25).nonzero().flatten()[:5]
    photos = images.to_unit(images.to_bytes(on.run(state)["image"][rows]))
    noise = torch.randn(len(rows), on.latent, generator=torch.Generator().manual_seed(0))
    start = {"z": state["z"][rows] + 0.2 * noise}  # as near as an encoder's guess
    objective = Objective("mse", open_perceptual("pyramid"))
    targets, how = objective.targets(photos), Search(80, "adam", 0.05, (50, 65))
    for generator, right in ((SpriteVillage([kind]), "omitted"), (on, "recovered")):
        result = search(SearchSpace(generator, start, latent=True), objective, targets, how)
        maps = SpriteParser().parse(result.image).maps.numpy()
        verdicts = [
            photo_verdict(seen(confusion(labels[row].numpy(), maps[place]))[number], control_passes=True)
            for place, row in enumerate(rows.tolist())
        ]
        assert verdicts.count(right) >= len(rows) - 1, (generator.shown, verdicts)
        assert right == "recovered" or "recovered" not in verdicts  # what is off is never found
    assert len(SPRITES) == int(on.shown.sum())


def test_a_free_feature_redraws_what_the_generator_cannot_make():
    """Why what is found beyond a quarter of the pixel values is an upper bound, and never evidence."""
    on, off = SpriteVillage(), SpriteVillage(["person"])
    number = 1 + NAMES.index("person")
    state = on.latents(11, torch.arange(60))
    labels = on.labels(state)
    rows = ((labels == number).flatten(1).sum(dim=1) >= 25).nonzero().flatten()[:3]
    photos = on.run(state)["image"][rows]
    objective = Objective("mse")
    span = SearchSpace(off, {"z": state["z"][rows]}, feature="sprites")
    result = search(span, objective, objective.targets(photos), Search(60, "adam", 0.1))
    maps = SpriteParser().parse(result.image).maps
    inside = labels[rows] == number
    assert float((maps[inside] == number).float().mean()) > 0.8
