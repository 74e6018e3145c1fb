"""The folder collection: listing, order, content recipe, digest cache, and all that can be wrong."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pillow

from ganaudit import images
from ganaudit.datasets import folder as module
from ganaudit.datasets.folder import FolderDataset
from ganaudit.datasets.protocol import Dataset
from ganaudit.errors import AuditError, ImageError, RequestError


def photo(path: Path, value: int = 0, height: int = 6, width: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pillow.new("RGB", (width, height), (value, value, value)).save(path, "PNG")
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten grey photos: photo k is named k.png and has the value k."""
    for k in range(10):
        photo(tmp_path / "photos" / f"{k}.png", k)
    return tmp_path / "photos"


def age(root: Path, seconds: float = 60) -> None:
    """Sets every file's time stamp back, so that it counts as settled."""
    then = time.time_ns() - int(seconds * 1e9)
    for path in root.rglob("*"):
        os.utime(path, ns=(then, then))


def names(dataset: FolderDataset) -> list[str]:
    return [dataset.image(index).name for index in range(len(dataset))]


# --- listing and order


@pytest.mark.parametrize(("seed", "order"), [(1, [6, 8, 9, 7, 5, 3, 0, 4, 1, 2]), (2, [5, 9, 3, 4, 6, 7, 2, 8, 1, 0])])
def test_order_is_the_references(photos, seed, order):
    dataset = FolderDataset(photos, seed=seed)
    assert [int(dataset.image(index).pixels[0, 0, 0]) for index in range(10)] == order
    assert names(dataset) == [f"{k}.png" for k in order]


def test_is_a_dataset(photos):
    assert isinstance(FolderDataset(photos), Dataset)


def test_listing_is_recursive_by_suffix_without_hidden_files(tmp_path):
    wanted = ["B.PNG", "a/b/c.jpeg", "a.png", "a/z.Jpg", "ä.webp", 'with space/it\'s "x".png', "a-b.gif"]
    others = [".hidden.png", ".git/x.png", "a/.cache/y.png", "notes.txt", "a/x.png.bak", "noext", "Thumbs.db"]
    for name in wanted + others:
        photo(tmp_path / name)
    dataset = FolderDataset(tmp_path)
    want = sorted(wanted, key=lambda name: name.encode())
    random.Random(0).shuffle(want)
    assert names(dataset) == want


def test_names_that_are_not_utf8_can_be_read_and_written_down(tmp_path):
    photo(tmp_path / "x.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    assert names(FolderDataset(tmp_path)) == ["caf\\xe9.png"]


def test_links_are_followed_but_never_in_a_circle(tmp_path):
    photo(tmp_path / "a" / "x.png")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert sorted(names(FolderDataset(tmp_path))) == ["a/x.png", "b/x.png"]


def test_pipes_are_no_images(photos):
    os.mkfifo(photos / "pipe.png")
    assert len(FolderDataset(photos)) == 10


@pytest.mark.parametrize("index", [-1, 10])
def test_no_image_outside_the_collection(photos, index):
    with pytest.raises(IndexError, match="collection of 10"):
        FolderDataset(photos).image(index)


# --- resizing


def test_images_keep_their_size_or_get_one(photos):
    assert FolderDataset(photos).image(0).pixels.shape == (6, 8, 3)
    assert FolderDataset(photos, resize=4).image(0).pixels.shape == (4, 4, 3)
    assert FolderDataset(photos, resize=[3, 5], how="stretch").image(0).pixels.shape == (3, 5, 3)


def test_resize_is_the_librarys(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 41, 3), dtype=np.uint8)
    pillow.fromarray(pixels).save(tmp_path / "x.png")
    for how in images.FITS:
        got = FolderDataset(tmp_path, resize=16, how=how).image(0).pixels
        assert np.array_equal(got, images.resize(pixels, (16, 16), how))


@pytest.mark.parametrize("resize", [0, -3, [64], [64, 0], [1, 2, 3], 8193, [4, 10**12], [2.5, 4]])
def test_a_wrong_size_is_named(photos, resize):
    with pytest.raises(RequestError, match=r"^resize is .*\[height, width\]"):
        FolderDataset(photos, resize=resize)


def test_a_wrong_way_to_resize_is_named(photos):
    with pytest.raises(RequestError, match=r"how is 'pad'.*crop, stretch"):
        FolderDataset(photos, how="pad")  # type: ignore[arg-type]


# --- folders that cannot be used


def test_missing_folder(tmp_path):
    with pytest.raises(RequestError, match=rf"there is no folder {tmp_path}/nowhere"):
        FolderDataset(tmp_path / "nowhere")


