"""The scene parsers of semantic-segmentation-pytorch: both decoders as plain formulas, and names that do not fit."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ganaudit.errors import RequestError
from ganaudit.parsers.class_names import ADE20K, VOC

from .scene_networks import computed, encoded, encoder, filled, levels, normed, opened, pyramid, saved, up

torch.manual_seed(0)
IMAGES = F.interpolate(torch.rand(2, 3, 12, 12) * 2 - 1, size=(64, 96), mode="bicubic").clamp(-1, 1)
ENCODER = filled(encoder(), 3)
NAMES = ["wall", "sky", "tree", "door"]
HEAD = {"conv_last.1.weight": (4, 6, 1, 1), "conv_last.1.bias": (4,)}
UPERNET = filled(pyramid() | normed("conv_last.0.0", "conv_last.0.1", (6, 24, 3, 3)) | HEAD, 4)
PPM = filled(
    {name: shape for place in range(4) for name, shape in normed(f"ppm.{place}.1", f"ppm.{place}.2", (5, 20, 1, 1)).items()}
    | normed("conv_last.0", "conv_last.1", (7, 40, 3, 3)) | {"conv_last.4.weight": (4, 7, 1, 1), "conv_last.4.bias": (4,)}
    | normed("cbr_deepsup.0", "cbr_deepsup.1", (5, 16, 3, 3)) | {"conv_last_deepsup.weight": (4, 5, 1, 1)}, 5,
)  # fmt: skip


def seen(images):
    grey = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    return ((images + 1) / 2 - grey) / torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def upernet(images):
    fine = levels(UPERNET, encoded(ENCODER, seen(images)), F.adaptive_avg_pool2d)
    fused = torch.cat([fine[0], *(up(level, fine[0]) for level in fine[1:])], 1)
    y = computed(UPERNET, fused, "conv_last.0.0", "conv_last.0.1")
    return F.conv2d(y, UPERNET["conv_last.1.weight"], UPERNET["conv_last.1.bias"])


def pyramid_pooling(images):
    top = encoded(ENCODER, seen(images), (1, 2, 1, 1), ((1, 1), (1, 1), (1, 2), (2, 4)))[3]
    assert top.shape[2:] == (8, 12)
    parts = [computed(PPM, F.adaptive_avg_pool2d(top, s), f"ppm.{i}.1", f"ppm.{i}.2") for i, s in enumerate((1, 2, 3, 6))]
    y = computed(PPM, torch.cat([top, *(up(part, top) for part in parts)], 1), "conv_last.0", "conv_last.1")
    return F.conv2d(y, PPM["conv_last.4.weight"], PPM["conv_last.4.bias"])


@pytest.mark.parametrize("decoder, formula", [(UPERNET, upernet), (PPM, pyramid_pooling)])
def test_labels_are_those_of_the_plain_formulas(tmp_path, decoder, formula):
    saved(tmp_path / "m", ENCODER, decoder, 20)
    parser = opened("mit_semseg", weights=str(tmp_path / "m"), classes=NAMES, size=[64, 96]).model
    labels = parser.parse(IMAGES)
    sure, chosen = up(formula(IMAGES), IMAGES).softmax(1).max(1)
    assert (labels.maps == chosen + 1).float().mean() > 0.999 and len(chosen.unique()) > 1
    assert labels.confidence == pytest.approx(sure, abs=1e-4)
    assert [(info.id, info.name) for info in parser.classes] == list(enumerate(NAMES, 1))


def test_a_network_of_plain_blocks_is_read_too(tmp_path):
    plain = filled(encoder(bottleneck=False, blocks=1), 6)
    saved(tmp_path / "m", plain, UPERNET, 20)
    labels = opened("mit_semseg", weights=str(tmp_path / "m"), classes=NAMES, size=[64, 96]).model.parse(IMAGES)
    assert labels.maps.shape == (2, 64, 96)


@pytest.mark.parametrize("classes, says", [
    ("ade20k", "names 150 classes.* 4 channels"), (["a"], "names 1 classes.* 4 channels"), ({7: "a"}, "channel 7.* 0 to 3"),
])  # fmt: skip
def test_names_of_another_number_are_refused(tmp_path, classes, says):
    saved(tmp_path / "m", ENCODER, UPERNET, 20)
    with pytest.raises(RequestError, match=says):
        opened("mit_semseg", weights=str(tmp_path / "m"), classes=classes)


def test_another_decoder_is_refused(tmp_path):
    saved(tmp_path / "m", ENCODER, {"cbr.0.weight": torch.zeros(1)}, 20)
    with pytest.raises(RequestError, match="neither a UPerNet"):
        opened("mit_semseg", weights=str(tmp_path / "m"))


def test_the_public_names_are_as_many_as_the_data_sets_have():
    assert len(set(ADE20K)) == 150 and (ADE20K[0], ADE20K[12], ADE20K[149]) == ("wall", "person", "flag")
    assert len(set(VOC)) == 21 and (VOC[0], VOC[15], VOC[20]) == ("background", "person", "tvmonitor")
