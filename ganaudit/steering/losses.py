"""How far images are from an edit's targets, where the mask says that the targets are known."""

from __future__ import annotations

from torch import Tensor

from ganaudit.inversion.perceptual import Maps, Perceptual


def masked_square_error(images: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """(N,): the mean of squared differences over the mask's pixels and the channels; 0 where the mask is empty."""
    seen = mask.flatten(1).sum(dim=1) * images.shape[1]
    return (mask * (images - targets).square()).flatten(1).sum(dim=1) / seen.clamp(min=1.0)


def masked_perceptual(
    perceptual: Perceptual, images: Tensor, targets: Tensor, mask: Tensor, legacy_range: bool = False
) -> Tensor:
    """(N,): the perceptual distance of both images with mid-grey outside the mask.

    legacy_range: as the published code, whose network was shown 2x - 1 of images that were in [-1, 1] already.
    """

    def shown(x: Tensor) -> Tensor:
        return 2.0 * (mask * x) - 1.0 if legacy_range else mask * x

    wanted: Maps = perceptual.features(shown(targets))
    return perceptual.distance(shown(images), wanted)
