"""Pictures within a number of bytes, label colours, outlines."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from ganaudit.report import Picture
from ganaudit.report.palette import class_colour
from ganaudit.report.pictures import coloured, encode, outline, thumbnail


def decoded(url: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB"))


def noise(count: int, side: int) -> list[Picture]:
    draw = np.random.default_rng(0)
    return [
        Picture(i, f"{i}", draw.integers(0, 256, (side, side, 3), dtype=np.uint8), draw.integers(0, 9, (side, side)))
        for i in range(count)
    ]


def test_small_pictures_are_kept_to_the_bit(audit):
    picture = audit().kept["census"].samples[0].pictures[0]
    encoded = encode([picture], 100_000)[id(picture)]
    assert np.array_equal(decoded(encoded.photo), picture.image)
    assert np.array_equal(decoded(encoded.labels), coloured(picture.labels))
    assert encoded.small and (encoded.width, encoded.height) == (64, 64)


@pytest.mark.parametrize("side", [64, 256])
def test_even_noise_fits_the_budget(side):
    pictures = noise(40, side)
    encoded = encode(pictures, 200_000)
    assert 50_000 < sum(len(each.photo) + len(each.labels) for each in encoded.values()) <= 200_000


def test_what_cannot_fit_is_as_small_as_can_be():
    pictures = noise(3, 256)
    encoded = encode(pictures, 10)
    assert [(each.width, each.height) for each in encoded.values()] == [(32, 32)] * 3
    assert all(len(each.photo) + len(each.labels) < 4000 for each in encoded.values())


def test_one_picture_shown_twice_is_encoded_once():
    (picture,) = noise(1, 32)
    assert len(encode([picture, picture], 100_000, [picture])) == 1
    assert encode([picture], 100_000, [picture])[id(picture)].labels
    assert encode([], 10) == {}


def test_bare_pictures_have_no_label_map():
    first, second = noise(2, 32)
    encoded = encode([first], 100_000, [second])
    assert encoded[id(first)].labels and encoded[id(second)].photo and encoded[id(second)].labels == ""


def test_sizes_keep_their_shape():
    wide = Picture(0, "wide", np.zeros((20, 2000, 3), np.uint8), np.zeros((20, 2000), np.int64))
    encoded = encode([wide], 100_000)[id(wide)]
    assert (encoded.width, encoded.height) == (256, 3)
    assert decoded(thumbnail(wide)).shape == (1, 64, 3)


def test_labels_have_the_colours_of_their_classes():
    labels = np.array([[0, 3], [335, 3]], dtype=np.int16)
    assert coloured(labels).tolist() == [
        [list(class_colour(0)), list(class_colour(3))], [list(class_colour(335)), list(class_colour(3))]
    ]  # fmt: skip


def test_an_outline_is_every_edge_between_the_class_and_the_rest():
    labels = np.random.default_rng(1).integers(0, 3, (11, 17))
    path, width, height = outline(labels, 2)
    assert (width, height) == (17, 11)
    drawn = set()
    for x, y, way, length in re.findall(r"M(\d+) (\d+)([hv])(\d+)", path):
        for step in range(int(length)):
            drawn.add((int(x) + step * (way == "h"), int(y) + step * (way == "v"), way))
    expected = set()
    inside = lambda y, x: 0 <= y < 11 and 0 <= x < 17 and labels[y, x] == 2  # noqa: E731
    for y in range(12):
        for x in range(18):
            if inside(y - 1, x) != inside(y, x):
                expected.add((x, y, "h"))
            if inside(y, x - 1) != inside(y, x):
                expected.add((x, y, "v"))
    assert drawn == expected


def test_pictures_that_stand_in_several_places_fit_the_budget_there():
    pictures = noise(10, 64)
    encoded = encode([], 200_000, pictures * 5)
    assert (
        sum(len(each.photo) for each in encoded.values()) * 5
        <= 200_000
        < 5 * sum(len(each.photo) for each in encode([], 200_000, pictures).values())
    )


def test_a_crumb_of_a_large_label_map_is_outlined():
    labels = np.zeros((500, 1023), dtype=np.int64)
    labels[301, 613] = labels[499, 1022] = 5
    path, width, height = outline(labels, 5)
    assert (width, height) == (128, 63) and "M76 37h1" in path and "M127 63h1" in path


def test_the_outline_of_a_large_label_map_is_thinned():
    labels = np.zeros((512, 1024), dtype=np.int64)
    labels[100:200, 300:500] = 5
    assert outline(labels, 5)[1:] == (128, 64)
    assert outline(labels, 6)[0] == ""
