"""Artefacts against loops over pixels; styles and artefacts leave labels, and plain villages' keys, as they are."""

from __future__ import annotations

import numpy as np
import pytest

from ganaudit.datasets.village import VillageDataset
from ganaudit.errors import RequestError
from ganaudit.keys import canonical
from ganaudit.village.artefacts import ARTEFACTS, box_mean
from ganaudit.village.classes import IDS, NAMES
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence
from ganaudit.village.style import REDRAWN, Style

SCENES = range(12)


def both(**changes):
    """Plain and changed scenes with many people."""
    people = {"person": 0.9}
    return [[dataset.image(i) for i in SCENES] for dataset in (VillageDataset(3, people), VillageDataset(3, people, **changes))]


@pytest.mark.parametrize("changes", [{"style": "redrawn"}, *({"artefact": name} for name in ARTEFACTS)])
def test_pixels_change_and_labels_do_not(changes):
    plain, changed = both(**changes)
    for a, b in zip(plain, changed, strict=True):
        assert (a.labels == b.labels).all()
    assert np.mean([(a.pixels != b.pixels).any() for a, b in zip(plain, changed, strict=True)]) > 0.5


def test_a_box_mean_is_the_rounded_mean_of_a_window_that_goes_on_beyond_the_edge():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 9, 7, 3), dtype=np.uint8)
    result = box_mean(pixels, 5, 3)
    for n, y, x, c in np.ndindex(pixels.shape):
        window = [pixels[n, min(max(y + i, 0), 8), min(max(x + j, 0), 6), c] for i in range(-2, 3) for j in (-1, 0, 1)]
        assert result[n, y, x, c] == (sum(map(int, window)) + 7) // 15


def test_smearing_touches_people_and_one_pixel_around_them_alone():
    for a, b in zip(*both(artefact="smear"), strict=True):
        near = np.zeros((66, 66), bool)
        for y, x in np.argwhere(a.labels == IDS["person"]):
            near[y : y + 3, x : x + 3] = True
        changed = (a.pixels != b.pixels).any(axis=2)
        assert not (changed & ~near[1:-1, 1:-1]).any()


def test_a_style_that_names_every_class_and_changes_none_is_the_plain_one():
    same = Style({name: (1.0, 1.0, 1.0) for name in NAMES}, dict.fromkeys(NAMES, 1.0))
    for plain, styled in zip(render(Prevalence(), 3, SCENES), render(Prevalence(), 3, SCENES, same), strict=True):
        assert (plain == styled).all()


def test_the_redrawn_village_changes_every_class():
    assert set(REDRAWN.gains) == set(NAMES)


def test_plain_villages_keep_their_recipe_and_others_have_their_own():
    recipes = [VillageDataset(0).recipe(), VillageDataset(0, style="redrawn").recipe()]
    recipes += [VillageDataset(0, artefact=name).recipe() for name in ARTEFACTS]
    assert set(recipes[0]) == {"kind", "seed", "prevalence", "renderer", "draws"}
    assert len({canonical(dict(recipe)) for recipe in recipes}) == len(recipes)


@pytest.mark.parametrize("changes", [{"style": "baroque"}, {"artefact": "fog"}])
def test_what_does_not_exist_is_refused_by_name(changes):
    with pytest.raises(RequestError, match=r"baroque|fog"):
        VillageDataset(0, **changes)
