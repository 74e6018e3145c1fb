"""Moments kept as files: read back exactly, and made again when more is recorded."""

from __future__ import annotations

import numpy as np
import pytest

from ganaudit.records.tables import MOMENTS
from ganaudit.records.used import UsedSource
from ganaudit.studies.census import moments as kept

CLASSES = [0, 1, 2, 3]


def source(store, count, key="ka", first=0):
    end = first + count
    blocks = tuple(block for block in sorted(store.finished_blocks(key)) if block[0] < end and block[1] >= first)
    return UsedSource("real", "photos", key, "p0", first, count, blocks)


def some_pictures(n, size=100):
    rng = np.random.default_rng(n)
    shares = [rng.multinomial(100, [0.1, 0.4, 0.5]) for _ in range(n)]
    return [
        {result: int(share) * (size // 100) for result, share in zip((0, 1, 3), held, strict=True) if share} for held in shares
    ]


@pytest.fixture
def no_reading(monkeypatch):
    """Reading records from here on is a failure."""

    def call():
        def refuse(*_):
            raise AssertionError("the records were read again")

        monkeypatch.setattr(kept, "read_counts", refuse)

    return call


@pytest.mark.parametrize("size", [100, 2**31 - 1])
def test_what_is_kept_is_read_back_equal_without_the_records(store, pictures, no_reading, size):
    made = some_pictures(50, size)
    pictures(store, "ka", made, size=size, block=16)
    first = kept.moments_of(store, source(store, 50), CLASSES)
    no_reading()
    again = kept.moments_of(store, source(store, 50), CLASSES)
    assert again == first and again.pixels == size and len(again) == 20
    whole = again.all()
    rows = [[result.get(c, 0) for c in CLASSES] for result in made]
    assert whole.n == 50 and [int(x) for x in whole.total] == [sum(row[c] for row in rows) for c in range(4)]
    product = [[sum(row[a] * row[b] for row in rows) for b in range(4)] for a in range(4)]
    assert [[int(x) for x in row] for row in whole.product] == product
    assert (max(map(max, product)) > 2**63) == (size > 100)


@pytest.mark.parametrize("some", [[0], [1, 3], [3, 1, 0]])
def test_some_of_the_kept_classes_are_those_columns(store, pictures, no_reading, some):
    pictures(store, "ka", some_pictures(50))
    every = kept.moments_of(store, source(store, 50), CLASSES)
    no_reading()
    assert kept.moments_of(store, source(store, 50), some) == every.columns(np.array(some))


def test_it_is_made_again_when_more_blocks_are_recorded(store, pictures):
    made = some_pictures(40)
    pictures(store, "ka", made[:16], block=16)
    assert kept.moments_of(store, source(store, 40), CLASSES).n.sum() == 16
    pictures(store, "ka", made, block=20)
    store.shard("images", "ka", 0, 15).unlink()
    grown = kept.moments_of(store, source(store, 40), CLASSES)
    assert grown.n.sum() == 40
    assert grown.all().total.tolist() == [sum(result.get(c, 0) for result in made) for c in CLASSES]
    assert kept.moments_of(store, source(store, 40), CLASSES) == grown


def test_another_range_of_the_same_key_is_another_file(store, pictures):
    made = some_pictures(30)
    pictures(store, "ka", made)
    for first, count in ((0, 30), (0, 10), (10, 20)):
        state = kept.moments_of(store, source(store, count, first=first), CLASSES)
        assert state.all().total.tolist() == [sum(result.get(c, 0) for result in made[first : first + count]) for c in CLASSES]
        assert store.moments("ka", first, count).is_file()


def test_no_image_is_not_kept(store, pictures):
    pictures(store, "ka", [None, None, None])
    assert kept.moments_of(store, source(store, 3), CLASSES).n.sum() == 0
    assert not store.moments("ka", 0, 3).exists()


def test_the_file_holds_only_what_is_not_0_and_half_of_what_is_symmetric(store, pictures):
    pictures(store, "ka", some_pictures(30))
    kept.moments_of(store, source(store, 30), CLASSES)
    rows = store.read(MOMENTS, store.moments("ka", 0, 30)).to_pylist()
    assert {row["recorded"] for row in rows} == {30} and {row["label_pixels"] for row in rows} == {100}
    named = [row for row in rows if row["class_a"] is not None]
    assert all(row["value"] != 0 for row in named) and not any(row["class_a"] == 2 for row in named)
    assert all(row["class_b"] is None or row["class_a"] <= row["class_b"] for row in named)
