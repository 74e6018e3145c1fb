"""Photos with label maps: where the maps are found, what their values mean, and what is refused."""

from __future__ import annotations

import os
import random
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as pillow

from ganaudit.datasets.label_maps import decode_labels, resample
from ganaudit.datasets.masks import MasksDataset
from ganaudit.datasets.protocol import Dataset, Image
from ganaudit.errors import ImageError, RequestError


def photo(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pillow.new("RGB", (8, 6), (value, value, value)).save(path, "PNG")


def label_map(path: Path, values: object, kind: type = np.uint8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pillow.fromarray(np.asarray(values, dtype=kind)).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four photos; every label of photo k is k."""
    for k in range(4):
        photo(tmp_path / "set" / f"s{k % 2}" / f"{k}.jpg", k)
        label_map(tmp_path / "set" / f"s{k % 2}" / f"{k}.labels.png", np.full((3, 4), k))
    return tmp_path / "set"


def by_name(dataset: MasksDataset) -> dict[str, Image | str]:
    result: dict[str, Image | str] = {}
    for index in range(len(dataset)):
        try:
            image = dataset.image(index)
            result[image.name] = image
        except ImageError as error:
            result[str(error).split(" ")[0]] = str(error)
    return result


def one(tmp_path: Path, **options: object) -> NDArray[np.integer]:
    photo(tmp_path / "x.jpg")
    labels = MasksDataset(tmp_path, **options).image(0).labels
    assert labels is not None and labels.dtype == np.int32
    return labels


# --- finding label maps


def test_labels_lie_beside_their_images(root):
    dataset = MasksDataset(root)
    assert isinstance(dataset, Dataset) and len(dataset) == 4
    result = by_name(dataset)
    assert sorted(result) == ["s0/0.jpg", "s0/2.jpg", "s1/1.jpg", "s1/3.jpg"]
    for image in result.values():
        assert isinstance(image, Image) and image.pixels.shape == (6, 8, 3)
        assert np.array_equal(image.labels, np.full((3, 4), image.pixels[0, 0, 0]))


@pytest.mark.parametrize("inside", [True, False])
def test_labels_lie_in_a_tree_of_their_own(root, tmp_path, inside):
    tree = root / "labels" if inside else tmp_path / "labels"
    for path in list(root.rglob("*.labels.png")):
        target = tree / path.relative_to(root).parent / path.name.replace(".labels.png", ".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    dataset = MasksDataset(root, labels=tree)
    assert len(dataset) == 4
    assert all(np.all(dataset.image(i).labels == dataset.image(i).pixels[0, 0, 0]) for i in range(4))


@pytest.mark.parametrize("apart", [True, False])
def test_classes_of_images_are_theirs_where_label_maps_lie_among_them(tmp_path, apart):
    """StyleGAN's dataset.json says a class of each photo and of no label map."""
    for number, name in enumerate("aqz"):
        photo(tmp_path / f"{name}.png", number)
        label_map(tmp_path / (f"maps/{name}.png" if apart else f"{name}.labels.png"), np.full((6, 8), number))
    (tmp_path / "dataset.json").write_text('{"labels": [["a.png", 5], ["q.png", 6], ["z.png", 7]]}')
    found = by_name(MasksDataset(tmp_path, labels=tmp_path / "maps" if apart else None))
    assert {name: image.label for name, image in found.items()} == {"a.png": "5", "q.png": "6", "z.png": "7"}


def test_labels_in_the_same_tree_as_the_images(root):
    for path in list(root.rglob("*.labels.png")):
        path.rename(path.with_name(path.name.replace(".labels.png", ".png")))
    assert len(MasksDataset(root, labels=root)) == 4
    assert len(MasksDataset(root, suffix=".png")) == 4


def test_another_suffix(root):
    for path in list(root.rglob("*.labels.png")):
        path.rename(path.with_name(path.name.replace(".labels.png", "_seg.png")))
    assert len(MasksDataset(root, suffix="_seg.png")) == 4
    with pytest.raises(RequestError, match=r"suffix is '\.npy'.*\.png"):
        MasksDataset(root, suffix=".npy")


@pytest.mark.parametrize("name", ["x.labels.PNG", "x.Labels.png", "X.LABELS.PNG", "X.labels.png"])
def test_label_maps_are_found_however_capitals_are_used(tmp_path, name):
    label_map(tmp_path / "map.png", [[1, 2]])
    (tmp_path / "map.png").rename(tmp_path / name)
    assert one(tmp_path).tolist() == [[1, 2]]
    (tmp_path / "maps").mkdir()
    (tmp_path / name).rename(tmp_path / "maps" / name.lower().replace("labels.png", "Png"))
    assert one(tmp_path, labels=tmp_path / "maps").tolist() == [[1, 2]]


def test_of_two_label_maps_the_one_of_the_very_name_counts_and_without_it_none(tmp_path):
    for value, name in enumerate(["x.labels.png", "x.LABELS.png", "X.labels.png"]):
        label_map(tmp_path / name, [[value]])
    assert one(tmp_path).tolist() == [[0]]
    (tmp_path / "x.labels.png").unlink()
    with pytest.raises(RequestError, match="none of the 1 images"):
        MasksDataset(tmp_path)


def test_label_maps_with_capitals_have_the_key_of_those_without(root):
    before = MasksDataset(root).recipe()
    for path in list(root.rglob("*.labels.png")):
        path.rename(path.with_name(path.name.replace(".labels.png", ".Labels.PNG")))
    assert MasksDataset(root).recipe() == before


@pytest.mark.parametrize("suffix", ["/../x.png", "../x.png", "..png", "/x.png", "\\x.png", "\0.png", "/etc/x.png"])
def test_a_suffix_is_no_path(root, suffix):
    with pytest.raises(RequestError, match=r"suffix is .*end of a file's name.*labels"):
        MasksDataset(root, suffix=suffix)


@pytest.mark.parametrize("size", [8193, [8193, 4], [4, 10**12], 0, [1, 2, 3], [2.5, 4]])
def test_a_size_that_is_none_or_huge_is_refused(root, size):
    with pytest.raises(RequestError, match=r"size is .*\[height, width\].*8,192"):
        MasksDataset(root, size=size)


def test_a_pipe_in_the_place_of_a_label_map_is_none(root):
    (root / "s0" / "0.labels.png").unlink()
    os.mkfifo(root / "s0" / "0.labels.png")
    assert "has no label map" in by_name(MasksDataset(root))["s0/0.jpg"]


def test_order_is_that_of_the_folder(root):
    names = ["s0/0.jpg", "s0/2.jpg", "s1/1.jpg", "s1/3.jpg"]
    random.Random(5).shuffle(names)
    dataset = MasksDataset(root, seed=5)
    assert [dataset.image(index).name for index in range(4)] == names


def test_an_image_without_labels_is_set_aside(root):
    (root / "s0" / "0.labels.png").unlink()
    result = by_name(MasksDataset(root))
    assert all(part in result["s0/0.jpg"] for part in ("s0/0.jpg", "no label map", "s0/0.labels.png"))
    assert sum(isinstance(image, Image) for image in result.values()) == 3


def test_a_collection_without_any_label_map(root):
    for path in root.rglob("*.labels.png"):
        path.unlink()
    with pytest.raises(RequestError, match=r"none of the 4 images in .* has a label map: expected .*0\.labels\.png"):
        MasksDataset(root)
    with pytest.raises(RequestError, match=r"there is no folder .*/maps"):
        MasksDataset(root, labels=root / "maps")


def test_only_label_maps(root):
    for path in root.rglob("*.jpg"):
        path.unlink()
    with pytest.raises(RequestError, match="holds no images"):
        MasksDataset(root)


# --- what the values mean


def test_8_bit_16_bit_and_bilevel_values_are_class_ids(tmp_path):
    label_map(tmp_path / "x.labels.png", [[0, 1], [128, 255]])
    assert one(tmp_path).tolist() == [[0, 1], [128, 255]]
    label_map(tmp_path / "x.labels.png", [[0, 335], [40_000, 65_535]], np.uint16)
    assert one(tmp_path).tolist() == [[0, 335], [40_000, 65_535]]
    label_map(tmp_path / "x.labels.png", [[False, True]], bool)
    assert one(tmp_path).tolist() == [[0, 1]]


def test_palette_indices_are_class_ids_whatever_their_colour(tmp_path):
    indexed = pillow.fromarray(np.array([[0, 3], [200, 7]], dtype=np.uint8), mode="P")
    indexed.putpalette([5, 5, 5] * 256)
    indexed.save(tmp_path / "x.labels.png", transparency=3)
    assert one(tmp_path).tolist() == [[0, 3], [200, 7]]


@pytest.mark.parametrize("colour", [0, 3])
@pytest.mark.parametrize(("bits", "row"), [(1, b"\x50"), (2, b"\x1b"), (4, b"\x01\x2f"), (8, b"\0\1\2\xff")])
def test_values_of_few_bits_are_taken_as_stored(tmp_path, colour, bits, row):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 1, bits, colour, 0, 0, 0))
    palette = chunk(b"PLTE", bytes(3 << bits)) if colour == 3 else b""
    body = chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")
    (tmp_path / "x.labels.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + palette + body)
    number = int.from_bytes(row, "big")
    want = [(number >> (8 * len(row) - bits * (k + 1))) & ((1 << bits) - 1) for k in range(4)]
    assert one(tmp_path).tolist() == [want]


def test_16_bit_void_and_ids_beyond_8_bits(tmp_path):
    label_map(tmp_path / "x.labels.png", [[65_535, 300], [0, 1_023]], np.uint16)
    assert one(tmp_path, void=65_535).tolist() == [[0, 300], [0, 1_023]]
    assert one(tmp_path, void=10**12).tolist() == [[65_535, 300], [0, 1_023]]


def test_a_palette_with_an_index_for_void(tmp_path):
    indexed = pillow.fromarray(np.array([[0, 255], [2, 255]], dtype=np.uint8), mode="P")
    indexed.putpalette([9, 9, 9] * 256)
    indexed.save(tmp_path / "x.labels.png")
    assert one(tmp_path, void=255).tolist() == [[0, 0], [2, 0]]


def test_void_becomes_0(tmp_path):
    label_map(tmp_path / "x.labels.png", [[255, 1], [2, 255]])
    assert one(tmp_path, void=255).tolist() == [[0, 1], [2, 0]]


# --- label maps that cannot be used


@pytest.mark.parametrize(
    ("mode", "word"), [("RGB", "a colour image"), ("RGBA", "with transparency"), ("LA", "grey with transparency")]
)
def test_colour_label_maps_are_refused(tmp_path, mode, word):
    pillow.new(mode, (4, 4)).save(tmp_path / "x.png")
    with pytest.raises(ImageError, match=rf"^x\.png is .*{word}.*8-bit or 16-bit grey PNG.*palette"):
        decode_labels(tmp_path / "x.png")


def test_other_kinds_and_damaged_label_maps_are_refused(root):
    pillow.new("L", (4, 3)).save(root / "s0" / "0.labels.png", "JPEG")
    (root / "s0" / "2.labels.png").write_bytes(b"")
    data = (root / "s1" / "1.labels.png").read_bytes()
    (root / "s1" / "1.labels.png").write_bytes(data[:40])
    result = by_name(MasksDataset(root))
    assert "s0/0.labels.png is a JPEG file: a label map has to be" in str(result["s0/0.labels.png"])
    assert result["s0/2.labels.png"] == "s0/2.labels.png is empty (0 bytes)"
    assert "truncated" in str(result["s1/1.labels.png"])
    assert isinstance(result["s1/3.jpg"], Image)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_huge_label_maps_are_set_aside_before_they_are_decoded(root):
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 19_999, 19_999, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts]
    whole = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    (root / "s0" / "0.labels.png").write_bytes(whole)
    dataset = MasksDataset(root)
    assert dataset.label_size == (3, 4)
    assert "at most 134,217,728 pixels" in str(by_name(dataset)["s0/0.labels.png"])