def test_a_path_that_is_none(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(RequestError, match="loop cannot be listed: Too many levels"):
        FolderDataset(tmp_path / "loop")
    with pytest.raises(RequestError, match=r"is no path: .*null"):
        FolderDataset("a\0b")
    with pytest.raises(RequestError, match="cannot be listed: File name too long"):
        FolderDataset(tmp_path / ("x" * 300))


def test_file_instead_of_a_folder(photos):
    with pytest.raises(RequestError, match=r"0\.png is a file, not a folder"):
        FolderDataset(photos / "0.png")


def test_folder_without_images(tmp_path):
    with pytest.raises(RequestError, match=r"holds no images: it has no files at all; give files of .*\.jpg"):
        FolderDataset(tmp_path)
    for k in range(3):
        (tmp_path / f"{k}.heic").write_bytes(b"x")
    (tmp_path / "readme").write_bytes(b"x")
    with pytest.raises(RequestError, match=r"most of its other files \(3 of 4\) have \.heic"):
        FolderDataset(tmp_path)


def test_folder_without_permission(photos, monkeypatch):
    (photos / "secret").mkdir()
    scandir = os.scandir

    def deny(path: os.PathLike[str]) -> object:
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)
    with pytest.raises(RequestError, match=r"secret cannot be read \(permission denied\): allow"):
        FolderDataset(photos)


# --- files that cannot be used


def test_a_bad_image_is_its_own_error_with_its_relative_name(photos):
    (photos / "sub").mkdir()
    (photos / "sub" / "bad.jpg").write_bytes(b"no image")
    dataset = FolderDataset(photos)
    messages = []
    for index in range(len(dataset)):
        try:
            dataset.image(index)
        except ImageError as error:
            messages.append(str(error))
    assert len(messages) == 1 and messages[0].startswith("sub/bad.jpg is not an image")


def test_a_broken_link_is_one_bad_image(photos):
    (photos / "gone.png").symlink_to(photos / "nowhere")
    (photos / "me.png").symlink_to(photos / "me.png")
    dataset = FolderDataset(photos)
    messages = set()
    for index in range(len(dataset)):
        try:
            dataset.image(index)
        except ImageError as error:
            messages.add(str(error))
    assert messages == {"gone.png is a link to a file that does not exist", "me.png is a link to itself"}
    assert dataset.recipe()["images"] == 12


@pytest.mark.parametrize("change", ["delete", "grow", "touch"])
def test_a_file_that_changes_after_the_listing(photos, change):
    dataset = FolderDataset(photos, seed=1)  # image 0 is 6.png
    target = photos / "6.png"
    if change == "delete":
        target.unlink()
    elif change == "grow":
        target.write_bytes(target.read_bytes() + b"x")
    else:
        os.utime(target, ns=(1, 1))
    with pytest.raises(ImageError, match=r"^6\.png (was deleted|changed) after the folder was listed"):
        dataset.image(0)
    assert dataset.image(1).name == "8.png"
    with pytest.raises(RequestError, match=r"6\.png changed while its folder was read"):
        dataset.recipe()


def test_a_file_replaced_while_it_is_decoded(photos, monkeypatch):
    dataset = FolderDataset(photos, seed=1)

    def late(path: str, **_: object) -> object:
        os.utime(path, ns=(1, 1))
        return np.zeros((2, 2, 3), np.uint8)

    monkeypatch.setattr(images, "decode", late)
    with pytest.raises(ImageError, match="changed after the folder was listed"):
        dataset.image(0)


# --- the recipe


def test_recipe_is_the_sorted_content(photos):
    whole = hashlib.sha256()
    for path in sorted(photos.iterdir()):
        data = path.read_bytes()
        whole.update(path.name.encode() + f"\0{len(data)}\0{hashlib.sha256(data).hexdigest()}\n".encode())
    recipe = FolderDataset(photos, seed=3, resize=(64, 48)).recipe()
    assert recipe == {
        "kind": "folder",
        "files": whole.hexdigest(),
        "images": 10,
        "seed": 3,
        "resize": [64, 48],
        "how": "crop",
        "decoding": images.VERSION,
    }
    assert json.loads(json.dumps(recipe)) == recipe
    assert FolderDataset(photos, how="stretch").recipe() == FolderDataset(photos, how="crop").recipe()


def test_place_and_time_do_not_matter_but_every_byte_and_name_does(photos, tmp_path):
    before = FolderDataset(photos).recipe()
    copy = tmp_path / "elsewhere" / "copy"
    shutil.copytree(photos, copy)
    age(copy, 1000)
    assert FolderDataset(copy).recipe() == before
    assert FolderDataset(os.path.relpath(copy)).recipe() == before
    data = bytearray((copy / "3.png").read_bytes())
    data[-1] ^= 1
    (copy / "3.png").write_bytes(data)
    assert FolderDataset(copy).recipe()["files"] != before["files"]
    data[-1] ^= 1
    (copy / "3.png").write_bytes(data)
    assert FolderDataset(copy).recipe() == before
    (copy / "3.png").rename(copy / "33.png")
    assert FolderDataset(copy).recipe()["files"] != before["files"]


