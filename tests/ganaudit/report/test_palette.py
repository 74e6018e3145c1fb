"""Colours of classes: stable, distinct, also to colour-blind eyes."""

import numpy as np

from ganaudit.report.palette import ROLES, _distance, _places, class_colour, class_colours


def test_a_colour_does_not_depend_on_how_many_classes_there_are():
    assert np.array_equal(class_colours(16), class_colours(400)[:16])
    assert class_colour(336) == tuple(class_colours(400)[336])


def test_400_classes_have_400_colours():
    assert len(np.unique(class_colours(400), axis=0)) == 400


def test_more_classes_than_candidates():
    assert class_colours(3000).shape == (3000, 3)


def test_the_first_classes_are_apart_to_every_kind_of_eye():
    places = _places(class_colours(16))
    apart = np.array([_distance(places, place) for place in places])
    assert apart[~np.eye(16, dtype=bool)].min() > 0.12


def test_no_two_roles_share_a_light_colour():
    """Figures find a role by its light colour."""
    assert len({light for light, _ in ROLES.values()}) == len(ROLES)
