"""Images looked up at a homography: bilinear, zeros outside, with a mask of the pixels that are seen whole.

Coordinates count from the middle of the image, in pixels, x to the right and y down. A homography takes a pixel of the result
to where it comes from. Nothing is smoothed before an image is made smaller, as in OpenCV's linear interpolation.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TOLERANCE = 1e-3
"""Pixels by which a place may lie outside for the rounding of its coordinates."""


def looked_up(
    images: Tensor, homographies: Tensor, any_part: bool = False, half_sides: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) at homographies (N, 3, 3), and the mask (N, 1, H, W) of ones and zeros.

    any_part: a pixel also counts where only a part of it is of the image and the rest is of the zeros outside. half_sides:
    (N, 2), x and y: places farther from the middle are taken back to there.
    """
    height, width = images.shape[2:]
    centre = torch.tensor([(width - 1) / 2.0, (height - 1) / 2.0], device=images.device)
    y, x = (torch.arange(side, device=images.device) - (side - 1) / 2.0 for side in (height, width))
    grid = torch.stack([x.expand(height, -1), y[:, None].expand(-1, width), torch.ones_like(x).expand(height, -1)], dim=-1)
    places = grid.view(1, -1, 3) @ homographies.transpose(1, 2)
    depth = places[..., 2:]
    places = places[..., :2] / torch.where(depth > 0, depth, 1.0)
    if half_sides is not None:
        places = torch.minimum(torch.maximum(places, -half_sides[:, None]), half_sides[:, None])
    rim = 1.0 - TOLERANCE if any_part else TOLERANCE
    inside = (places.abs() <= centre + rim).all(dim=-1) & (depth[..., 0] > 0)
    shares = (2.0 * places / torch.tensor([width, height], device=images.device)).view(-1, height, width, 2)
    found = F.grid_sample(images, shares.to(images.dtype), mode="bilinear", padding_mode="zeros", align_corners=False)
    mask = inside.view(-1, 1, height, width).to(images.dtype)
    return found * (depth > 0).view(-1, 1, height, width), mask
