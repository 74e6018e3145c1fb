"""Images in zip archives."""

from __future__ import annotations

import json
import tarfile
import tracemalloc
import zipfile

import pytest
from stored_files import (
    add,
    as_folder,
    as_stored_zip,
    as_zip,
    encoded,
    opened,
    rows,
)

from ganaudit.datasets import zip as zip_kind
from ganaudit.datasets.index import Member
from ganaudit.errors import ImageError, RequestError


def test_what_unpacks_to_much_more_than_it_takes_is_never_held_twice(tmp_path):
    size = 1 << 26
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", encoded(1))
        archive.writestr("zeros.png", bytes(size))
    tracemalloc.start()
    try:
        dataset = opened("zip", tmp_path / "x.zip", order="sorted")
        dataset.recipe()
        assert tracemalloc.get_traced_memory()[1] < size / 2
        with pytest.raises(ImageError, match=r"^zeros\.png is not an image"):
            dataset.image(1)
        assert tracemalloc.get_traced_memory()[1] < 1.6 * size
    finally:
        tracemalloc.stop()


def test_links_in_a_zip_are_refused(tmp_path):
    entry = zipfile.ZipInfo("a.png")
    entry.create_system, entry.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(RequestError, match=r"holds 'a\.png', a link"):
        opened("zip", tmp_path / "x.zip")


def test_a_damaged_member_of_a_zip_is_set_aside(tmp_path):
    data = encoded(1)
    kind, path = as_stored_zip({"a.png": data, "b.png": encoded(2), "c.png": encoded(3)}, tmp_path)
    whole = bytearray(path.read_bytes())
    whole[whole.index(data) + 40] ^= 1
    path.write_bytes(whole)
    dataset = opened(kind, path, seed=0)
    aside = [row for row in rows(dataset) if row[1] == "set aside"]
    assert len(dataset) == 3 and aside == [("a.png", "set aside")]


def test_a_member_that_unpacks_to_more_than_it_says_is_set_aside(tmp_path):
    kind, path = as_zip({"a.png": b"\0" * 100_000, "b.png": encoded(1)}, tmp_path)
    whole = path.read_bytes().replace((100_000).to_bytes(4, "little"), (50).to_bytes(4, "little"))
    path.write_bytes(whole)
    assert sorted(row[:2] for row in rows(opened(kind, path)))[0] == ("a.png", "set aside")


def test_a_member_that_takes_more_than_it_says_is_not_read(tmp_path):
    with pytest.raises(ImageError, match="should have 10 bytes and takes 4,000,000,000"):
        zip_kind.read(tmp_path / "no such file", Member("a.png", 10, None, length=4_000_000_000))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_compressing_are_set_aside(tmp_path, method):
    dataset = opened(*as_zip({"a.png": encoded(1)}, tmp_path, method))
    with pytest.raises(ImageError, match=r"a\.png is compressed by method"):
        dataset.image(0)


def test_labels_of_stylegan(tmp_path):
    names = ["00000/img00000000.png", "00000/img00000001.png"]
    files = {name: encoded(place) for place, name in enumerate(names)}
    files["dataset.json"] = json.dumps({"labels": [[names[0], 6], [names[1], 9]]}).encode()
    dataset = opened(*as_zip(files, tmp_path))
    assert {row[0]: row[2] for row in rows(dataset)} == dict(zip(names, "69", strict=True))
    assert dataset.contents.left_out == {}
    files["dataset.json"] = json.dumps({"labels": None}).encode()
    assert {row[2] for row in rows(opened(*as_zip(files, tmp_path)))} == {"00000"}
    files["dataset.json"] = b"[1, 2"
    with pytest.raises(RequestError, match=r"dataset\.json is not"):
        opened(*as_zip(files, tmp_path))


def test_a_name_twice_counts_once(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.png", encoded(1))
        archive.writestr("a.png", encoded(2))
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        add(archive, "a.png", encoded(1))
        add(archive, "a.png", encoded(2))
    want = rows(opened(*as_folder({"a.png": encoded(2)}, tmp_path)))
    assert rows(opened("zip", tmp_path / "x.zip")) == want == rows(opened("tar", tmp_path / "x.tar"))
    for kind in ("tar", "zip"):
        assert "stand twice" in " ".join(opened(kind, tmp_path / f"x.{kind}").notes)