def test_a_file_nobody_may_read_counts_as_unreadable(photos, monkeypatch):
    before = FolderDataset(photos).recipe()
    real = hashlib.file_digest

    def deny(stream, name):
        if stream.name.endswith("4.png"):
            raise PermissionError(13, "Permission denied")
        return real(stream, name)

    monkeypatch.setattr(hashlib, "file_digest", deny)
    assert FolderDataset(photos).recipe()["files"] != before["files"]


def test_a_failing_disk_fails_the_audit(photos, monkeypatch):
    def fail(stream, name):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(hashlib, "file_digest", fail)
    with pytest.raises(AuditError, match="Input/output error"):
        FolderDataset(photos).recipe()


# --- the digest cache


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """Names of the files that were read for their digest."""
    seen: list[str] = []
    digest = module._digest
    monkeypatch.setattr(module, "_digest", lambda file: (seen.append(file.name), digest(file))[1])
    return seen


def test_unchanged_files_are_not_read_again(photos, tmp_path, reads):
    age(photos)
    cache = tmp_path / "store" / "cache" / "digests.json"
    before = FolderDataset(photos, cache=cache).recipe()
    assert len(reads) == 10
    reads.clear()
    assert FolderDataset(photos, seed=0, cache=cache).recipe() == before and reads == []
    photo(photos / "4.png", 200)
    age(photos, 30)
    reads.clear()
    recipe = FolderDataset(photos, cache=cache).recipe()
    assert recipe == FolderDataset(photos).recipe() and recipe != before


def test_a_change_that_keeps_size_and_time_is_seen(photos, tmp_path):
    age(photos)
    cache = tmp_path / "digests.json"
    before = FolderDataset(photos, cache=cache).recipe()
    state, data = (photos / "4.png").stat(), bytearray((photos / "4.png").read_bytes())
    data[-1] ^= 1
    (photos / "4.png").write_bytes(data)
    os.utime(photos / "4.png", ns=(state.st_atime_ns, state.st_mtime_ns))
    assert FolderDataset(photos, cache=cache).recipe() != before


def test_a_fresh_file_is_never_remembered(photos, tmp_path, reads):
    age(photos)
    now = time.time_ns()
    os.utime(photos / "5.png", ns=(now, now))
    os.utime(photos / "6.png", ns=(now + 10**12, now + 10**12))  # a clock that runs ahead
    cache = tmp_path / "digests.json"
    FolderDataset(photos, cache=cache).recipe()
    reads.clear()
    FolderDataset(photos, cache=cache).recipe()
    assert sorted(reads) == ["5.png", "6.png"]


@pytest.mark.parametrize("content", [b"", b'{"format": "ganau', b"\xff\xfe\0", b"[1, 2]", b'{"files": {}}', b"[" * 10**5])
def test_a_torn_or_foreign_cache_is_ignored(photos, tmp_path, content):
    age(photos)
    cache = tmp_path / "digests.json"
    cache.write_bytes(content)
    assert FolderDataset(photos, cache=cache).recipe() == FolderDataset(photos).recipe()
    assert len(json.loads(cache.read_bytes())["files"]) == 10


def test_torn_entries_are_ignored(photos, tmp_path):
    age(photos)
    cache = tmp_path / "digests.json"
    want = FolderDataset(photos, cache=cache).recipe()
    document = json.loads(cache.read_bytes())
    for path, broken in zip(list(document["files"]), [None, [], [1], "x", {}, 3, [1, 2, 3, 4, None]], strict=False):
        document["files"][path] = broken
    cache.write_text(json.dumps(document))
    assert FolderDataset(photos, cache=cache).recipe() == want


def test_a_cache_that_cannot_be_written_costs_only_time(photos, tmp_path):
    age(photos)
    (tmp_path / "file").write_bytes(b"")
    assert FolderDataset(photos, cache=tmp_path / "file" / "digests.json").recipe() == FolderDataset(photos).recipe()


def test_two_writers_leave_a_whole_cache_and_nothing_else(tmp_path):
    for side in ("a", "b"):
        for k in range(20):
            photo(tmp_path / side / f"{k}.png", k)
        age(tmp_path / side)
    cache = tmp_path / "store" / "digests.json"
    want = [FolderDataset(tmp_path / side).recipe() for side in "ab"]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda side: FolderDataset(tmp_path / side, cache=cache).recipe(), "abababab"))
    assert got == want * 4
    assert json.loads(cache.read_bytes())["files"] and [path.name for path in cache.parent.iterdir()] == [cache.name]


def test_the_cache_keeps_other_folders_and_forgets_deleted_files(photos, tmp_path):
    photo(tmp_path / "others" / "x.png")
    age(tmp_path)
    cache = tmp_path / "digests.json"
    FolderDataset(tmp_path / "others", cache=cache).recipe()
    FolderDataset(photos, cache=cache).recipe()
    (photos / "0.png").unlink()
    photo(photos / "new.png", 50)
    age(photos)
    FolderDataset(photos, cache=cache).recipe()
    files = json.loads(cache.read_bytes())["files"]
    assert str(tmp_path / "others" / "x.png") in files and str(photos / "new.png") in files
    assert str(photos / "0.png") not in files
