"""Photo, reconstruction and label maps in one picture, whatever their sizes."""

from __future__ import annotations

import numpy as np
import pytest

from ganaudit.report.palette import class_colours
from ganaudit.report.side_by_side import GAP, OUTLINE, side_by_side


@pytest.mark.parametrize("size", [(8, 8), (64, 64), (48, 96), (100, 30), (256, 256), (1, 5)])
@pytest.mark.parametrize("coarse", [1, 2, 4])
@pytest.mark.parametrize("highest", [3, 1_500])
def test_every_pane_shows_its_image_and_coarser_maps_are_spread_over_it(size, coarse, highest):
    draws = np.random.default_rng([*size, coarse])
    height, width = size
    photo, made = draws.integers(0, 256, (2, *size, 3), dtype=np.uint8)
    maps = draws.integers(0, highest + 1, (2, -(-height // coarse), -(-width // coarse)))
    maps[0, 0, 0] = highest
    picture = side_by_side(photo, made, (maps[0], maps[1]), maps[0] == highest)
    scale = max(1, 192 // max(size))
    assert picture.shape == (height * scale, 4 * width * scale + 3 * GAP, 3)
    plain = side_by_side(photo, made, (maps[0], maps[1]))[::scale]
    panes = [plain[:, at : at + width * scale : scale] for at in range(0, plain.shape[1], width * scale + GAP)]
    assert np.array_equal(panes[0], photo) and np.array_equal(panes[1], made)
    for pane, labels in zip(panes[2:], maps, strict=True):
        for y, x in ((0, 0), (height - 1, width - 1), (height // 2, width // 3)):
            number = labels[y * labels.shape[0] // height, x * labels.shape[1] // width]
            assert tuple(pane[y, x]) == tuple(class_colours(highest + 1)[number])
    everywhere = (maps[0] == highest).all()
    assert everywhere or (picture == OUTLINE).all(axis=2).any()
