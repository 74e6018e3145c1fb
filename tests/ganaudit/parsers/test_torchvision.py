"""torchvision's networks: the labels that torchvision's own forward gives, and files that do not say what they are."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import get_model

from ganaudit.errors import RequestError

from .scene_networks import opened

torch.manual_seed(0)
IMAGES = F.interpolate(torch.rand(2, 3, 12, 12) * 2 - 1, size=(64, 96), mode="bicubic").clamp(-1, 1)
LRASPP, DEEPLAB = "lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large"


@pytest.fixture(scope="module")
def networks():
    made = {}
    for model in (LRASPP, DEEPLAB):
        torch.manual_seed(1)
        more = {"aux_loss": True} if model == DEEPLAB else {}
        network = get_model(model, weights=None, weights_backbone=None, num_classes=21, **more).eval()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.2, 0.6)
        made[model] = network
    return made


@pytest.mark.parametrize("model, file", [
    (LRASPP, "lraspp_mobilenet_v3_large-d234d4ea.pth"), (DEEPLAB, "deeplabv3_mobilenet_v3_large-fc3c493d.pth"),
])  # fmt: skip
@torch.inference_mode()
def test_labels_are_those_of_torchvision(tmp_path, networks, model, file):
    torch.save(networks[model].state_dict(), tmp_path / file)
    parser = opened("torchvision", weights=str(tmp_path / file), size=[64, 96]).model
    labels = parser.parse(IMAGES)
    grey = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    x = (IMAGES * 0.5 + 0.5 - grey) / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    sure, chosen = networks[model](x)["out"].softmax(1).max(1)
    assert (labels.maps == chosen).float().mean() > 0.999 and len(chosen.unique()) > 1
    assert labels.confidence == pytest.approx(sure, abs=1e-4)
    assert (parser.classes[0].id, parser.classes[0].name, len(parser.classes)) == (1, "aeroplane", 20)


def test_what_does_not_say_which_network_it_is_is_refused_until_it_does(tmp_path, networks):
    torch.save(networks[LRASPP].state_dict(), tmp_path / "mine.pth")
    with pytest.raises(RequestError, match=r"parser\.model.*mine\.pth.*lraspp_mobilenet_v3_large"):
        opened("torchvision", weights=str(tmp_path / "mine.pth"))
    names = ["background", *map(str, range(20))]
    parser = opened("torchvision", weights=str(tmp_path / "mine.pth"), model=LRASPP, classes=names).model
    assert [info.name for info in parser.classes] == names[1:]
    with pytest.raises(RequestError, match=r"another architecture|no usable"):
        opened("torchvision", weights=str(tmp_path / "mine.pth"), model="fcn_resnet50")
    torch.save({"x": torch.zeros(1)}, tmp_path / "mine.pth")
    with pytest.raises(RequestError, match="not the weights of a segmentation network of torchvision"):
        opened("torchvision", weights=str(tmp_path / "mine.pth"), model=LRASPP)
