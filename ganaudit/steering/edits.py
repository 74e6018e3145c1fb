"""Edits of images by a strength α, which walks in latent space are to follow (Jahanian, Chai and Isola, ICLR 2020).

Each gives a target and a mask of the pixels that the target says something about, and can be undone. α is in the edit's own
unit; the slider, on which a linear walk is linear, is a function of α.
"""

from __future__ import annotations

import difflib
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.steering.lab import from_lab, to_lab
from ganaudit.steering.warping import looked_up

Size = tuple[int, int]
"""(height, width) of images, in pixels."""
Edited = tuple[Tensor, Tensor]
"""Target (N, 3, H, W) and mask (N, 1, H, W) of ones and zeros."""
SMALLEST = 4
"""Pixels of a side that a zoom leaves of the image, or of what is seen of it."""
ROUNDING = 1e-6
"""Of an α, by which it may lie beyond what images hold."""
SEEN_WHOLE = 0.999
"""Share of a pixel that has to be known for it to count, where one edit follows another."""


@dataclass(frozen=True)
class Edit(ABC):
    """One edit. limit: the slider at the ends of its range, where images hold that. identity: the α that changes nothing."""

    name: str
    unit: str
    limit: float
    identity: float = 0.0

    @abstractmethod
    def scale(self, size: Size) -> float:
        """α at slider 1."""

    @abstractmethod
    def bounds(self, size: Size) -> tuple[float, float]:
        """The α that images of a size can hold, from which to which."""

    @abstractmethod
    def apply(self, images: Tensor, alpha: Tensor) -> Edited:
        """Images (N, 3, H, W) in [-1, 1] edited by α (N,)."""

    @abstractmethod
    def undo(self, images: Tensor, alpha: Tensor) -> Edited:
        """What `apply` with the same α was given, of its target; the mask says where that is known from the target alone."""

    def slider(self, alpha: Tensor, size: Size) -> Tensor:
        """The slider of α; 0 at the identity."""
        return alpha / self.scale(size)

    def alpha(self, slider: Tensor, size: Size) -> Tensor:
        """The α of a slider."""
        return slider * self.scale(size)

    def span(self, size: Size) -> float:
        """The slider at the ends of the range: `limit`, or less where images are small. Raises RequestError where they hold
        nothing but the identity."""
        low, high = self.slider(torch.tensor(self.bounds(size), dtype=torch.float64), size).tolist()
        if min(-low, high) <= 0.0:
            raise RequestError(
                f"images of {size[0]}×{size[1]} pixels are too small for {self.name}: it leaves {SMALLEST} pixels of a side"
            )
        return float(min(self.limit, -low, high))

    def ends(self, size: Size) -> tuple[float, float]:
        """The α at the ends of the range."""
        span = self.span(size)
        low, high = self.alpha(torch.tensor([-span, span], dtype=torch.float64), size).tolist()
        return low, high

    def grid(self, count: int, size: Size, reach: float = 1.0) -> Tensor:
        """`count` α, an odd number with the identity in their middle, at equal steps of the slider; reach: of `ends`. Raises
        RequestError."""
        if count < 3 or count % 2 == 0:
            raise RequestError(
                f"a grid of α has an odd number of at least 3, with α = {self.identity:g} in its middle, not {count}"
            )
        span = self.span(size) * reach
        alphas = self.alpha(torch.linspace(-span, span, count, dtype=torch.float64), size)
        alphas[count // 2] = self.identity
        self.check(alphas.tolist(), size)
        return alphas.float()

    def check(self, alphas: Sequence[float], size: Size, whole_grid: bool = False) -> None:
        """Raises RequestError for an α that images of a size cannot hold. whole_grid: also where none is the identity."""
        low, high = self.bounds(size)
        for alpha in alphas:
            if not low - ROUNDING <= alpha <= high + ROUNDING:
                raise RequestError(
                    f"{self.name} by {alpha:g} {self.unit} is more than images of {size[0]}×{size[1]} pixels can hold: "
                    f"α is from {low:g} to {high:g}"
                )
        if whole_grid and not any(math.isclose(alpha, self.identity, abs_tol=1e-9) for alpha in alphas):
            raise RequestError(
                f"the grid of α has no {self.identity:g}, at which {self.name} changes nothing: every measure is against it"
            )


@dataclass(frozen=True)
class Warp(Edit):
    """An edit that moves pixels.

    reference_rims: as the published code: whole pixels, the middle at side // 2, a rotated plane one unit behind the screen,
    and rims that are half outside counted as seen.
    """

    reference_rims: bool = False

    @abstractmethod
    def homographies(self, alpha: Tensor, size: Size) -> Tensor:
        """(N, 3, 3), from a pixel of the result to where it comes from."""

    def half_sides(self, alpha: Tensor, size: Size) -> Tensor | None:
        """See `looked_up`."""
        return None

    def apply(self, images: Tensor, alpha: Tensor) -> Edited:
        size = (int(images.shape[2]), int(images.shape[3]))
        matrices = self.homographies(alpha.float(), size)
        found, mask = looked_up(images, matrices, self.reference_rims, self.half_sides(alpha, size))
        return self._kept(images, found, mask, alpha)

    def undo(self, images: Tensor, alpha: Tensor) -> Edited:
        matrices = torch.linalg.inv(self.homographies(alpha.float(), (int(images.shape[2]), int(images.shape[3]))))
        found, mask = looked_up(images, matrices, self.reference_rims)
        return self._kept(images, found, mask, alpha)

    def _kept(self, images: Tensor, found: Tensor, mask: Tensor, alpha: Tensor) -> Edited:
        """At the identity an image is itself, to the bit."""
        same = (alpha == self.identity)[:, None, None, None]
        return torch.where(same, images, found), torch.where(same, torch.ones_like(mask), mask)

    def _about(self, matrices: Tensor, size: Size) -> Tensor:
        """Homographies about the middle of the image; with the reference's rims, about the pixel (side // 2, side // 2)."""
        if not self.reference_rims:
            return matrices
        away = matrices.new_tensor([size[1] // 2 - (size[1] - 1) / 2.0, size[0] // 2 - (size[0] - 1) / 2.0])
        there, back = (torch.eye(3, device=matrices.device) for _ in range(2))
        there[:2, 2], back[:2, 2] = -away, away
        return back @ matrices @ there


@dataclass(frozen=True)
class Zoom(Warp):
    """α is the side of the field of view, of the image's: below 1 the image is cut and made larger, above 1 made smaller."""

    def scale(self, size: Size) -> float:
        return math.e

    def slider(self, alpha: Tensor, size: Size) -> Tensor:
        return alpha.log()

    def alpha(self, slider: Tensor, size: Size) -> Tensor:
        return slider.exp()

    def bounds(self, size: Size) -> tuple[float, float]:
        return SMALLEST / min(size), min(size) / SMALLEST

    def homographies(self, alpha: Tensor, size: Size) -> Tensor:
        sides = torch.stack([self._side(alpha, side) for side in (size[1], size[0])], dim=1)
        whole = alpha.new_tensor([size[1], size[0]])
        matrices = torch.diag_embed(torch.cat([sides / whole, torch.ones_like(alpha)[:, None]], dim=1))
        if self.reference_rims:  # an odd number of pixels around the image is one more on its right and below
            matrices[:, :2, 2] = torch.where(sides > whole, ((sides - whole) % 2) / 2.0, 0.0)
        return matrices

    def half_sides(self, alpha: Tensor, size: Size) -> Tensor | None:
        if not self.reference_rims:
            return None
        sides = torch.stack([self._side(alpha, side) for side in (size[1], size[0])], dim=1)
        return torch.where(alpha[:, None] < 1.0, (sides - 1.0) / 2.0, math.inf)

    def _side(self, alpha: Tensor, side: int) -> Tensor:
        """Of the field of view, in pixels."""
        if not self.reference_rims:
            return alpha * side
        floored = torch.floor(alpha * side)
        return torch.where(alpha < 1.0, 2.0 * torch.div(floored, 2, rounding_mode="floor"), floored)


@dataclass(frozen=True)
class Shift(Warp):
    """α pixels to the right (axis 0) or down (axis 1)."""

    axis: int = 0

    def scale(self, size: Size) -> float:
        return float(size[1 - self.axis] // 2)

    def bounds(self, size: Size) -> tuple[float, float]:
        half = size[1 - self.axis] / 2.0
        return -half, half

    def homographies(self, alpha: Tensor, size: Size) -> Tensor:
        matrices = torch.eye(3, device=alpha.device).repeat(len(alpha), 1, 1)
        matrices[:, self.axis, 2] = -alpha
        return matrices


@dataclass(frozen=True)
class Rotation(Warp):
    """α degrees in the plane of the image, counter-clockwise."""

    def scale(self, size: Size) -> float:
        return 45.0

    def bounds(self, size: Size) -> tuple[float, float]:
        return -180.0, 180.0

    def homographies(self, alpha: Tensor, size: Size) -> Tensor:
        cos, sin = torch.cos(torch.deg2rad(alpha)), torch.sin(torch.deg2rad(alpha))
        zero, one = torch.zeros_like(alpha), torch.ones_like(alpha)
        rows = [cos, -sin, zero, sin, cos, zero, zero, zero, one]
        return self._about(torch.stack(rows, dim=1).view(-1, 3, 3), size)


@dataclass(frozen=True)
class Turn(Warp):
    """α degrees about the vertical axis, the right side away from the viewer, who is a diagonal of the image away."""

    def scale(self, size: Size) -> float:
        return 45.0

    def bounds(self, size: Size) -> tuple[float, float]:
        return -85.0, 85.0

    def homographies(self, alpha: Tensor, size: Size) -> Tensor:
        cos, sin = torch.cos(torch.deg2rad(alpha)), torch.sin(torch.deg2rad(alpha))
        zero, far = torch.zeros_like(alpha), torch.full_like(alpha, math.hypot(*size))
        behind = 1.0 if self.reference_rims else 0.0
        rows = [far * cos, zero, -far * sin * behind, zero, far, zero, sin, zero, far + cos * behind]
        forwards = torch.stack(rows, dim=1).view(-1, 3, 3) / far[:, None, None]
        return self._about(torch.linalg.inv(forwards), size)


@dataclass(frozen=True)
class Colour(Edit):
    """α times `channels` is added to red, green and blue, in units of [-1, 1]. The target is not cut to [-1, 1]."""

    channels: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def scale(self, size: Size) -> float:
        return 1.0

    def bounds(self, size: Size) -> tuple[float, float]:
        return -2.0, 2.0

    def apply(self, images: Tensor, alpha: Tensor) -> Edited:
        moved = images + alpha.to(images)[:, None, None, None] * images.new_tensor(self.channels).view(1, 3, 1, 1)
        return moved, torch.ones_like(images[:, :1])

    def undo(self, images: Tensor, alpha: Tensor) -> Edited:
        return self.apply(images, -alpha)


@dataclass(frozen=True)
class Lab(Colour):
    """α times `channels` is added to L*, a* and b*. What sRGB cannot show is cut, and cannot be undone."""

    def apply(self, images: Tensor, alpha: Tensor) -> Edited:
        steps = alpha.to(images)[:, None, None, None] * images.new_tensor(self.channels).view(1, 3, 1, 1)
        same = (alpha == 0.0)[:, None, None, None]
        return torch.where(same, images, from_lab(to_lab(images) + steps)), torch.ones_like(images[:, :1])


ADDED = "of [-1, 1]"
EDITS: dict[str, Edit] = {
    edit.name: edit
    for edit in (
        Zoom("zoom", "times the field of view", math.log(4.0), 1.0),
        Shift("shift-x", "pixels", 1.0),
        Shift("shift-y", "pixels", 1.0, axis=1),
        Rotation("rotate", "degrees", 1.0),
        Turn("turn", "degrees", 1.0),
        Colour("luminance", ADDED, 0.5),
        Colour("red", ADDED, 0.5, channels=(1.0, 0.0, 0.0)),
        Colour("green", ADDED, 0.5, channels=(0.0, 1.0, 0.0)),
        Colour("blue", ADDED, 0.5, channels=(0.0, 0.0, 1.0)),
        Lab("lab-l", "times 50 L*", 0.5, channels=(50.0, 0.0, 0.0)),
        Lab("lab-a", "times 128 a*", 0.5, channels=(0.0, 128.0, 0.0)),
        Lab("lab-b", "times 128 b*", 0.5, channels=(0.0, 0.0, 128.0)),
    )
}


def edit_named(name: str, reference_rims: bool = False) -> Edit:
    """The edit of that name. Raises RequestError naming the nearest one, and all."""
    if name not in EDITS:
        near = difflib.get_close_matches(name, EDITS, n=1)
        meant = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(EDITS)}"
        raise RequestError(f"there is no edit {name!r}{meant}")
    edit = EDITS[name]
    return replace(edit, reference_rims=True) if reference_rims and isinstance(edit, Warp) else edit


def edited(edits: Sequence[Edit], images: Tensor, alphas: Tensor) -> Edited:
    """Images (N, 3, H, W) edited by one edit after the other, each by its column of α (N, K). The mask is of the pixels that
    all of them see."""
    seen = torch.ones_like(images[:, :1])
    for edit, alpha in zip(edits, alphas.unbind(dim=1), strict=True):
        if isinstance(edit, Warp):
            moved, mask = edit.apply(torch.cat([images, seen], dim=1), alpha)
            images, seen = moved[:, :-1], mask * (moved[:, -1:] >= (1e-6 if edit.reference_rims else SEEN_WHOLE))
        else:
            images, _ = edit.apply(images, alpha)
    return images, seen
