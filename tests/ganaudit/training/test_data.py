"""Any collection as training data: the same batches however they are read, and one sentence for what cannot be used."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from PIL import Image as pillow

from ganaudit import images
from ganaudit.datasets.folder import FolderDataset
from ganaudit.datasets.masks import MasksDataset
from ganaudit.datasets.protocol import Image
from ganaudit.datasets.village import VillageDataset
from ganaudit.errors import AuditError, ImageError, RequestError
from ganaudit.training.data import Data, TrainingImages, batch_indices
from ganaudit.village.classes import NAMES
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence


class Greys:
    """Image i is grey i everywhere, of a size of its own; `bad` raise what they are told to."""

    def __init__(self, count=12, bad=None, shape=(8, 8, 3), dtype=np.uint8, labels=None):
        self.count, self.bad, self.shape, self.dtype, self.labels, self.read = count, bad or {}, shape, dtype, labels, []

    def __len__(self):
        return self.count

    def image(self, index):
        self.read.append(index)
        if index in self.bad:
            raise self.bad[index]
        return Image(np.full(self.shape, index, self.dtype), f"grey {index}", self.labels)

    def recipe(self):
        return {"kind": "greys", "count": self.count}


def shown(training, steps):
    return [training.batch_of(step)[0][:, 0, 0, 0].tolist() for step in range(steps)]


def test_an_epoch_shows_every_image_once_and_each_epoch_in_another_order():
    order = [batch_indices(12, 4, 1, step).tolist() for step in range(6)]
    first, second = np.ravel(order[:3]).tolist(), np.ravel(order[3:]).tolist()
    assert sorted(first) == sorted(second) == list(range(12)) and first != second
    assert shown(TrainingImages(Data(Greys(), 12), 8, 4, 1), 6) == order
    assert [batch_indices(12, 4, 2, step).tolist() for step in range(3)] != order[:3]


def test_the_village_is_the_scenes_that_render_gives():
    training = TrainingImages(Data(VillageDataset(7, {"person": 1.0}), 6, NAMES), 64, 4, 1, labelled=True)
    pixels, labels = training.batch_of(0)
    scenes = render(Prevalence.of({"person": 1.0}), 7, batch_indices(6, 4, 1, 0))
    assert np.array_equal(pixels, scenes[0]) and np.array_equal(labels, scenes[1])


@pytest.mark.parametrize(("memory", "again"), [(2**30, 0), (5 * 192, 7), (0, 12)])
def test_images_are_read_once_as_far_as_memory_goes_and_batches_do_not_depend_on_it(memory, again, caplog):
    greys = Greys()
    training = TrainingImages(Data(greys, 12), 8, 4, 1, memory=memory)
    assert ("are kept in memory" in caplog.text) == (again > 0)
    assert shown(training, 6) == [batch_indices(12, 4, 1, step).tolist() for step in range(6)]
    assert len(greys.read) == 12 + again


def test_photos_of_any_size_are_cut_to_one_and_what_is_no_image_is_set_aside(tmp_path, caplog):
    for place, size in enumerate([(40, 20), (9, 9), (8, 300), (64, 64), (2000, 3)]):
        pillow.new("RGB", size, (place, 0, 0)).save(tmp_path / f"{place}.png")
    for name, content in {"torn.png": b"x", "empty.jpg": b"", "page.png": b"<html></html>"}.items():
        (tmp_path / name).write_bytes(content)
    folder = FolderDataset(tmp_path)
    training = TrainingImages(Data(folder, 8), 16, 4, 1)
    with caplog.at_level(logging.WARNING):
        batches = [training.batch_of(step)[0] for step in range(4)]
    assert {batch.shape for batch in batches} == {(4, 16, 16, 3)} and batches[0].dtype == np.uint8
    assert len(training.set_aside) == 3 and caplog.text.count("is set aside") == 3
    again = TrainingImages(Data(folder, 8), 16, 4, 1)  # whichever batch is asked for first
    assert all(np.array_equal(again.batch_of(step)[0], batches[step]) for step in (3, 0, 2, 1))
    first = training._image(next(place for place in range(8) if place not in training.set_aside))[0]
    wanted = folder.image(next(place for place in range(8) if place not in training.set_aside)).pixels
    assert np.array_equal(first, images.resize(wanted, (16, 16), "crop"))


def test_the_next_image_stands_for_one_that_is_set_aside():
    bad = {3: ImageError("torn"), 4: ImageError("torn"), 11: ImageError("torn")}
    instead = {3: 5, 4: 5, 11: 0}
    result = shown(TrainingImages(Data(Greys(bad=bad), 12), 8, 4, 1), 3)
    assert result == [[instead.get(i, i) for i in batch_indices(12, 4, 1, step).tolist()] for step in range(3)]


@pytest.mark.parametrize(
    "greys",
    [
        Greys(shape=(8, 8)), Greys(shape=(8, 8, 4)), Greys(shape=(0, 8, 3)), Greys(dtype=np.float32),
        Greys(bad=dict.fromkeys(range(12), ImageError("torn"))), Greys(labels=np.full((8, 8), 3)),
        Greys(labels=np.full((8, 8), -1)), Greys(labels=np.full((8, 8), 10**12)),
    ],
)  # fmt: skip
def test_where_no_image_can_be_used_it_is_one_sentence(greys):
    training = TrainingImages(Data(greys, 12, ("a", "b")), 8, 4, 1, labelled=greys.labels is not None)
    with pytest.raises(RequestError, match="none of the 12 images of the training data can be used, the first because"):
        training.batch_of(0)
    assert len(training.set_aside) == 12


@pytest.mark.parametrize("error", [OSError("gone"), ValueError("x"), KeyError("x"), ZeroDivisionError()])
def test_a_collection_that_fails_is_one_sentence_naming_the_image(error):
    training = TrainingImages(Data(Greys(bad=dict.fromkeys(range(12), error)), 12), 8, 4, 1)
    with pytest.raises(AuditError, match=f"image [0-9]+ of the training data cannot be read .{type(error).__name__}"):
        training.batch_of(0)


@pytest.mark.parametrize(("there", "count"), [(3, 12), (12, 3), (0, 12)])
def test_fewer_images_than_a_batch_are_refused(there, count):
    with pytest.raises(RequestError, match=f"have {min(there, count)} images and a batch takes 4"):
        TrainingImages(Data(Greys(there), count), 8, 4, 1)


def test_label_maps_follow_their_photos(tmp_path):
    for place in range(4):
        pixels = np.zeros((10, 30, 3), np.uint8)
        pixels[:, 15:] = 200
        labels = np.ones((10, 30), np.uint8)
        labels[:, 15:] = 2
        labels[0] = 255
        pillow.fromarray(pixels).save(tmp_path / f"{place}.png")
        pillow.fromarray(labels).save(tmp_path / f"{place}.labels.png")
    data = Data(MasksDataset(tmp_path, void=255), 4, ("dark", "light"))
    pixels, labels = TrainingImages(data, 10, 4, 1, labelled=True).batch_of(0)
    assert labels.shape == (4, 10, 10) and set(np.unique(labels[:, 1:])) == {1, 2} and not labels[:, 0].any()
    assert np.array_equal(labels[:, 1:] == 2, pixels[:, 1:, :, 0] == 200)
    with pytest.raises(RequestError, match="has no label map"):
        TrainingImages(Data(Greys(), 12, ("a",)), 8, 4, 1, labelled=True).batch_of(0)


def test_what_the_batches_follow_from_is_known():
    result = TrainingImages(Data(Greys(), 12), 8, 4, 1).belongs
    assert result == TrainingImages(Data(Greys(), 12), 8, 4, 1, memory=0).belongs
    for other in (Data(Greys(13), 12), Data(Greys(), 11)):
        assert TrainingImages(other, 8, 4, 1).belongs != result
