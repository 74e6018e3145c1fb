"""Walks on real photos, and a measure of steerability without labels: what comes back of a photo that was edited.

A photo moved to where the generator cannot follow is reconstructed back to where it can: its inversion error grows with α, and
the reconstruction shows less of the edit than was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ganaudit.generators.protocol import Generator, State, with_z
from ganaudit.inversion.inverters import InversionTask
from ganaudit.inversion.methods import inverter
from ganaudit.inversion.objective import Targets
from ganaudit.steering.edits import Edit, edited
from ganaudit.steering.losses import masked_square_error
from ganaudit.steering.walks import Walk, images_along


def photos_along(walk: Walk, generator: Generator, state: State, z: Tensor, alphas: Tensor) -> Tensor:
    """(A, N, 3, H, W): inverted photos moved along a walk. state: of the inversion; z: (N, L), what it found."""
    return images_along(walk, generator, with_z(state, z.to(state["z"])), alphas)


@dataclass(frozen=True)
class Reconstructed:
    """Photos edited by α and inverted. errors: (A, N) masked squared errors, NaN where a search was set aside. reached: (A, N),
    the α of the grid whose edit of the photo is nearest to what came back. images: (A, N, 3, S, S), that."""

    alphas: Tensor
    errors: Tensor
    reached: Tensor
    images: Tensor


def reconstructed(task: InversionTask, method: str, photos: Tensor, edit: Edit, alphas: Tensor) -> Reconstructed:
    """Inverts photos (N, 3, S, S) edited by each of α (A,), a grid with the identity in it. What the edit does not know counts
    for nothing in the search, if its loss is of pixels alone.

    Raises RequestError for a grid without the identity, and for α that the photos cannot hold.
    """
    size = (int(photos.shape[2]), int(photos.shape[3]))
    edit.check(alphas.tolist(), size, whole_grid=True)
    wanted = [edited([edit], photos, alpha.expand(len(photos), 1).to(photos.device)) for alpha in alphas]
    found = [_found(task, method, *each) for each in wanted]
    errors = torch.stack([masked_square_error(image, *each) for image, each in zip(found, wanted, strict=True)])
    apart = torch.stack([torch.stack([masked_square_error(image, *each) for each in wanted]) for image in found])
    reached = alphas.to(apart.device)[apart.nan_to_num(nan=torch.inf).argmin(dim=1)]
    return Reconstructed(alphas, errors, torch.where(errors.isfinite(), reached, torch.nan), torch.stack(found))


def _found(task: InversionTask, method: str, targets: Tensor, mask: Tensor) -> Tensor:
    """The images that a search found for targets of which the mask's pixels are known; NaN where it was set aside."""
    weights = mask / mask.mean(dim=(1, 2, 3), keepdim=True)
    features = task.objective.perceptual.features(targets) if task.objective.perceptual else ()
    result = inverter(method)(replace(task, targets=Targets(targets, features, weights))).found
    aside = torch.tensor([error is not None for error in result.errors], device=result.image.device)
    return torch.where(aside[:, None, None, None], torch.nan, result.image)