def test_no_readable_label_map(root):
    for path in root.rglob("*.labels.png"):
        path.write_bytes(b"")
    dataset = MasksDataset(root)
    assert all(isinstance(result, str) for result in by_name(dataset).values())
    with pytest.raises(ImageError, match=r"no label map .* the first because s0/0\.labels\.png is empty"):
        _ = dataset.label_size


def test_a_bad_image_with_good_labels(root):
    (root / "s0" / "0.jpg").write_bytes(b"")
    assert by_name(MasksDataset(root))["s0/0.jpg"] == "s0/0.jpg is empty (0 bytes)"


def test_labels_that_change_after_the_listing(root):
    dataset = MasksDataset(root)
    os.utime(root / "s0" / "0.labels.png", ns=(1, 1))
    (root / "s0" / "2.labels.png").unlink()
    result = by_name(dataset)
    assert "changed after the folder was listed" in str(result["s0/0.labels.png"])
    assert "was deleted after the folder was listed" in str(result["s0/2.labels.png"])


# --- one size per collection


@pytest.mark.parametrize("seed", range(4))
def test_another_size_is_refused_whatever_the_order(root, seed):
    label_map(root / "s1" / "1.labels.png", np.full((5, 7), 1))
    result = by_name(MasksDataset(root, seed=seed))
    message = str(result["s1/1.labels.png"])
    assert "is 5 x 7" in message and "are 3 x 4" in message and "`size: [3, 4]`" in message and "nearest" in message
    assert sum(isinstance(image, Image) for image in result.values()) == 3


