"""The renderer against its own label maps: the same image everywhere, the kinds it was asked for, colours that fit labels."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, fields, replace

import numpy as np
import pytest

from ganaudit.datasets.village import SCENES, VillageDataset
from ganaudit.errors import RequestError
from ganaudit.random import uniforms
from ganaudit.village.classes import IDS, NAMES
from ganaudit.village.render import label_maps, render
from ganaudit.village.scene import DRAWS, SLOTS, Prevalence

KINDS = [field.name for field in fields(Prevalence)]
SHOWN = {
    "sun": ["sun"], "cloud": ["cloud"], "road": ["road"], "tree": ["tree"], "person": ["person"], "car": ["car"],
    "fence": ["fence"], "lamp": ["lamp"],
}  # fmt: skip
"""Kinds that are the only origin of a class."""
ALWAYS = ["sky", "grass", "building", "roof", "door", "window"]
N = 2000


@pytest.fixture(scope="module")
def scenes():
    """2,000 scenes of the default village: pixels, labels."""
    return render(Prevalence(), 0, range(N))


def present(labels, name, pixels=1):
    return (labels == IDS[name]).sum(axis=(1, 2)) >= pixels


def first_draws(kind, seed, n):
    """The draw that decides whether a kind stands in each scene: the tower's is the chapel's seventh, the road's its third."""
    slots = list(SLOTS)
    name, place = {"tower": ("chapel", 6), "road": ("road", 2)}.get(kind, (kind, 0))
    start = sum(SLOTS[slot] for slot in slots[: slots.index(name)])
    return uniforms(seed, "village scene", range(n), DRAWS)[:, start + place]


# the same everywhere


def test_an_image_is_the_same_alone_in_any_batch_and_in_any_order(scenes):
    pixels, labels = scenes
    for indices in ([1234], [0], [7, 3, 1999, 3], list(range(64, 40, -1))):
        some_pixels, some_labels = render(Prevalence(), 0, indices)
        assert (some_pixels == pixels[indices]).all() and (some_labels == labels[indices]).all()
    assert (render(Prevalence(), 0, np.array([5], dtype=np.int64))[0] == pixels[5]).all()


def test_the_dataset_gives_the_renderer_s_images(scenes):
    dataset = VillageDataset()
    image = dataset.image(42)
    assert (image.pixels == scenes[0][42]).all() and (image.labels == scenes[1][42]).all()
    assert image.name == "scene 42" and len(dataset) == SCENES
    assert dataset.image(SCENES - 1).pixels.shape == (64, 64, 3)
    for outside in (-1, SCENES):
        with pytest.raises(IndexError):
            dataset.image(outside)


def test_labels_are_those_of_every_other_machine(scenes):
    digest = hashlib.sha256(scenes[1][:16].tobytes()).hexdigest()
    assert digest == "ec19cd7f885eae893be0ca7223a76ef173771bb8c6943afad00093242d852d11"
    other = render(Prevalence(person=1.0, lamp=1.0, sun=1.0), 17, [0, 999, 2**40 - 1])[1]
    assert hashlib.sha256(other.tobytes()).hexdigest() == "beb82d882e0e79c814c9f7dc6a93518d96dc19fd038e2697cbce7c75b1f450d7"


def test_colours_are_those_of_every_other_machine_within_one_step(scenes):
    means = scenes[0][:16].reshape(16, -1).mean(axis=1)
    assert means == pytest.approx(
        [88.5, 144.4, 93.0, 144.4, 94.1, 121.7, 147.9, 143.4, 138.5, 120.8, 140.0, 143.4, 140.8, 138.1, 134.7, 130.6], abs=1.0
    )


def test_other_seeds_and_other_indices_are_other_scenes(scenes):
    labels = np.concatenate([scenes[1][:60], render(Prevalence(), 1, range(60))[1]])
    assert len(np.unique(labels.reshape(120, -1), axis=0)) == 120


# what stands in them


def test_shapes_types_and_the_fifteen_ids(scenes):
    pixels, labels = scenes
    assert pixels.shape == (N, 64, 64, 3) and labels.shape == (N, 64, 64)
    assert pixels.dtype == labels.dtype == np.uint8
    assert np.unique(labels).tolist() == list(range(1, 16)) == sorted(IDS.values())
    assert len(NAMES) == 15


@pytest.mark.parametrize("name", ALWAYS)
def test_sky_grass_and_the_chapel_stand_in_every_scene(scenes, name):
    assert present(scenes[1], name).mean() > (0.995 if name == "door" else 0.9999)  # people and cars may cover a door


@pytest.mark.parametrize("kind", list(SHOWN))
def test_a_kind_is_present_as_often_as_its_prevalence_says(scenes, kind):
    """Within 4 binomial standard errors, and 2 % of it for what later kinds cover entirely."""
    asked = getattr(Prevalence(), kind)
    result = present(scenes[1], SHOWN[kind][0]).mean()
    assert result <= asked + 4 * np.sqrt(asked * (1 - asked) / N)
    assert result >= 0.98 * asked - 4 * np.sqrt(asked * (1 - asked) / N)


def test_half_of_the_towers_wear_a_dome(scenes):
    asked = Prevalence().tower / 2
    assert abs(present(scenes[1], "dome").mean() - asked) < 0.02 * asked + 4 * np.sqrt(asked * (1 - asked) / N)


