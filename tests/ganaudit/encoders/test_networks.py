"""The layered encoder: the published one with the same weights gives the same numbers; small ones fit any generator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision

from ganaudit.encoders.files import REFERENCE
from ganaudit.encoders.networks import (
    DirectEncoder,
    DirectShape,
    LayeredEncoder,
    LayeredShape,
    Trunk,
    absolute_error,
    cosine_error,
    parameters,
    square_error,
)
from ganaudit.generators.networks.dcgan import dcgan
from ganaudit.generators.networks.progan import progan
from ganaudit.generators.shapes import LayerShape, read_shape

PUBLISHED = LayeredShape(
    256, 512, tuple(LayerShape(name, 512, side, side) for name, side in REFERENCE),
    Trunk((64, 128, 256, 512), (1, 2, 2, 2), 2, 7, 2, 2), 512, True, True, ("layer3", "layer4"),
)  # fmt: skip


def norm(x):
    return x / (x.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()


class Reference(torch.nn.Module):
    """The published encoder written plainly over torchvision's ResNet-18."""

    def __init__(self):
        super().__init__()
        self.resnet = torchvision.models.resnet18(weights=None)
        del self.resnet.avgpool, self.resnet.fc
        self.resnet.layer5 = torch.nn.Module()
        self.resnet.layer5.conv5 = torch.nn.Conv2d(512, 512, 1)
        for number, (side, stride) in enumerate(((4, 0), (3, 0), (3, 2), (3, 1)), start=1):
            inv = torch.nn.Module()
            inv.conv1 = torch.nn.Conv2d(512, 512, side, padding=0 if number == 1 else 1)
            inv.bn1 = torch.nn.BatchNorm2d(512)
            inv.conv2 = torch.nn.Conv2d(512, 512, 1 if number == 1 else 3, padding=0 if number == 1 else 1)
            if number > 1:
                inv.bn2 = torch.nn.BatchNorm2d(512)
            if stride:
                inv.conv3 = torch.nn.Conv2d(512, 512, 1, stride)
            self.add_module(f"inv{number}", inv)

    def features(self, x):
        net = self.resnet
        x = F.max_pool2d(F.relu(net.bn1(net.conv1(x))), 3, 2, 1)
        x = net.layer4(net.layer3(net.layer2(net.layer1(x))))
        return F.leaky_relu(net.layer5.conv5(x), 0.2)

    def invert(self, number, x):
        inv = self.get_submodule(f"inv{number}")
        x = inv.conv2(F.leaky_relu(inv.bn1(inv.conv1(norm(x))), 0.2))
        if number == 1:
            return norm(x)
        x = F.leaky_relu(inv.bn2(x), 0.2)
        return inv.conv3(x) if hasattr(inv, "conv3") else x


@pytest.fixture(scope="module")
def reference():
    torch.manual_seed(0)
    made = Reference().eval()
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.running_mean, std=0.1)
    return made


def ours(name):
    return name.replace("resnet.layer5.conv5", "features.head").replace("resnet.", "features.")


def test_the_published_encoder_with_shared_weights_gives_the_same_numbers(reference):
    encoder = LayeredEncoder(PUBLISHED).eval()
    state = {ours(name): value for name, value in reference.state_dict().items()}
    assert len(state) == 177 and parameters(encoder) == 30_587_968
    encoder.load_state_dict(state)
    x = torch.from_numpy(np.random.RandomState(1).uniform(-1, 1, (1, 3, 256, 256))).float()
    with torch.no_grad():
        result, current = encoder(x), reference.features(x)
        sides = []
        for number, name in ((4, "layer4"), (3, "layer3"), (2, "layer2"), (1, "layer1")):
            assert float((result[name] - current).abs().max()) <= 1e-5
            sides.append(current.shape[2])
            current = reference.invert(number, current)
        assert sides == [8, 8, 4, 4] and float((result["z"] - current.flatten(1)).abs().max()) <= 1e-5
    assert result["z"].square().mean().item() == pytest.approx(1.0, abs=1e-4)


def test_parameters_by_part_are_the_published_ones():
    encoder = LayeredEncoder(PUBLISHED)
    result = {name: parameters(part) for name, part in encoder.named_children()}
    assert result == {"features": 11_439_168, "inv1": 4_458_496, "inv2": 4_721_664, "inv3": 4_984_320, "inv4": 4_984_320}


@pytest.mark.parametrize("generator", [progan(8, 16, ((16,), (8,), (4,))), dcgan(8, 16, (12, 8, 4, 3))])
@pytest.mark.parametrize("feature", ["layer1", "layer2", "layer4"])
def test_a_small_encoder_fits_any_generator_at_any_layer(generator, feature):
    shape = read_shape(generator.eval())
    encoder = LayeredEncoder(LayeredShape.of(shape, feature, width=4, hidden=8)).eval()
    image = generator.run(generator.latents(0, torch.arange(2)))["image"]
    result = encoder(image)
    sizes = {layer.name: (2, layer.channels, layer.height, layer.width) for layer in shape.upto(feature)}
    assert {name: tuple(value.shape) for name, value in result.items()} == {**sizes, "z": (2, 8)}
    again = generator.run({"z": result["z"]})["image"]
    assert again.shape == image.shape
    direct = DirectEncoder(DirectShape.of(shape, width=4, channels=4)).eval()
    assert tuple(direct(image)["z"].shape) == (2, 8)


def test_an_estimate_follows_from_the_one_behind_it_alone():
    shape = read_shape(progan(8, 16, ((16,), (8,), (4,))).eval())
    encoder = LayeredEncoder(LayeredShape.of(shape, "layer3", width=4, hidden=8)).eval()
    result = encoder(torch.rand(2, 3, 32, 32))
    with torch.no_grad():
        assert torch.allclose(encoder.inverter("layer2")(result["layer2"]), result["layer1"])
        assert torch.allclose(encoder.inverter("layer1")(result["layer1"]), result["z"])


def test_the_trunk_halves_down_to_the_side_that_is_asked():
    for side, to in ((64, 8), (64, 4), (64, 64), (256, 8), (32, 16), (96, 7)):
        trunk = Trunk.between(side, to, 8)
        halvings = trunk.stride * int(np.prod(trunk.strides))
        assert side / halvings >= to > side / halvings / 2


def test_the_cosine_loss_has_the_references_value():
    x = (torch.arange(24, dtype=torch.float32) - 10).reshape(1, 3, 2, 4)
    assert float(cosine_error(x, x.flip(3))) == pytest.approx(0.045121580, abs=1e-6)
    by_hand = 1.0 - (x * x.flip(3)).sum(1) / (x.norm(dim=1) * x.flip(3).norm(dim=1))
    assert float(cosine_error(x, x.flip(3))) == pytest.approx(float(by_hand.mean()), abs=1e-6)
    assert float(cosine_error(x, 3.0 * x)) == pytest.approx(0.0, abs=1e-6)  # blind to length


def test_losses_are_of_each_image_alone():
    a, b = torch.randn(2, 3, 4, 5, 5).unbind(0)
    for loss in (absolute_error, square_error, cosine_error):
        assert torch.allclose(loss(a, b), torch.cat([loss(a[i : i + 1], b[i : i + 1]) for i in range(3)]))
    z, w = torch.randn(2, 3, 8).unbind(0)
    assert torch.allclose(cosine_error(z, w), 1.0 - torch.cosine_similarity(z, w))
