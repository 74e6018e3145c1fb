"""The bench of stored images on a few."""

from __future__ import annotations

import re

import pytest

from benchmarks import stored_images


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_it_opens_what_it_packs(tmp_path, kind):
    path = stored_images.packed(kind, 7, tmp_path)
    said = stored_images.measured(kind, path, tmp_path / "cache")
    assert re.match(r"7 images: open after \d+\.\d\d s .* MB of memory held", said)
