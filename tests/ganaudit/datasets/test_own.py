"""A user's own collection: one sentence before work begins where all of it is wrong, otherwise the image is set aside."""

from __future__ import annotations

import errno
from types import SimpleNamespace

import numpy as np
import pytest

from ganaudit.datasets.own import OwnDataset
from ganaudit.datasets.protocol import Image
from ganaudit.errors import AuditError, ImageError, RequestError

GOOD = np.full((4, 5, 3), 7, np.uint8)


class Own:
    """Images that are all well, but for what `faults` gives or raises in the place of one."""

    def __init__(self, faults=(), length=6, **attributes):
        self.faults, self.length = dict(faults), length
        self.__dict__.update(attributes)

    def __len__(self):
        if isinstance(self.length, BaseException):
            raise self.length
        return self.length

    def image(self, index):
        made = self.faults.get(index, Image(GOOD, f"n{index}"))
        if isinstance(made, BaseException):
            raise made
        return made

    def recipe(self):
        return {}


def opened(own, count=None, resized=True):
    return OwnDataset(own, "own:Own", count, resized)


def everywhere(made):
    return Own(dict.fromkeys(range(6), made))


FAULTS = [
    (None, "None, not a ganaudit.Image"), (GOOD, "numpy.ndarray, not a ganaudit.Image"), ((GOOD, "n"), "tuple, not a ganaudit"),
    (SimpleNamespace(pixels=GOOD, name="n"), "SimpleNamespace, not"), ("Image", "str, not a ganaudit.Image"),
    (Image(None, "n"), "pixels are None"), (Image([[1, 2, 3]], "n"), "pixels are a list"),
    (Image(GOOD.astype(np.float32) / 255, "n"), "float32 (4, 5, 3), not uint8 (H, W, 3): scale it"),
    (Image(GOOD.astype(np.int64), "n"), "int64"), (Image(GOOD > 3, "n"), "bool"), (Image(GOOD.astype(object), "n"), "object"),
    (Image(GOOD[..., 0], "n"), "uint8 (4, 5), not uint8 (H, W, 3): grey"), (Image(GOOD[..., :1], "n"), "grey stands"),
    (Image(np.zeros((4, 5, 4), np.uint8), "n"), "lay it over a background"),
    (Image(np.zeros((3, 4, 5), np.uint8), "n"), "colour comes last"),
    (Image(GOOD[None], "n"), "uint8 (1, 4, 5, 3)"), (Image(GOOD[:0], "n"), "(0, 5, 3): it has none"),
    (Image(GOOD[:, :0], "n"), "(4, 0, 3): it has none"), (Image(np.zeros((1, 65_536, 3), np.uint8), "n"), "65,535 a side"),
    (Image(np.broadcast_to(np.uint8(0), (20_000, 20_000, 3)), "n"), "at most 134,217,728 pixels"),
    (Image(GOOD, 7), "name is 7, which is no text"), (Image(GOOD, None), "name is None"), (Image(GOOD, b"n"), "name is b'n'"),
    (Image(GOOD, "n", cluster=3), "cluster is 3"), (Image(GOOD, "n", label=2.5), "label is 2.5"),
    (Image(GOOD, "n", label=["a"]), "label is ['a']"),
    (Image(GOOD, "n", labels=[[1]]), "labels are a list"), (Image(GOOD, "n", labels=np.zeros((4, 5))), "labels are float64"),
    (Image(GOOD, "n", labels=np.zeros((4, 5, 1), int)), "labels are int64 (4, 5, 1)"),
    (Image(GOOD, "n", labels=np.zeros((0, 5), int)), "labels are int64 (0, 5)"),
    (IndexError("list index out of range"), "raised IndexError at image"), (OSError("disk"), "raised OSError at image"),
    (FileNotFoundError(errno.ENOENT, "No such file"), "FileNotFoundError"), (KeyError("x\ny"), "KeyError"),
    (StopIteration(), "StopIteration"), (SystemExit(0), "raised SystemExit"), (RecursionError("deep"), "RecursionError"),
    (ZeroDivisionError("by zero"), "by zero"), (UnicodeEncodeError("utf-8", "\udc80", 0, 1, "no"), "UnicodeEncodeError"),
]  # fmt: skip