def test_the_first_readable_label_map_decides(root):
    (root / "s0" / "0.labels.png").write_bytes(b"")
    label_map(root / "s0" / "2.labels.png", np.full((5, 7), 1))
    assert MasksDataset(root).label_size == (5, 7)


def test_a_given_size_resamples(root):
    label_map(root / "s1" / "1.labels.png", np.full((5, 7), 1))
    dataset = MasksDataset(root, size=(6, 8))
    assert {dataset.image(index).labels.shape for index in range(4)} == {(6, 8)}  # type: ignore[union-attr]


@pytest.mark.parametrize(("shape", "size"), [((3, 4), (6, 8)), ((6, 8), (3, 4)), ((5, 7), (4, 9)), ((4, 4), (4, 4))])
def test_resampling_takes_the_nearest_centre(shape, size):
    labels = np.arange(shape[0] * shape[1], dtype=np.int32).reshape(shape)
    got = resample(labels, size)
    assert got.shape == size
    assert np.array_equal(got, np.asarray(pillow.fromarray(labels).resize(size[::-1], pillow.Resampling.NEAREST)))


# --- the recipe


def test_recipe_covers_the_label_maps(root, tmp_path):
    recipe = MasksDataset(root).recipe()
    assert recipe["kind"] == "masks" and recipe["images"] == 4
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    assert MasksDataset(copy, cache=tmp_path / "cache.json").recipe() == recipe
    label_map(copy / "s0" / "0.labels.png", np.full((3, 4), 9))
    changed = MasksDataset(copy).recipe()
    assert changed["files"] == recipe["files"] and changed["labels"] != recipe["labels"]
    (copy / "s0" / "0.labels.png").unlink()
    assert MasksDataset(copy).recipe()["labels"] not in (recipe["labels"], changed["labels"])
    assert MasksDataset(root, void=3).recipe() != recipe
    assert MasksDataset(root, size=(6, 8)).recipe() != recipe


def test_where_the_label_maps_lie_does_not_matter(root, tmp_path):
    recipe = MasksDataset(root).recipe()
    tree = tmp_path / "labels"
    for path in list(root.rglob("*.labels.png")):
        target = tree / path.relative_to(root).parent / path.name.replace(".labels.png", ".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    assert MasksDataset(root, labels=tree).recipe() == recipe
