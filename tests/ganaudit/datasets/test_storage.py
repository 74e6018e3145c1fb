"""The same images through every kind of storage: the same pixels, names, labels and key."""

from __future__ import annotations

import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as pillow
from stored_files import (
    FILES,
    WAYS,
    as_folder,
    as_lmdb,
    as_parquet,
    as_shards,
    as_zip,
    encoded,
    opened,
    rows,
    settle,
)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("cached", [False, True])
def test_every_kind_gives_what_the_folder_gives(tmp_path, way, cached):
    folder, (kind, path) = as_folder(FILES, tmp_path), way(FILES, tmp_path)
    settle(tmp_path)
    want = opened(*folder, seed=3)
    for _ in range(2):  # the second time from the index, where there is a cache
        got = opened(kind, path, tmp_path / "cache" if cached else None, seed=3)
        assert rows(got) == rows(want)
        assert got.recipe() == want.recipe()
        assert got.resolution == want.resolution


PARTS = st.text("ab.é0", min_size=1, max_size=3).filter(lambda part: part[0] != "." and part[-1] != ".")
NAMES = st.lists(PARTS, min_size=1, max_size=3).map(
    lambda parts: "/".join(f"{place}{part}" for place, part in enumerate(parts)) + ".png"
)


@given(st.dictionaries(NAMES, st.integers(0, 5), min_size=1, max_size=5), st.integers(0, 3))
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_names_in_any_kind(tmp_path_factory, values, seed):
    files = {name: encoded(value) for name, value in values.items()}
    place = tmp_path_factory.mktemp("any")
    want = opened(*as_folder(files, place), seed=seed)
    for way in (as_zip, as_shards, as_parquet, as_lmdb):
        got = opened(*way(files, place), seed=seed)
        assert (rows(got), got.recipe()) == (rows(want), want.recipe())


def test_exif_is_respected_in_archives(tmp_path):
    turned = pillow.new("RGB", (8, 4))
    exif = turned.getexif()
    exif[0x0112] = 6
    out = io.BytesIO()
    turned.save(out, "JPEG", exif=exif)
    for way in WAYS[1:]:
        dataset = opened(*way({"x.jpg": out.getvalue()}, tmp_path))
        assert dataset._shelf.pixels(0, None, "crop").shape == (8, 4, 3)
