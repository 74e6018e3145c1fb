"""Any photos: what cannot be read is set aside, the rest is inverted, pictured and counted."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from ganaudit.encoders import files as inverter_files
from ganaudit.encoders.files import save_inverter
from ganaudit.encoders.networks import LayeredEncoder, LayeredShape
from ganaudit.errors import RequestError
from ganaudit.generators.networks.progan import progan
from ganaudit.generators.shapes import generator_digest, read_shape
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.search import Search
from ganaudit.parsers.protocol import ClassInfo, Labels
from ganaudit.report.side_by_side import GAP, OUTLINE, side_by_side, webp
from ganaudit.studies.inversion.photos import Photo, encoders_for, invert_photos, read_photos, write_pictures


class Halves:
    """Dark and bright, pixel by pixel."""

    classes = (ClassInfo(1, "dark"), ClassInfo(2, "bright"))

    def parse(self, images):
        bright = images.mean(dim=1) > 0
        return Labels(1 + bright.long(), bright.float())


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(1)
    return progan(8, 12, ((12,), (8,), (8,))).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def encoders(generator):
    torch.manual_seed(2)
    return {"layered": LayeredEncoder(LayeredShape.of(read_shape(generator), "layer2", 4, 8)).eval()}


def files(folder):
    draws = np.random.default_rng(0)
    for name, size in (("large.png", (90, 150, 3)), ("small.png", (7, 9, 3)), ("grey.png", (40, 40))):
        Image.fromarray(draws.integers(0, 256, size, dtype=np.uint8)).save(folder / name)
    (folder / "torn.png").write_bytes(b"\x89PNG torn")
    (folder / "again").mkdir()
    Image.new("RGB", (8, 8), (9, 9, 9)).save(folder / "again" / "grey.png")
    names = ("large.png", "small.png", "torn.png", "grey.png", "missing.png", "again/grey.png")
    return read_photos([folder / name for name in names], 32)


def test_photos_of_any_size_come_to_the_resolution_and_broken_ones_are_set_aside(tmp_path):
    photos = files(tmp_path)
    assert [photo.name for photo in photos] == ["large.png", "small.png", "torn.png", "grey.png", "missing.png", "6-grey.png"]
    assert [photo.pixels is None for photo in photos] == [False, False, True, False, True, False]
    assert all(photo.pixels.shape == (32, 32, 3) for photo in photos if photo.pixels is not None)
    assert "damaged" in photos[2].error and "missing.png" in photos[4].error


def test_rows_keep_the_photos_order_and_say_what_was_free(tmp_path, generator, encoders):
    photos = files(tmp_path)
    result = invert_photos(generator, photos, "layerwise", Objective("mse"), Search(6), encoders=encoders)
    assert [row["name"] for row in result.rows] == [photo.name for photo in photos]
    assert [row["status"] for row in result.rows] == ["ok", "ok", "quarantined", "ok", "quarantined", "ok"]
    first = result.rows[0]
    assert (first["layer"], first["evidence"], first["free_per_pixel"]) == ("layer2", True, 0.0625)
    assert first["loss_best"] < first["loss_first"] and first["residual"] > 0 and 0 < first["psnr"] < 50
    assert result.penalty.weight == result.objective.penalty > 0
    given = invert_photos(generator, photos[:1], "layerwise", Objective("mse"), Search(6), penalty=0.5, encoders=encoders)
    assert given.penalty is None and given.objective.penalty == 0.5
    bound = invert_photos(generator, photos[:1], "feature", Objective("mse"), Search(6), encoders=encoders)
    assert bound.rows[0]["evidence"] is False and bound.objective.penalty == 0.0


def test_nothing_readable_is_nothing_inverted(tmp_path, generator):
    result = invert_photos(generator, [Photo("x", None, "torn")], "latent", Objective("mse"), Search(2))
    assert result.rows == [{"name": "x", "status": "quarantined", "error": "torn"}] and result.inverted is None


def test_pictures_show_photo_reconstruction_and_maps_and_recall_is_counted(tmp_path, generator, encoders):
    photos = files(tmp_path)
    result = invert_photos(generator, photos, "layered", Objective("mse"), Search(2), encoders=encoders)
    write_pictures(result, photos, tmp_path, Halves(), "bright")
    place = [row["name"] for row in result.rows if row["status"] == "ok"].index("grey.png")
    row = next(row for row in result.rows if row["name"] == "grey.png")
    picture = np.asarray(Image.open(tmp_path / row["picture"]))
    assert picture.shape == (192, 4 * 192 + 3 * GAP, 3) and (picture == OUTLINE).all(axis=2).any()
    reconstruction = np.round((result.inverted.found.image[place].numpy() + 1) * 127.5).clip(0, 255)
    target = photos[3].pixels.mean(axis=2) > 127.5
    agrees = reconstruction.mean(axis=0) > 127.5
    bright = row["classes"]["bright"]
    assert bright["pixels"] == target.sum()
    assert bright["recall"] == pytest.approx(agrees[target].mean(), abs=1e-4)


def test_a_picture_without_maps_has_two_panes_to_the_bit():
    draws = np.random.default_rng(1).integers(0, 256, (2, 100, 100, 3), dtype=np.uint8)
    picture = side_by_side(draws[0], draws[1])
    assert np.array_equal(picture[:, :100], draws[0]) and np.array_equal(picture[:, 100 + GAP :], draws[1])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(webp(picture)))), picture)


def test_the_outline_lies_just_outside_the_mask():
    mask = np.zeros((100, 100), dtype=bool)
    mask[40:60, 30:50] = True
    black = np.zeros((100, 100, 3), dtype=np.uint8)
    pane = (side_by_side(black, black, outlined=mask)[:, :100] == OUTLINE).all(axis=2)
    assert pane.sum() == 4 * 20 and not (pane & mask).any() and pane[39, 30:50].all()


def test_the_inverter_that_ships_for_a_generator_is_found_and_any_other_refused(tmp_path, monkeypatch, generator, encoders):
    monkeypatch.setattr(inverter_files, "builtin_folder", lambda: tmp_path)
    shape = read_shape(generator)
    assert encoders_for(generator, shape, "latent") == {}
    with pytest.raises(RequestError, match="none ships for this generator; make one with ganaudit train inverter"):
        encoders_for(generator, shape, "layerwise")
    made = encoders["layered"]
    state = {name: value for name, value in made.state_dict().items() if value.is_floating_point()}
    save_inverter(made, state, generator_digest(generator), {}, tmp_path / "mine.safetensors")
    assert encoders_for(generator, shape, "layerwise").keys() == {"layered"}
    with pytest.raises(RequestError, match="is an inverter of kind 'layered'; method 'encoder' needs 'encoder'"):
        encoders_for(generator, shape, "encoder", tmp_path / "mine.safetensors")
    save_inverter(made, state, "another", {}, tmp_path / "other.safetensors")
    with pytest.raises(RequestError, match="belongs to the generator another"):
        encoders_for(generator, shape, "layerwise", tmp_path / "other.safetensors")
    with pytest.raises(RequestError, match="no 'layrwise' among the inverters; did you mean 'layerwise'"):
        encoders_for(generator, shape, "layrwise")
