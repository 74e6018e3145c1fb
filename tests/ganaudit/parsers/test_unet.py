"""The UNet: sizes read back from weights, folded batch norms, and a parser whose labels are the argmax of its logits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from ganaudit import images, weights
from ganaudit.errors import RequestError
from ganaudit.parsers.labelling import Labelling
from ganaudit.parsers.networks.convolutions import folded
from ganaudit.parsers.networks.unet import UNet, from_weights
from ganaudit.parsers.protocol import Parser
from ganaudit.parsers.segmentation import SegmentationParser, unet_parser
from ganaudit.village.classes import NAMES
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence
from ganaudit.weights import Weights


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = UNet((4, 6, 8), 5)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.weight)
    return made.eval()


def loaded(network, **metadata):
    metadata = {"classes": json.dumps(list("abcde")), "resolution": "16"} | metadata
    return Weights(network.state_dict(), metadata, "0" * 64, Path("w"))


@pytest.mark.parametrize("widths, classes", [((2, 3), 1), ((4, 6, 8, 5), 7)])
def test_a_network_is_built_again_from_its_weights_alone(widths, classes):
    whole = UNet(widths, classes)
    again = from_weights(whole.state_dict())
    again.load_state_dict(whole.state_dict())
    x = torch.randn(1, 3, 16, 16)
    assert torch.equal(again.eval()(x), whole.eval()(x))


@pytest.mark.parametrize("left_out", ["head", "down.1", "down.0"])
def test_other_weights_are_refused(network, left_out):
    with pytest.raises(RequestError, match="not the weights of a unet parser"):
        from_weights({k: v for k, v in network.state_dict().items() if not k.startswith(left_out)})


@torch.inference_mode()
def test_logits_have_the_images_size_and_every_level_matters(network):
    x = torch.randn(2, 3, 16, 16)
    logits = network(x)
    assert tuple(logits.shape) == (2, 5, 16, 16)
    for block in [*network.down, *network.up]:
        kept = block[0].weight.clone()
        block[0].weight.zero_()
        assert not torch.allclose(network(x), logits)
        block[0].weight.copy_(kept)


@torch.inference_mode()
def test_folding_batch_norms_does_not_change_the_function(network):
    x = torch.randn(2, 3, 16, 16)
    before = network(x)
    assert folded(network)(x) == pytest.approx(before, abs=1e-4)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@torch.inference_mode()
def test_labels_are_the_argmax_and_confidences_its_softmax(network):
    x = torch.rand(3, 3, 16, 16) * 2 - 1
    logits = network(x)
    parser = unet_parser(loaded(network), "cpu", "float32")
    labels = parser.parse(x)
    probability, chosen = logits.softmax(1).max(1)
    assert isinstance(parser, Parser) and [(c.id, c.name) for c in parser.classes] == list(enumerate("abcde", 1))
    assert parser.resolution == 16
    agreeing = labels.maps == chosen + 1
    assert agreeing.float().mean() > 0.999
    assert labels.confidence[agreeing] == pytest.approx(probability[agreeing], abs=1e-4)
    assert not labels.maps.is_floating_point() and labels.maps.min() >= 1


@torch.inference_mode()
def test_ties_and_sure_answers_have_the_confidence_they_should():
    def parser(logits):
        made = SegmentationParser(nn.Identity(), Labelling((), (1, 2, 3, 4)), 2, "cpu", "float32")
        made.network = lambda x: logits
        return made.parse(torch.zeros(1, 3, 1, 1))

    assert parser(torch.zeros(1, 4, 1, 1)).confidence.item() == 0.25
    assert parser(torch.tensor([0.0, 1000.0]).view(1, 2, 1, 1)).confidence.item() == 1.0


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@torch.inference_mode()
def test_lower_precision_changes_a_small_share_of_the_labels(precision):
    result = weights.load("builtin:village")
    x = images.to_unit(render(Prevalence(), 5, range(8))[0])
    exact = unet_parser(result, "cpu", "float32").parse(x)
    lower = unet_parser(result, "cpu", precision).parse(x)
    assert (lower.maps == exact.maps).float().mean() > 0.985
    assert lower.confidence.dtype == torch.float32 and lower.confidence.max() <= 1 and lower.confidence.min() > 0


@torch.inference_mode()
def test_the_shipped_parser_reads_the_village():
    result = weights.load("builtin:village")
    assert result.path.stat().st_size <= 2 * 2**20
    parser = unet_parser(result, "cpu", "bfloat16")
    assert [c.name for c in parser.classes] == list(NAMES) and parser.resolution == 64
    pixels, labels = render(Prevalence(), 123_456, range(64))
    seen = parser.parse(images.to_unit(pixels)).maps.numpy()
    assert (seen == labels).mean() > 0.98
    counts = {name: ((seen == i).sum(), (labels == i).sum()) for i, name in enumerate(NAMES, 1)}
    assert all(0.6 < counted / true < 1.6 for counted, true in counts.values()), counts
