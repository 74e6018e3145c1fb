"""Reconstructions of many photos as a set: Fréchet distance of features, sliced Wasserstein distance, mean squared error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ganaudit.inversion.perceptual import Perceptual
from ganaudit.latent_space.sliced import swd
from ganaudit.statistics.frechet import frechet_from_rows

Floats = NDArray[np.float64]
MANY = 64
"""Channels from which on features are means over the whole image."""


@dataclass(frozen=True)
class SetFidelity:
    """fid: of the features that `feature_rows` says, not of Inception's; it falls with the number of images, so compare at one
    number. swd: mean over levels, blind to global colour. mse: on [-1, 1]², (N,), one a photo."""

    fid: float
    swd: float
    mse: Floats


@torch.no_grad()
def feature_rows(perceptual: Perceptual, images: Tensor) -> Floats:
    """(N, D): the last map of a perceptual distance's network, averaged over the image where it has MANY channels or more, else
    over 4 x 4 parts of it. `pyramid`: mean colours of 16 parts, 48 numbers."""
    last = torch.cat([perceptual.features(part)[-1] for part in torch.split(images, 64)])
    side = 1 if last.shape[1] >= MANY else 4
    rows: Floats = F.adaptive_avg_pool2d(last, side).flatten(1).double().cpu().numpy()
    return rows


def set_fidelity(photos: Tensor, made: Tensor, perceptual: Perceptual) -> SetFidelity:
    """Of reconstructions (N, 3, H, W) in [-1, 1] of photos, in the same order."""
    fid = frechet_from_rows(feature_rows(perceptual, photos), feature_rows(perceptual, made)).value
    errors = (photos - made).square().flatten(1).mean(dim=1).double().cpu().numpy()
    return SetFidelity(fid, float(np.mean(list(swd(photos, made).values()))), errors)
