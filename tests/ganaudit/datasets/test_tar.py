"""Images in tar archives."""

from __future__ import annotations

import gzip
import tarfile

import pytest
from stored_files import (
    FILES,
    Files,
    add,
    as_tar,
    encoded,
    opened,
    rows,
)

from ganaudit.errors import RequestError


def test_labels_of_webdataset(tmp_path):
    files: Files = {}
    for number in range(4):
        files[f"{number}.cls"] = str(number % 2).encode()
        files[f"{number}.png"] = encoded(number)
        files[f"{number}.seg.png"] = encoded(number)
        files[f"{number}.json"] = b"{}"
    dataset = opened(*as_tar(files, tmp_path))
    assert {row[0]: row[2] for row in rows(dataset)} == {
        f"{number}{end}": str(number % 2) for number in range(4) for end in (".png", ".seg.png")
    }
    assert dataset.contents.left_out == {("other", ".json"): 4}


def test_names_that_stand_in_several_shards(tmp_path):
    for shard in ("a", "b"):
        with tarfile.open(tmp_path / f"{shard}.tar", "w") as archive:
            add(archive, "x/0.png", encoded(ord(shard)))
    dataset = opened("tar", tmp_path / "*.tar")
    assert {(row[0], row[2]) for row in rows(dataset)} == {("a.tar/x/0.png", "x"), ("b.tar/x/0.png", "x")}


def test_a_tar_that_is_cut_off(tmp_path):
    kind, path = as_tar({f"{k}.png": encoded(k) for k in range(3)}, tmp_path)
    data = encoded(2)
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(data) + 50])
    dataset = opened(kind, path)
    assert sorted(row[:2] for row in rows(dataset))[2] == ("2.png", "set aside") and len(dataset) == 3
    assert "x.tar is cut off" in " ".join(dataset.notes)


def test_a_tar_that_is_damaged_between_members_is_refused(tmp_path):
    kind, path = as_tar({f"{k}.png": encoded(k) for k in range(3)}, tmp_path)
    whole = bytearray(path.read_bytes())
    whole[whole.index(b"1.png") + 3] ^= 1  # its checksum is another now
    path.write_bytes(whole)
    with pytest.raises(RequestError, match=r"x\.tar is damaged at byte"):
        opened(kind, path)


def test_a_compressed_tar_is_refused(tmp_path):
    _, path = as_tar(FILES, tmp_path)
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(RequestError, match=r"compressed \(gzip\).*unpack"):
        opened("tar", tmp_path / "x.tar.gz")


def test_links_in_a_tar_are_left_out(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        add(archive, "a.png", encoded(1))
        link = tarfile.TarInfo("b.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    dataset = opened("tar", tmp_path / "x.tar")
    assert len(dataset) == 1 and dataset.contents.left_out == {("special", ".png"): 1}
