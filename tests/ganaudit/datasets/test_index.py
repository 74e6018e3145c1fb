"""The index of what lies in files: made once, and anew where they changed; what is found beside images."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stored_files import (
    FILES,
    WAYS,
    as_folder,
    as_tar,
    as_zip,
    encoded,
    opened,
    rows,
    settle,
)

from ganaudit.datasets import zip as zip_kind
from ganaudit.errors import ImageError, RequestError


def test_an_index_is_made_once(tmp_path, monkeypatch):
    kind, path = as_zip(FILES, tmp_path)
    settle(tmp_path)
    first = opened(kind, path, tmp_path / "cache")
    monkeypatch.setattr(zipfile, "ZipFile", None)  # a second look would fail
    again = opened(kind, path, tmp_path / "cache")
    assert (rows(again), again.recipe(), again.contents) == (rows(first), first.recipe(), first.contents)


def test_a_torn_index_is_made_again(tmp_path):
    kind, path = as_tar(FILES, tmp_path)
    settle(tmp_path)
    want = rows(opened(kind, path, tmp_path / "cache"))
    (index,) = (tmp_path / "cache" / "collections").iterdir()
    index.write_bytes(index.read_bytes()[:-100])
    assert rows(opened(kind, path, tmp_path / "cache")) == want


def test_files_that_change_get_an_index_of_their_own(tmp_path):
    kind, path = as_zip({"a.png": encoded(1)}, tmp_path)
    settle(tmp_path)
    old = opened(kind, path, tmp_path / "cache")
    as_zip({"a.png": encoded(1), "b.png": encoded(2)}, tmp_path)
    with pytest.raises(ImageError, match=r"a\.png lies in x\.zip, which changed after it was listed"):
        old.image(0)
    settle(tmp_path)
    assert len(opened(kind, path, tmp_path / "cache")) == 2
    assert len(list((tmp_path / "cache" / "collections").iterdir())) == 1  # that of the old ones is of no use


def test_what_is_written_to_meanwhile_is_refused(tmp_path, monkeypatch):
    kind, path = as_zip(FILES, tmp_path)
    pieces = zip_kind._pieces

    def writing(path: Path, member: Any) -> Iterator[bytes]:
        with path.open("ab") as file:
            file.write(b"x")
        return pieces(path, member)

    monkeypatch.setattr(zip_kind, "_pieces", writing)
    with pytest.raises(RequestError, match=r"x\.zip was written to while it was read"):
        opened(kind, path)


@pytest.mark.parametrize("kind", ["zip", "tar", "parquet", "lmdb"])
def test_files_of_another_kind_are_refused(tmp_path, kind):
    path = tmp_path / "x"
    path.write_bytes(b"something else" * 1000)
    with pytest.raises(RequestError, match=rf"{path} is no "):
        opened(kind, path)
    with pytest.raises(RequestError, match=r"nowhere"):
        opened(kind, tmp_path / "nowhere")


@pytest.mark.parametrize("way", WAYS[1:4])
def test_what_is_no_image_is_told(tmp_path, way):
    others = {"notes.txt": b"x", "__MACOSX/b.png": encoded(1), ".c.png": encoded(1), "a.png": encoded(2)}
    dataset = opened(*way(others, tmp_path))
    assert len(dataset) == 1 and dataset.contents.taken == {".png": 1}
    assert dataset.contents.left_out == {("other", ".txt"): 1, ("system", ".png"): 1, ("hidden", ".png"): 1}
    (tmp_path / "none").mkdir()
    with pytest.raises(RequestError, match=r"holds no images, but 1 other file$"):
        opened(*way({"notes.txt": b"x"}, tmp_path / "none"))


@pytest.mark.parametrize("way", [as_zip, as_tar])
def test_names_are_told_in_one_way(tmp_path, way):
    dataset = opened(*way({"./b/./1.png": encoded(1), "./2.png": encoded(2)}, tmp_path))
    assert rows(dataset) == rows(opened(*as_folder({"b/1.png": encoded(1), "2.png": encoded(2)}, tmp_path)))


def test_a_file_whose_name_looks_like_a_pattern(tmp_path):
    as_zip({"a.png": encoded(1)}, tmp_path)
    (tmp_path / "x.zip").rename(tmp_path / "x [1]*.zip")
    assert len(opened("zip", tmp_path / "x [1]*.zip")) == 1


@pytest.mark.parametrize("way", [as_zip, as_tar])
@pytest.mark.parametrize("name", ["../a.png", "/a.png", "b/../../a.png", "C:/a.png", "..\\a.png"])
def test_names_that_lead_out_are_refused(tmp_path, way, name):
    with pytest.raises(RequestError, match="leads out of it"):
        opened(*way({"good.png": encoded(1), name: encoded(2)}, tmp_path))
