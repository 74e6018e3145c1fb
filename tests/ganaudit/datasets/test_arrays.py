"""Images that are arrays: numpy, IDX and CIFAR."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stored_files import opened, rows

from ganaudit import images
from ganaudit.errors import ImageError, RequestError


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


@pytest.mark.parametrize("shape, words, packed", [
    ((-2, 8, 8, 3), "is damaged", False), ((2, 0, 8, 3), "no pixels", False), ((10**12, 8, 8, 3), "is cut off", False),
    ((10**12, 8, 8, 3), "is cut off", True), ((-2, 8, 8, 3), "is damaged", True),
])  # fmt: skip
def test_an_array_whose_header_lies_is_refused_before_it_takes_memory(tmp_path, shape, words, packed):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    path, content = tmp_path / f"x.{'npz' if packed else 'npy'}", file.getvalue() + bytes(1000)
    if packed:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", content)
    else:
        path.write_bytes(content)
    with pytest.raises(RequestError, match=words):
        opened("npy", path)


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
