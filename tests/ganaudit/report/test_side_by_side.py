"""Pictures of inversions taken apart again."""

from __future__ import annotations

import numpy as np
import pytest

from ganaudit.report.side_by_side import label_map, panes, side_by_side, webp


@pytest.mark.parametrize("side", [16, 64, 96, 100, 256])
@pytest.mark.parametrize("mapped", [True, False])
def test_what_was_put_side_by_side_comes_apart_again(side, mapped):
    draws = np.random.default_rng(side)
    photo, made = draws.integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    maps = tuple(draws.integers(0, 40, (2, side, side)))
    found = panes(webp(side_by_side(photo, made, maps if mapped else None)))
    assert len(found) == (4 if mapped else 2)
    assert np.array_equal(found[0], photo) and np.array_equal(found[1], made)
    for pane, labels in zip(found[2:], maps, strict=False):
        assert np.array_equal(label_map(pane, 64), labels)


def test_other_pictures_are_refused():
    with pytest.raises(ValueError, match="not two or four square panes"):
        panes(webp(np.zeros((20, 50, 3), dtype=np.uint8)))
    with pytest.raises(ValueError, match=r"the colour \[1, 2, 3\] is that of no class"):
        label_map(np.full((2, 2, 3), (1, 2, 3), dtype=np.uint8), 64)
