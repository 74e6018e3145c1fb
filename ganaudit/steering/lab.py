"""sRGB to CIE L*a*b* and back, under the white D65 (IEC 61966-2-1; CIE 15:2004)."""

from __future__ import annotations

import torch
from torch import Tensor

TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
WHITE = (0.950456, 1.0, 1.088754)
EDGE = 6.0 / 29.0


def to_lab(images: Tensor) -> Tensor:
    """(N, 3, H, W) in [-1, 1], clamped to it, -> L* from 0 to 100, a* and b*."""
    unit = ((images + 1.0) / 2.0).clamp(0.0, 1.0)
    linear = torch.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    xyz = torch.einsum("ij,njhw->nihw", _matrix(images), linear) / images.new_tensor(WHITE).view(1, 3, 1, 1)
    f = torch.where(xyz > EDGE**3, xyz.clamp(min=EDGE**3) ** (1.0 / 3.0), xyz / (3.0 * EDGE**2) + 4.0 / 29.0)
    x, y, z = f.unbind(dim=1)
    return torch.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], dim=1)


def from_lab(lab: Tensor) -> Tensor:
    """L*, a*, b* (N, 3, H, W) -> images in [-1, 1]. Colours that sRGB has not are cut to those it has, channel by channel."""
    lightness, a, b = lab.unbind(dim=1)
    y = (lightness + 16.0) / 116.0
    f = torch.stack([y + a / 500.0, y, y - b / 200.0], dim=1)
    xyz = torch.where(f > EDGE, f**3, 3.0 * EDGE**2 * (f - 4.0 / 29.0)) * lab.new_tensor(WHITE).view(1, 3, 1, 1)
    linear = torch.einsum("ij,njhw->nihw", torch.linalg.inv(_matrix(lab)), xyz).clamp(0.0, 1.0)
    unit = torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=1e-9) ** (1.0 / 2.4) - 0.055)
    return 2.0 * unit - 1.0


def _matrix(like: Tensor) -> Tensor:
    return like.new_tensor(TO_XYZ)
