"""Colour and sharpness inside a mask, against loops over pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganaudit.studies.inversion.attributes import attributes, laplacian


def by_loops(pixels, mask):
    height, width, _ = pixels.shape
    light = [[0.299 * r + 0.587 * g + 0.114 * b for r, g, b in row] for row in pixels.tolist()]
    edges, colours = [], []
    for y in range(height):
        for x in range(width):
            if mask[y, x]:
                near = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
                around = sum(light[min(max(j, 0), height - 1)][min(max(i, 0), width - 1)] for j, i in near)
                edges.append(abs(around - 4 * light[y][x]))
                colours.append(pixels[y, x].tolist())
    return [sum(c[k] for c in colours) / len(colours) for k in range(3)] + [sum(edges) / len(edges)]


@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_attributes_are_those_of_loops(height, width, seed):
    drawn = np.random.default_rng(seed)
    pixels = drawn.integers(0, 256, (height, width, 3), dtype=np.uint8)
    masks = drawn.random((3, height, width)) < 0.5
    masks[:, 0, 0] = True
    wanted = np.array([by_loops(pixels, mask) for mask in masks])
    assert attributes(pixels, masks) == pytest.approx(wanted, abs=1e-9)


def test_a_flat_image_has_no_edge_and_a_step_has_one_on_either_side():
    flat = np.full((4, 5, 3), 77, dtype=np.uint8)
    assert np.abs(laplacian(flat)).max() < 1e-9
    flat[:, 3:] = 177
    assert laplacian(flat)[0] == pytest.approx([0, 0, 100, -100, 0])


def test_an_empty_mask_has_no_attributes():
    pixels = np.zeros((2, 2, 3), dtype=np.uint8)
    assert np.isnan(attributes(pixels, np.zeros((1, 2, 2), dtype=bool))).all()
