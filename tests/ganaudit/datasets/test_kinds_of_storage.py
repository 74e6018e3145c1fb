"""The same images through every kind of storage: the same pixels, names, labels and key."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import random
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as pillow
from pyarrow import parquet

from ganaudit import images, kinds
from ganaudit.context import Context
from ganaudit.datasets import lmdb as lmdb_kind
from ganaudit.datasets import parquet as parquet_kind
from ganaudit.datasets import zip as zip_kind
from ganaudit.datasets.packed import Gone, Member
from ganaudit.datasets.stored import StoredDataset
from ganaudit.errors import ImageError, RequestError

Files = dict[str, bytes]


def encoded(value: int, suffix: str = "PNG", **how: Any) -> bytes:
    pixels = np.random.default_rng(value).integers(0, 256, (6 + value % 3, 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    pillow.fromarray(pixels).save(out, suffix, **how)
    return out.getvalue()


def opened(kind: str, path: Path, cache: Path | None = None, **options: Any) -> StoredDataset:
    it = kinds.find("datasets", kind)
    asked = it.options(name="photos", kind=kind, path=path, resize=options.pop("resize", 8), **options)
    return it.open(asked, Context(path.parent, cache=cache))


def rows(dataset: StoredDataset) -> list[tuple[Any, ...]]:
    """What the records of a collection say."""
    said: list[tuple[Any, ...]] = []
    for index in range(len(dataset)):
        try:
            image = dataset.image(index)
        except ImageError:
            said.append((dataset.name(index), "set aside"))
        else:
            said.append((image.name, images.digest(image.pixels), image.label, image.cluster))
    return said


def as_folder(files: Files, place: Path) -> tuple[str, Path]:
    for name, data in files.items():
        (place / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "folder" / name).write_bytes(data)
    return "folder", place / "folder"


def as_zip(files: Files, place: Path, method: int = zipfile.ZIP_DEFLATED) -> tuple[str, Path]:
    with zipfile.ZipFile(place / "x.zip", "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return "zip", place / "x.zip"


def as_stored_zip(files: Files, place: Path) -> tuple[str, Path]:
    return as_zip(files, place, zipfile.ZIP_STORED)


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def as_tar(files: Files, place: Path) -> tuple[str, Path]:
    with tarfile.open(place / "x.tar", "w") as archive:
        for name, data in files.items():
            add(archive, name, data)
    return "tar", place / "x.tar"


def as_shards(files: Files, place: Path) -> tuple[str, Path]:
    """Two archives that a pattern matches."""
    names = list(files)
    for number, part in enumerate((names[::2], names[1::2])):
        with tarfile.open(place / f"shard-{number}.tar", "w", format=tarfile.GNU_FORMAT) as archive:
            for name in part:
                add(archive, name, files[name])
    return "tar", place / "shard-*.tar"


def as_parquet(files: Files, place: Path) -> tuple[str, Path]:
    cells = [{"bytes": data, "path": name} for name, data in files.items()]
    parquet.write_table(pa.table({"image": cells, "other": range(len(cells))}), place / "x.parquet", row_group_size=2)
    return "parquet", place / "x.parquet"


def as_lmdb(files: Files, place: Path) -> tuple[str, Path]:
    with lmdb.open(str(place / "lmdb"), map_size=2**20) as environment, environment.begin(write=True) as transaction:
        for name, data in files.items():
            transaction.put(name.encode(), data)
    return "lmdb", place / "lmdb"


def as_csv(files: Files, place: Path) -> tuple[str, Path]:
    as_folder(files, place)
    (place / "x.csv").write_text("path\n" + "".join(f"folder/{name}\n" for name in files))
    (place / "folder" / "x.csv").write_text("path\n" + "".join(f'"{name}"\n' for name in files))
    return "csv", place / "folder" / "x.csv"


def settle(root: Path) -> None:
    for path in root.rglob("*"):
        os.utime(path, ns=(time.time_ns() - 10**11,) * 2)


WAYS = (as_folder, as_zip, as_stored_zip, as_tar, as_shards, as_parquet, as_lmdb, as_csv)
FILES: Files = {
    "b/2.png": encoded(2),
    "1.png": encoded(1),
    "b/c/3.jpg": encoded(3, "JPEG"),
    "ä 4.webp": encoded(4, "WEBP"),
    "b/5.jpg": b"no image",
    "b/10.png": encoded(10),
}


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
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
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


# --- the index


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
    read = zip_kind.read

    def writing(path: Path, member: Any) -> bytes:
        with path.open("ab") as file:
            file.write(b"x")
        return read(path, member)

    monkeypatch.setattr(zip_kind, "read", writing)
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
    with pytest.raises(RequestError, match="holds no images, but 1 other files"):
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


# --- zip


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
    assert "stand twice" in " ".join(opened("tar", tmp_path / "x.tar").notes)


# --- tar


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


# --- Parquet


def test_rows_without_images_are_set_aside(tmp_path):
    cells = [
        {"bytes": encoded(1), "path": "a.png"},
        None,
        {"bytes": None, "path": "c.png"},
        {"bytes": encoded(2), "path": None},
    ]
    parquet.write_table(pa.table({"image": cells}), tmp_path / "x.parquet")
    dataset = opened("parquet", tmp_path / "x.parquet")
    reasons = {}
    for index in range(4):
        try:
            dataset.image(index)
        except ImageError as error:
            reasons[dataset.name(index)] = str(error)
    assert reasons["000000001"].endswith("its row has no image") and "only a path" in reasons["000000002"] and len(reasons) == 2


def test_labels_and_clusters_of_parquet(tmp_path):
    table = pa.table({"img": [encoded(k) for k in range(3)], "label": [1, 0, None], "scene": ["a", "a", "b"]})
    feature = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    parquet.write_table(table.replace_schema_metadata({"huggingface": json.dumps(feature)}), tmp_path / "x.parquet")
    dataset = opened("parquet", tmp_path / "x.parquet", clusters="scene")
    assert sorted((row[0], row[2], row[3]) for row in rows(dataset)) == [
        ("000000000", "dog", "a"), ("000000001", "cat", "a"), ("000000002", None, "b"),
    ]  # fmt: skip
    with pytest.raises(RequestError, match=r"no column 'colour'; it has 'img', 'label', 'scene'"):
        opened("parquet", tmp_path / "x.parquet", labels="colour")
    with pytest.raises(RequestError, match=r"'scene' holds no images"):
        opened("parquet", tmp_path / "x.parquet", image="scene")


def test_columns_that_may_both_be_images(tmp_path):
    parquet.write_table(pa.table({"x": [encoded(1)], "y": [encoded(2)]}), tmp_path / "x.parquet")
    with pytest.raises(RequestError, match=r"'x', 'y'.*name one in `image`"):
        opened("parquet", tmp_path / "x.parquet")
    assert len(opened("parquet", tmp_path / "x.parquet", image="y")) == 1


def test_few_row_groups_are_kept(tmp_path, monkeypatch):
    kind, path = as_parquet({f"{k}.png": encoded(k) for k in range(9)}, tmp_path)
    groups = parquet_kind._RowGroups()
    monkeypatch.setattr(parquet_kind, "_GROUPS", groups)
    monkeypatch.setattr(parquet_kind, "KEPT", 1)
    assert rows(opened(kind, path)) == rows(opened(*as_folder({f"{k}.png": encoded(k) for k in range(9)}, tmp_path)))
    assert len(groups._kept) == 1


# --- LMDB


WRITER = """
import lmdb, sys
with lmdb.open(sys.argv[1], map_size=2**20) as environment, environment.begin(write=True) as transaction:
    transaction.put(b"new.png", b"x")
