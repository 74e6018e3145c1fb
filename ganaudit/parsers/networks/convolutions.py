"""A convolution with its batch norm and its ReLU, as segmentation networks have them; and norms folded into convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ganaudit.errors import RequestError

TRACKS = ("._tmp_running_mean", "._tmp_running_var", "._running_iter")
"""What synchronised batch norms keep of their training, beside what they compute with."""


def without_tracks(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict without what batch norms that were synchronised over devices keep for their training alone."""
    return {name: value for name, value in tensors.items() if not name.endswith(TRACKS)}


def size(tensors: Mapping[str, Tensor], name: str, axis: int = 0) -> int:
    """The length of a tensor along an axis. Raises RequestError where there is none."""
    if name not in tensors or tensors[name].ndim <= axis:
        raise RequestError(f"there is no usable {name}")
    return int(tensors[name].shape[axis])


def convolution(channels: int, width: int, side: int = 3) -> nn.Sequential:
    """Convolution of the same size without bias, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels, width, side, padding=side // 2, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
    )


def of_shape(tensors: Mapping[str, Tensor], name: str, side: int = 3) -> nn.Sequential:
    """`convolution` between as many channels as the weight `NAME.0.weight` has."""
    return convolution(size(tensors, f"{name}.0.weight", 1), size(tensors, f"{name}.0.weight"), side)


def classified(features: Tensor, last: nn.Module) -> Tensor:
    """The last convolution, computed in float32 whatever the precision before it: among hundreds of logits, which one is the
    greatest often hangs on less than half precision holds."""
    assert isinstance(last, nn.Conv2d)
    return F.conv2d(features.float(), last.weight.float(), None if last.bias is None else last.bias.float())


def folded(network: nn.Module) -> nn.Module:
    """The same function, in eval mode, with each batch norm folded into the convolution that is registered before it."""
    for parent in network.modules():
        for (before, first), (name, second) in pairwise(list(parent.named_children())):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                setattr(parent, before, fuse_conv_bn_eval(first, second))
                setattr(parent, name, nn.Identity())
    return network
