"""Worlds of more or less variety: the plain one is unchanged, and one kind's attribute is all that another spread changes."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from ganaudit.datasets.village import VillageDataset
from ganaudit.errors import RequestError
from ganaudit.village.classes import IDS
from ganaudit.village.render import render
from ganaudit.village.scene import CANVAS, CELLS, Prevalence
from ganaudit.village.spread import ATTRIBUTES, spreads

ALL = Prevalence(**{kind: 1.0 for kind in ("sun", "cloud", "tower", "side_houses", "tree", "person", "car", "fence", "lamp")})
ALONE = {"person": 0.0, "tree": 0.0, "car": 0.0, "fence": 0.0, "lamp": 0.0, "side_houses": 0.0}
"""Prevalences under which nothing covers the chapel."""


def drawn(changes, count=60, prevalence=ALL, seed=3):
    return render(prevalence, seed, range(count), spreads=spreads(changes))


def centres(labels, name):
    """x of the middle of the box of a class, by a loop; nan where it is not there."""
    boxes = [np.flatnonzero((scene == IDS[name]).any(axis=0)) for scene in labels]
    return np.array([(box[0] + box[-1]) / 2 if len(box) else np.nan for box in boxes])


def test_the_plain_world_is_the_one_before_there_were_spreads():
    """Digests of the pixels as they were drawn then; a spread of one is the same world, and says so or not."""
    pixels, labels = render(Prevalence(), 0, range(300))
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == "6babffb032d3a22aa857535114c55dabb2754d7764ec88a13986039583cd9269"
    assert hashlib.sha256(labels.tobytes()).hexdigest() == "97995d482573527a5a0f26227b174a1b700e97ee0ba744a80011b0c838c1337e"
    ones = {kind: dict.fromkeys(attributes, 1.0) for kind, attributes in ATTRIBUTES.items()}
    for one, other in zip(drawn({}), drawn(ones), strict=True):
        assert (one == other).all()
    assert "spread" not in VillageDataset().recipe()


def test_chapels_stand_as_far_apart_as_was_asked():
    """Three times the spread is three times each chapel's way from the middle, in whole pixels of the label map."""

    def offsets(factor):
        alone = Prevalence.of(ALONE | {"tower": 0.0})
        return centres(drawn({"chapel": {"position": factor}}, 40, alone)[1], "building") - (CANVAS / CELLS - 1) / 2

    plain, wide = offsets(1.0), offsets(2.0)
    assert np.abs(offsets(0.0)).max() <= 1 and np.abs(plain).max() > 4
    assert wide == pytest.approx(2 * plain, abs=2)


@pytest.mark.parametrize("kind", list(ATTRIBUTES))
@pytest.mark.parametrize("attribute", ["position", "scale", "colour"])
def test_each_attribute_changes_the_scenes_or_is_refused(kind, attribute):
    if attribute not in ATTRIBUTES[kind]:
        with pytest.raises(RequestError, match=f"spread.{kind}.{attribute}: a {kind} has position, scale"):
            spreads({kind: {attribute: 0.5}})
        return
    before, after = drawn({}, 6), drawn({kind: {attribute: 0.0}}, 6)
    moved = (before[1] != after[1]).any(), (before[0] != after[0]).any()
    assert moved == ((False, True) if attribute == "colour" else (True, True))


def test_a_spread_moves_no_other_kind():
    for changes in ({"tree": {"position": 0.0, "scale": 3.0}}, {"chapel": {"position": 3.0}}):
        before, after = drawn({}, 40), drawn(changes, 40)
        assert (before[1] == IDS["person"]).sum() == (after[1] == IDS["person"]).sum()  # people stand in front of everything
        changed = (before[1] != after[1]).any(axis=(1, 2)).mean()
        assert changed > 0.9


def test_alike_things_have_one_colour_and_unlike_ones_more():
    alone = Prevalence.of(ALONE | {"car": 1.0, "road": 0.0})

    def hues(factor):
        pixels, labels = drawn({"car": {"colour": factor}}, 60, alone)
        bright = [image[scene == IDS["car"]].astype(float) for image, scene in zip(pixels, labels, strict=True)]
        return np.std([np.median(part[:, 0] - part[:, 2]) for part in bright if len(part)])

    assert hues(0.0) < 25 < hues(1.0)


@pytest.mark.parametrize("changes, reason", [
    ({"tower": {"position": 0.1}}, "no such kind; it has sun, cloud"), ({"tree": {"height": 1.0}}, "position, scale, colour"),
    ({"tree": {"scale": 3.5}}, "3.5 is not between 0 .all alike. and 3"),
    ({"tree": {"scale": float("nan")}}, "nan is not between"),
])  # fmt: skip
def test_a_spread_that_makes_no_sense_is_refused(changes, reason):
    with pytest.raises(RequestError, match=reason):
        VillageDataset(0, spread=changes)


def test_the_recipe_says_what_is_spread():
    def recipe(factor):
        return VillageDataset(spread={"tree": {"colour": factor}}).recipe()

    assert recipe(0.5) == recipe(0.5) != recipe(0.6) and recipe(0.5) != VillageDataset().recipe()
