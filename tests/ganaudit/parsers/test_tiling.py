"""Tiles: exact for a network that sees no farther than a quarter of their overlap, each place weighed as it should."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ganaudit.parsers.tiling import Tiling

from .scene_networks import opened

torch.manual_seed(0)
IMAGES = torch.randn(2, 3, 150, 203)
THRICE = nn.Sequential(*(nn.Conv2d(a, b, 3, padding=1) for a, b in ((3, 5), (5, 5), (5, 7))))
STRIDED = nn.Sequential(nn.Conv2d(3, 5, 4, 4), nn.Conv2d(5, 7, 3, padding=1))


@pytest.mark.parametrize(("tile", "overlap"), [((64, 64), 16), ((50, 71), 12), ((150, 40), 20), ((400, 400), 16)])
@torch.inference_mode()
def test_a_network_with_a_small_receptive_field_gives_what_it_gives_for_the_whole(tile, overlap):
    sizes = []

    def network(x):
        sizes.append(tuple(x.shape[2:]))
        return {"": THRICE(x)}

    made = Tiling(tile, overlap).over(IMAGES, network)[""]
    assert torch.allclose(made, THRICE(IMAGES), atol=1e-5)
    assert set(sizes) == {(min(tile[0], 150), min(tile[1], 203))} and (len(sizes) > 1) == (tile != (400, 400))


@torch.inference_mode()
def test_logits_of_a_stride_are_blended_at_their_own_size():
    images = torch.randn(1, 3, 128, 192)
    made = Tiling((64, 64), 32).over(images, lambda x: {"": STRIDED(x)})[""]
    assert made.shape == (1, 7, 32, 48) and torch.allclose(made, STRIDED(images), atol=1e-5)
    odd = Tiling((64, 64), 32).over(IMAGES, lambda x: {"": STRIDED(x)})[""]
    assert odd.shape == (2, 7, 150, 203)  # 150 is no multiple of four: at the images' size


def test_between_two_tiles_one_passes_over_into_the_other():
    seen = iter((0.0, 1.0))
    made = Tiling((1, 48), 16).over(torch.zeros(1, 3, 1, 80), lambda x: {"": torch.full((1, 1, 1, 48), next(seen))})[""]
    line = made[0, 0, 0]
    assert (line[:36] == 0).all() and (line[44:] == 1).all() and (line.diff() >= 0).all()
    assert line[36:44] == pytest.approx(torch.arange(0.0625, 1, 0.125), abs=1e-6)  # within 4 of an edge nothing counts


def test_a_parser_of_tiles_reads_the_same_labels_and_has_a_key_of_its_own(tmp_path):
    from torchvision.models import get_model

    torch.manual_seed(1)
    network = get_model("lraspp_mobilenet_v3_large", weights=None, weights_backbone=None, num_classes=21).eval()
    torch.save(network.state_dict(), tmp_path / "lraspp_mobilenet_v3_large.pth")
    asked = {"weights": str(tmp_path / "lraspp_mobilenet_v3_large.pth"), "size": [64, 96]}
    whole = opened("torchvision", **asked)
    large = opened("torchvision", tile=[64, 96], **asked)
    tiled = opened("torchvision", tile=64, overlap=32, **asked)
    images = F.interpolate(torch.rand(1, 3, 8, 12) * 2 - 1, size=(64, 96), mode="bicubic").clamp(-1, 1)
    assert torch.equal(whole.model.parse(images).maps, large.model.parse(images).maps)
    assert tiled.model.parse(images).maps.shape == (1, 64, 96)
    assert "tiling" not in whole.recipe["preprocessing"]
    assert tiled.recipe["preprocessing"]["tiling"] == {"tile": (64, 64), "overlap": 32}


@pytest.mark.parametrize(
    ("said", "words"), [({"overlap": 8}, "there are none"), ({"tile": 64, "overlap": 40}, "more than half")]
)
def test_overlaps_that_cannot_be_are_told(said, words):
    with pytest.raises(ValueError, match=words):
        opened("torchvision", weights="x.pth", **said)