def test_a_kind_stands_exactly_where_its_draw_is_below_its_prevalence(scenes):
    for kind, (name,) in SHOWN.items():
        drawn = first_draws(kind, 0, N) < getattr(Prevalence(), kind)
        shown = present(scenes[1], name)
        assert not (shown & ~drawn).any(), kind
        assert (drawn & ~shown).sum() <= 0.02 * drawn.sum(), kind  # covered entirely


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_is_asked_never_to_stand_never_does(kind):
    labels = render(replace(Prevalence(), **{kind: 0.0}), 3, range(100))[1]
    for name in {**SHOWN, "tower": ["dome"], "side_houses": []}[kind]:
        assert not present(labels, name).any()


@pytest.mark.parametrize("kind", [*SHOWN, "tower"])
def test_a_kind_that_is_asked_always_to_stand_nearly_always_does(kind):
    labels = render(replace(Prevalence(), **{kind: 1.0}), 3, range(100))[1]
    share = present(labels, {**SHOWN, "tower": ["dome"]}[kind][0]).mean()
    if kind == "tower":
        assert abs(share - 0.5) < 4 * np.sqrt(0.25 / 100)
    else:
        assert share >= 0.95


def test_towers_and_side_houses_leave_their_mark():
    def area(name, **changes):
        return (render(Prevalence(**changes), 3, range(50))[1] == IDS[name]).sum()

    assert area("building", tower=1.0) > area("building", tower=0.0)
    for name in ("building", "window", "door", "roof"):
        assert area(name, side_houses=1.0) > 1.05 * area(name, side_houses=0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_another_prevalence_changes_only_scenes_whose_draw_it_decides(scenes, kind):
    before = getattr(Prevalence(), kind)
    for after, n in ((before / 2, 100), (1.0, 30)):
        pixels, labels = render(replace(Prevalence(), **{kind: after}), 0, range(n))
        draws = first_draws(kind, 0, n)
        decided = (draws >= min(before, after)) & (draws < max(before, after))
        differs = (pixels != scenes[0][:n]).any(axis=(1, 2, 3))
        assert decided.sum() >= 4
        assert not differs[~decided].any() and (labels == scenes[1][:n])[~decided].all()
        assert differs[decided].mean() > 0.9


def test_a_removed_kind_uncovers_what_it_covered_and_moves_nothing_else(scenes):
    labels = render(Prevalence(person=0.0), 0, range(150))[1]
    changed = labels != scenes[1][:150]
    assert (scenes[1][:150][changed] == IDS["person"]).all()
    assert changed.sum() == (scenes[1][:150] == IDS["person"]).sum() > 0


# colours


def test_colours_fit_the_labels(scenes):
    """The mean colour of a class says what it is: skies are blue, grass and trees green, lit windows apart."""
    pixels, labels = (part[:600] for part in scenes)
    mean = {name: pixels[labels == number].mean(axis=0) for name, number in IDS.items()}
    red, green, blue = 0, 1, 2
    assert mean["sky"][blue] > mean["sky"][green] > mean["sky"][red]
    for name in ("grass", "tree"):
        assert mean[name][green] > mean[name][red] > mean[name][blue]
    assert mean["sun"][red] > 230 and mean["sun"][red] > mean["sun"][green] > mean["sun"][blue] + 20
    assert np.ptp(mean["road"]) < 20 and np.ptp(mean["cloud"]) < 30
    assert mean["cloud"].min() > 180 > mean["lamp"].mean()
    assert mean["roof"].mean() < mean["building"].mean() and mean["door"].mean() < mean["building"].mean()


def test_a_region_of_one_class_is_smoother_than_its_borders(scenes):
    pixels, labels = scenes[0][:200].astype(int), scenes[1][:200]
    step = np.abs(np.diff(pixels, axis=2)).sum(axis=-1)
    same = labels[:, :, 1:] == labels[:, :, :-1]
    assert step[~same].mean() > 5 * step[same].mean()


def test_weather_makes_bright_and_dark_scenes(scenes):
    brightness = scenes[0][:600].reshape(600, -1).mean(axis=1)
    assert brightness.std() > 12 and len(np.unique(scenes[0][:600, 0, 0], axis=0)) > 300


# what is asked


def test_prevalences_are_the_documented_ones():
    assert asdict(Prevalence()) == {
        "sun": 0.30, "cloud": 0.60, "road": 0.70, "tower": 0.75, "side_houses": 0.50, "tree": 0.75, "person": 0.30,
        "car": 0.25, "fence": 0.25, "lamp": 0.25,
    }  # fmt: skip
    assert Prevalence.of({"person": 0}) == Prevalence(person=0.0)


@pytest.mark.parametrize("changes, reason", [
    ({"people": 0.1}, "prevalence.people: the village has no such kind; it has sun, cloud"),
    ({"sun": 1.01}, "prevalence.sun: 1.01 is not a probability"), ({"sun": -0.1}, "not a probability"),
    ({"sun": float("nan")}, "not a probability"),
])  # fmt: skip
def test_a_prevalence_that_makes_no_sense_is_refused(changes, reason):
    with pytest.raises(RequestError, match=reason):
        VillageDataset(0, changes)


def test_the_recipe_says_everything_that_decides_the_scenes():
    def recipe(*given):
        return VillageDataset(*given).recipe()

    assert recipe() == recipe(0, {}) == recipe(0, {"sun": 0.30})
    assert recipe() != recipe(1) and recipe() != recipe(0, {"sun": 0.31})


def test_label_maps_alone_are_those_of_the_pictures(scenes):
    assert (label_maps(Prevalence(), 0, range(50)) == scenes[1][:50]).all()