"""


def write_elsewhere(path: Path) -> None:
    """Another process writes: one process opens a database once."""
    subprocess.run([sys.executable, "-c", WRITER, str(path)], check=True)


def test_an_lmdb_that_changes_after_it_was_listed(tmp_path):
    kind, path = as_lmdb(FILES, tmp_path)
    dataset = opened(kind, path)
    write_elsewhere(path)
    with pytest.raises(ImageError, match=r"data\.mdb, which changed"):
        dataset.image(0)
    assert len(opened(kind, path)) == len(FILES) + 1


def test_an_lmdb_that_is_written_to_meanwhile_is_refused(tmp_path):
    _, path = as_lmdb(FILES, tmp_path)
    members = lmdb_kind.scan(path / "data.mdb", 0, Gone())
    next(members)
    write_elsewhere(path)
    with pytest.raises(RequestError, match=r"data\.mdb was written to while it was read"):
        next(members)


def test_without_the_package_lmdb_one_sentence_says_so(tmp_path, monkeypatch):
    kind, path = as_lmdb(FILES, tmp_path)
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(RequestError, match=r"pip install 'ganaudit\[lmdb\]'"):
        opened(kind, path)


def test_keys_that_are_no_images(tmp_path):
    kind, path = as_lmdb({**FILES, "length": b"6"}, tmp_path)
    assert len(opened(kind, path)) == len(FILES)


# --- lists and tables of names


def test_a_list_of_images(tmp_path):
    _, folder = as_folder(FILES, tmp_path)
    (tmp_path / "list.txt").write_text("b/2.png\n\n1.png\ngone/7.png\n1.png\n")
    dataset = opened("folder", folder, list=tmp_path / "list.txt", seed=1)
    order = [0, 1, 2]
    random.Random(1).shuffle(order)
    assert [dataset.name(index) for index in range(3)] == [["1.png", "b/2.png", "gone/7.png"][k] for k in order]
    with pytest.raises(ImageError, match=r"gone/7\.png is not there"):
        dataset.image([dataset.name(index) for index in range(3)].index("gone/7.png"))
    (tmp_path / "list.txt").write_text("../x.png\n")
    with pytest.raises(RequestError, match=r"'\.\./x\.png', which leads out of it"):
        opened("folder", folder, list=tmp_path / "list.txt")


def test_a_table_of_images(tmp_path):
    as_folder(FILES, tmp_path)
    table = tmp_path / "photos.csv"
    table.write_text("file,scene,Smiling,Male\nb/2.png,s1,1,-1\n1.png,s2,1,1\nb/10.png,,0,0\nleft.png,s1,1,0\n")
    how: dict[str, Any] = {"folder": tmp_path / "folder", "names": "file"}
    dataset = opened("csv", table, **how, clusters="scene", attributes=("Smiling", "Male"))
    said = {row[0]: row[1:] for row in rows(dataset)}
    assert said["left.png"] == ("set aside",) and len(dataset) == 4
    assert {name: row[1:] for name, row in said.items() if name != "left.png"} == {
        "b/2.png": ("Smiling", "s1"), "1.png": ("Smiling, Male", "s2"), "b/10.png": (None, None),
    }  # fmt: skip
    assert {row[2] for row in rows(opened("csv", table, **how, labels="scene")) if len(row) > 2} == {"s1", "s2", None}
    with pytest.raises(RequestError, match=r"no column 'path'"):
        opened("csv", table)
    with pytest.raises(RequestError, match=r"'scene' is 's\d'; it has to be 1 or 0"):
        opened("csv", table, **how, attributes=("scene",))
    table.write_text("path,scene\n1.png,a\n1.png,b\n")
    with pytest.raises(RequestError, match=r"says two things of the image '1\.png'"):
        opened("csv", table, clusters="scene")


# --- arrays


@pytest.fixture
def array() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 256, (5, 8, 9, 3), dtype=np.uint8)


def written(save: Callable[..., None], path: Path, **arrays: Any) -> Path:
    save(path, **arrays)
    return path


def test_arrays_of_numpy(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    np.save(tmp_path / "planes.npy", array.transpose(0, 3, 1, 2))
    np.save(tmp_path / "columns.npy", np.asfortranarray(array))
    np.savez(tmp_path / "x.npz", arr_0=array, arr_1=np.eye(5, dtype=np.int64)[[3, 1, 0, 2, 4]])
    np.savez_compressed(tmp_path / "small.npz", arr_0=array, arr_1=np.arange(5))
    want = [images.digest(image) for image in array]
    for name in ("x.npy", "planes.npy", "columns.npy", "x.npz", "small.npz"):
        labels = {"labels": "arr_1"} if name.endswith("z") else {}
        dataset = opened("npy", tmp_path / name, resize=(8, 9), **labels)
        assert [row[1] for row in sorted(rows(dataset))] == want
    labelled = sorted(rows(opened("npy", tmp_path / "x.npz", labels="arr_1")))
    assert [row[2] for row in labelled] == list("31024") and labelled[0][0] == "00000000"


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda a: a.astype(np.float32), r"holds float32, not uint8"),
        (lambda a: a[..., :2], r"\(5, 8, 9, 2\); images are"),
        (lambda a: a[:, :3], r"may be either: set layout"),
        (lambda a: a[:0], r"holds no images"),
        (lambda a: np.array([object()]), r"Python objects"),
    ],
)
def test_arrays_that_are_no_images(tmp_path, array, made, why):
    np.save(tmp_path / "x.npy", made(array), allow_pickle=True)
    with pytest.raises(RequestError, match=why):
        opened("npy", tmp_path / "x.npy")


def test_an_array_that_is_cut_off(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    data = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(data[:-1])
    with pytest.raises(RequestError, match="is cut off"):
        opened("npy", tmp_path / "x.npy")


def test_labels_of_arrays(tmp_path, array):
    np.save(tmp_path / "x.npy", array[..., 0])  # grey
    np.save(tmp_path / "labels.npy", np.array(["b", "a", "b", "a", "c"]))
    dataset = opened("npy", tmp_path / "x.npy", resize=(8, 9), labels="labels.npy")
    assert [row[1:3] for row in sorted(rows(dataset))] == [
        (images.digest(np.repeat(image[..., :1], 3, axis=2)), label) for image, label in zip(array, "babac", strict=True)
    ]
    assert dataset.recipe() != opened("npy", tmp_path / "x.npy", resize=(8, 9)).recipe()
    np.save(tmp_path / "labels.npy", np.arange(4))
    with pytest.raises(RequestError, match=r"labels\.npy holds 4 labels of the 5 images"):
        opened("npy", tmp_path / "x.npy", labels="labels.npy")
    with pytest.raises(RequestError, match=r"labels .*nowhere\.npy does not exist"):
        opened("npy", tmp_path / "x.npy", labels="nowhere.npy")


def test_arrays_that_change_after_they_were_listed(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    dataset = opened("npy", tmp_path / "x.npy")
    os.utime(tmp_path / "x.npy", ns=(1, 1))
    with pytest.raises(ImageError, match=r"x\.npy, which changed after it was listed"):
        dataset.image(0)


def idx(array: np.ndarray[Any, Any]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


@pytest.mark.parametrize("packed", [False, True])
def test_mnist(tmp_path, array, packed):
    grey, pack, end = array[..., 0], gzip.compress if packed else bytes, ".gz" if packed else ""
    (tmp_path / f"train-images-idx3-ubyte{end}").write_bytes(pack(idx(grey)))
    (tmp_path / f"train-labels-idx1-ubyte{end}").write_bytes(pack(idx(np.arange(5, dtype=np.uint8))))
    dataset = opened("idx", tmp_path / f"train-images-idx3-ubyte{end}", resize=(8, 9))
    assert [row[1:3] for row in sorted(rows(dataset))] == [
        (images.digest(np.repeat(image[..., None], 3, axis=2)), str(label)) for label, image in enumerate(grey)
    ]
    (tmp_path / f"train-images-idx3-ubyte{end}").write_bytes(pack(idx(grey)[:-1]))
    with pytest.raises(RequestError, match="does not hold the 5 x 8 x 9 bytes"):
        opened("idx", tmp_path / f"train-images-idx3-ubyte{end}")


def of_python_2(data: np.ndarray[Any, Any], labels: list[int]) -> bytes:
    """A batch as CIFAR's authors wrote it: texts and the bytes of arrays are the strings of Python 2."""

    def text(content: bytes) -> bytes:
        return b"T" + len(content).to_bytes(4, "little") + content

    def number(value: int) -> bytes:
        return b"J" + value.to_bytes(4, "little", signed=True)

    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(" + number(0) + b"t" + text(b"b") + b"tR"
    kind = b"cnumpy\ndtype\n(" + text(b"u1") + number(0) + number(1) + b"tR("
    kind += number(3) + text(b"|") + b"NNN" + number(-1) + number(-1) + number(0) + b"tb"
    shape = b"(" + b"".join(map(number, data.shape)) + b"t"
    array = empty + b"(" + number(1) + shape + kind + b"\x89" + text(data.tobytes()) + b"tb"
    listed = b"](" + b"".join(map(number, labels)) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + listed + b"u."


def test_cifar_as_its_authors_wrote_it(tmp_path):
    data = np.random.default_rng(1).integers(0, 256, (3, 3072), dtype=np.uint8)
    (tmp_path / "test_batch").write_bytes(of_python_2(data, [2, 0, 1]))
    assert np.array_equal(pickle.loads((tmp_path / "test_batch").read_bytes(), encoding="bytes")[b"data"], data)
    dataset = opened("cifar", tmp_path, split="test", resize=32)
    assert [row[2] for row in sorted(rows(dataset))] == ["2", "0", "1"]
    planes = np.stack([dataset._shelf.pixels(place, None, "crop").transpose(2, 0, 1) for place in range(3)])
    assert np.array_equal(planes.reshape(3, 3072), data)


def test_cifar(tmp_path):
    data = np.random.default_rng(0).integers(0, 256, (4, 3072), dtype=np.uint8)
    for number in (1, 2):
        part = slice(2 * number - 2, 2 * number)
        batch = {"data": data[part], "labels": [1, 0], "filenames": ["a.png", "b.png"], "batch_label": f"batch {number}"}
        (tmp_path / f"data_batch_{number}").write_bytes(pickle.dumps(batch, protocol=2))
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({"label_names": ["plane", "car"]}, protocol=2))
    dataset = opened("cifar", tmp_path, resize=32)
    assert [row[1:3] for row in sorted(rows(dataset))] == [
        (images.digest(np.ascontiguousarray(image.reshape(3, 32, 32).transpose(1, 2, 0))), ["car", "plane"][place % 2])
        for place, image in enumerate(data)
    ]
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps({"data": os.system}))
    with pytest.raises(RequestError, match=r"data_batch_1 is no batch of CIFAR: it asks for posix\.system"):
        opened("cifar", tmp_path)
    with pytest.raises(RequestError, match=r"CIFAR's batch .*/test does not exist"):
        opened("cifar", tmp_path, split="test")
