"""What networks give becomes class ids in one place: logits and label values, of any size, with offsets and ignored values."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ganaudit.errors import RequestError
from ganaudit.parsers import labelling as module
from ganaudit.parsers.labelling import chosen, labelling, of_channels
from ganaudit.parsers.outputs import wrong_labels


def pairs(made):
    return [(info.id, info.name) for info in made.classes]


def test_a_first_class_that_stands_for_none_is_void_and_others_count_from_one():
    assert pairs(labelling(["sky", "tree"])) == [(1, "sky"), (2, "tree")]
    for void in ("background", "Unlabelled", " - ", "void"):
        assert pairs(labelling([void, "sky", "tree"])) == [(1, "sky"), (2, "tree")]
    assert pairs(labelling({0: "sky", 3: "tree"})) == [(1, "sky"), (4, "tree")]
    assert pairs(labelling({1: "sky", 3: "tree"})) == [(1, "sky"), (3, "tree")]  # 0 has no name: it is void


def test_channels_without_a_name_are_void():
    made = of_channels({1: "sky", 3: "tree"}, 5, "m.pth")
    logits = torch.eye(5)[None, :, None] * 9  # pixel k is channel k
    labels = made.of_logits([logits], (1, 5))
    assert labels.maps.tolist() == [[[0, 1, 0, 3, 0]]]
    assert wrong_labels(labels, 1, made.classes) is None


def test_names_and_channels_that_are_not_as_many_are_told():
    with pytest.raises(RequestError, match=r"names 2 classes and the network of m\.pth has 3"):
        of_channels(["a", "b"], 3, "m.pth")
    with pytest.raises(RequestError, match=r"names channel 3"):
        of_channels({3: "a"}, 3, "m.pth")


def test_label_values_of_any_integer_type_and_those_to_ignore():
    made = labelling({0: "sky", 2: "tree", 32_766: "far"}, ignore=255)
    values = torch.tensor([[[0, 1, 2], [255, -1, 32_766]]], dtype=torch.int16)
    labels = made.of_values(values, torch.ones(1, 2, 3))
    assert labels.maps.tolist() == [[[1, 0, 3], [0, 0, 32_767]]]
    assert wrong_labels(labels, 1, made.classes) is None
    assert labelling({n: str(n) for n in range(256)}, ignore=255).of_values(values, torch.ones(1, 2, 3)).maps[0, 1, 0] == 0


@pytest.mark.parametrize("size", [(12, 20), (5, 3), (6, 5)])
def test_coarse_logits_are_resized_before_the_argmax_of_float32(size):
    torch.manual_seed(0)
    logits = torch.randn(4, 7, 6, 5)
    channel, confidence = chosen([logits.bfloat16()], size)
    sure, best = F.interpolate(logits.bfloat16().float(), size=size, mode="bilinear").softmax(1).max(1)
    assert torch.equal(channel, best) and confidence == pytest.approx(sure, abs=1e-6) and confidence.dtype == torch.float32


def test_scales_are_averaged_as_probabilities_not_as_logits():
    sure, unsure = torch.tensor([9.0, 0.0]).view(1, 2, 1, 1), torch.tensor([0.0, 2.0]).view(1, 2, 1, 1)
    channel, confidence = chosen([sure, unsure], (1, 1))
    expected = (torch.sigmoid(torch.tensor(9.0)) + torch.sigmoid(torch.tensor(-2.0))) / 2
    assert channel.item() == 0 and confidence.item() == pytest.approx(expected.item())


def test_groups_of_images_change_nothing(monkeypatch):
    torch.manual_seed(0)
    logits = [torch.randn(5, 4, 3, 3), torch.randn(5, 4, 2, 2)]
    whole = chosen(logits, (8, 8))
    monkeypatch.setattr(module, "AT_ONCE", {"cpu": 2 * 4 * 8 * 8, "other": 1})
    assert all(torch.equal(a, b) for a, b in zip(whole, chosen(logits, (8, 8)), strict=True))


def test_a_label_value_beyond_all_class_ids_is_told_at_once():
    """A table of 10 ** 12 values would take all memory there is."""
    assert pairs(labelling({32_767: "sky"})) == [(32_767, "sky")]
    with pytest.raises(RequestError, match="label value 1,000,000,000,000, and class ids end at 32,767"):
        labelling({10**12: "sky"})