@pytest.mark.parametrize(("made", "word"), FAULTS, ids=[word[:30] for _, word in FAULTS])
def test_an_image_that_is_none_is_set_aside_and_a_collection_of_them_refused(made, word):
    dataset = opened(Own({2: made, 0: made}))
    with pytest.raises(ImageError) as caught:
        dataset.image(2)
    assert word in str(caught.value) and "image 2" in str(caught.value) and str(caught.value).isprintable()
    assert dataset.image(1).name == "n1"
    with pytest.raises(RequestError) as refused:
        opened(everywhere(made))
    assert word in str(refused.value) and str(refused.value).startswith("own:Own: ") and "image 0" in str(refused.value)


@pytest.mark.parametrize(("length", "word"), [
    (-1, ">= 0"), (-(10**30), "own:Own"), (2.5, "float"), ("6", "str"), (None, "NoneType"), (2**80, "set count"),
    (2**62, "set count"), (10**9 + 1, "set count"), (ValueError("no idea"), "no idea"), (SystemExit(3), "__len__"),
])  # fmt: skip
def test_a_length_that_is_none_is_refused(length, word):
    with pytest.raises(RequestError, match="own:Own: ") as caught:
        opened(Own(length=length))
    assert word in str(caught.value)


def test_a_collection_without_end_is_read_as_far_as_the_audit_file_says():
    assert len(opened(Own(length=2**62), count=100)) == 2**62
    assert len(opened(Own(length=0))) == 0


@pytest.mark.parametrize(("name", "shown"), [
    ("caf\udce9", "caf\\udce9"), ("a\0b", "a\\x00b"), ("two\nlines", "two\\nlines"), ("ünïcode 漢字 🏘", "ünïcode 漢字 🏘"),
    ("\x1b[2J", "\\x1b[2J"), (np.str_("n"), "n"), ("", ""),
])  # fmt: skip
def test_names_clusters_and_labels_become_text_that_any_table_can_hold(name, shown):
    image = opened(everywhere(Image(GOOD, name, cluster=name, label=name))).image(0)
    assert (image.name, image.cluster, image.label) == (shown,) * 3
    image.name.encode()


def test_images_that_come_in_one_buffer_stay_what_they_were():
    class Reused(Own):
        def image(self, index):
            self.buffer[:] = index
            return Image(self.buffer, f"n{index}")

    dataset = opened(Reused(buffer=GOOD.copy()))
    first, second = dataset.image(1), dataset.image(2)
    assert (first.pixels == 1).all() and (second.pixels == 2).all()


def test_a_very_long_name_loses_its_middle():
    name = opened(everywhere(Image(GOOD, "a" * 10**7 + ".png"))).image(0).name
    assert len(name) <= 1000 and name.startswith("aaa") and "…" in name


def test_an_error_of_its_own_sets_one_image_aside_and_never_refuses_the_collection():
    dataset = opened(everywhere(ImageError("torn\nfile")))
    with pytest.raises(ImageError, match=r"^torn\\nfile$"):
        dataset.image(0)


def test_a_machine_that_fails_is_not_blamed_on_the_image():
    with pytest.raises(AuditError, match="cannot be read now"):
        opened(everywhere(OSError(errno.EIO, "Input/output error")))
    dataset = opened(Own({3: OSError(errno.EMFILE, "Too many open files"), 4: MemoryError()}))
    with pytest.raises(OSError, match="Too many"):
        dataset.image(3)
    with pytest.raises(MemoryError):
        dataset.image(4)


def test_without_a_size_to_resize_to_all_images_have_the_first_one_s():
    other = Image(GOOD[:2], "n")
    dataset = opened(Own({0: ImageError("torn"), 2: other}), resized=False)
    with pytest.raises(ImageError, match=r"\(2, 5, 3\).*\(4, 5, 3\).*resize: \[4, 5\]"):
        dataset.image(2)
    assert opened(Own({2: other})).image(2).pixels.shape == (2, 5, 3)


@pytest.mark.parametrize("resolution", [0, -4, 2.5, "64", (64, 64), True, 10**12])
def test_a_resolution_that_is_none_is_refused(resolution):
    with pytest.raises(RequestError, match=r"resolution is .* short side"):
        opened(Own(resolution=resolution))
    assert opened(Own(resolution=np.int64(64))).resolution == 64 and opened(Own()).resolution is None


@pytest.mark.parametrize("name", [lambda index: 1 / 0, lambda index: index, lambda index: "a\nb", "no method"])
def test_the_name_of_an_image_that_cannot_be_used_is_text(name):
    assert opened(Own(name=name)).name(3).isprintable()
