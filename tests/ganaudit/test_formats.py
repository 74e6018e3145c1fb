"""Formats that packages bring: taken for images where the package is there, named with what to install where it is not."""

from __future__ import annotations

import io
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image as pillow
from PIL import features

from ganaudit import formats, images
from ganaudit.datasets.folder import FolderDataset
from ganaudit.errors import ImageError

PLUGIN = """
from PIL import Image, ImageFile
class Grey(ImageFile.ImageFile):
    format = "HEIF"
    def _open(self):
        self._mode, self._size, self.tile = "L", (2, 1), [ImageFile._Tile("raw", (0, 0, 2, 1), 4, ("L", 0, 1))]
def register_heif_opener():
    Image.register_open("HEIF", Grey, lambda start: start.startswith(b"heif"))
"""


def clear():
    formats.suffixes.cache_clear()
    formats.registered.cache_clear()


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A package of that name whose format is four letters and the pixels."""
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages/pillow_heif.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    monkeypatch.delitem(sys.modules, "pillow_heif", raising=False)
    clear()
    yield
    if pillow.OPEN.pop("HEIF", None):
        pillow.ID.remove("HEIF")
    sys.modules.pop("pillow_heif", None)
    clear()


def put(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.HEIC").write_bytes(b"heif\x01\x09")
    pillow.new("L", (2, 1)).save(tmp_path / "photos/b.png")
    return tmp_path / "photos"


def test_with_the_package_its_files_are_images(tmp_path, plugin):
    dataset = FolderDataset(put(tmp_path))
    assert len(dataset) == 2 and not dataset.contents.left_out
    pixels = {dataset.name(k): dataset.image(k).pixels[..., 0].tolist() for k in range(2)}
    assert pixels == {"a.HEIC": [[1, 9]], "b.png": [[0, 0]]}
    assert images.decode(b"heif\x02\x03")[..., 0].tolist() == [[2, 3]]


def test_without_it_they_are_left_out_and_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    clear()
    dataset = FolderDataset(put(tmp_path))
    assert len(dataset) == 1 and dataset.contents.left_out == {("other", ".heic"): 1}
    assert "pip install 'ganaudit[heic]'" in " ".join(dataset.contents.sentences())
    clear()
    assert formats.advice({".jxl": 2, ".heif": 1, ".pdf": 1}) == "pip install 'ganaudit[heic,jxl]'"
    assert formats.advice({".pdf": 1}) is None


def test_avif_is_read_where_pillow_has_it_and_named_where_not(tmp_path, monkeypatch):
    start = b"\0\0\0\x20ftypavif" + b"\0" * 20
    monkeypatch.setattr(features, "check", lambda name: False)
    with pytest.raises(ImageError, match=r"x\.avif is an AVIF file.*ganaudit\[avif\]"):
        images.decode(start, name="x.avif")
    monkeypatch.undo()
    if features.check("avif"):
        out = io.BytesIO()
        pillow.fromarray(np.full((8, 8, 3), 90, np.uint8)).save(out, "AVIF", quality=100)
        assert np.abs(images.decode(out.getvalue()).astype(int) - 90).max() <= 2


def test_an_index_of_before_the_package_is_made_anew(tmp_path, plugin):
    from stored_files import opened, settle

    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(put(tmp_path) / "a.HEIC", "a.heic")
        archive.write(tmp_path / "photos/b.png", "b.png")
    settle(tmp_path)
    assert len(opened("zip", tmp_path / "x.zip", tmp_path / "cache")) == 2
    formats.suffixes.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "find_spec", lambda name: None)
        formats.suffixes.cache_clear()
        assert len(opened("zip", tmp_path / "x.zip", tmp_path / "cache")) == 1
