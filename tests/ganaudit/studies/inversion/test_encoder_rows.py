"""What an encoder cannot say, from label maps made by hand: each photo's way back is known."""

from __future__ import annotations

import numpy as np
import pytest
from inverted_by_hand import findings, inverted, setting, write

from ganaudit.records.store import Store

PERSON = np.ones((8, 8), dtype=np.int64)
PERSON[2:6, 2:6] = 2
NOBODY = np.ones((8, 8), dtype=np.int64)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store").open_for_writing()


def photos(back):
    """One photo each with a person, that comes back or not."""
    return [inverted(place, PERSON, PERSON if yes else NOBODY) for place, yes in enumerate(back)]


def limits(store, ways):
    """The rows about people. ways: by method, (whether the person of each photo comes back, evidential)."""
    settings = []
    for place, (method, (back, evidential)) in enumerate(ways.items()):
        settings.append(setting(f"k{place:02}{len(back):02}", "heldout", back, method))
        write(store, settings[-1], photos(back), evidential=evidential)
    return [row for row in findings(store, {"a": settings})["encoder_limits"] if row["class"] == "person"]


def test_each_photo_is_told_apart_by_the_first_way_it_came_back(store):
    alone = [True] * 4 + [False] * 20
    searched = [False] * 4 + [True] * 6 + [False] * 14
    other = [True] * 19 + [False] * 5
    bound = [True] * 24
    rows = limits(store, {"own_encoder": (alone, True), "own_encoder+latent": (searched, True), "latent": (other, True),
                          "feature": (bound, False)})  # fmt: skip
    (row,) = rows
    counts = {name: row[name] for name in ("images", "encoded", "searched", "elsewhere", "nowhere")}
    assert counts == {"images": 24, "encoded": 4, "searched": 6, "elsewhere": 9, "nowhere": 5}
    assert row["encoder"] == "own_encoder" and row["missed"] == pytest.approx(9 / 24) and row["verdict"] == "missed"
    assert row["missed_low"] < 9 / 24 < row["missed_high"]


def test_what_the_encoder_reaches_and_what_cannot_be_tested(store):
    (reached,) = limits(store, {"own_encoder": ([True] * 40, True), "latent": ([True] * 40, True)})
    assert reached["verdict"] == "reached" and reached["elsewhere"] == 0
    (alone,) = limits(store, {"own_encoder": ([False] * 40, True)})
    assert alone["verdict"] == "not testable"


def test_without_an_encoders_own_reconstruction_there_is_no_row(store):
    assert limits(store, {"latent": ([True] * 24, True)}) == []
