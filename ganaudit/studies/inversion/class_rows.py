"""Each class that an inverted image holds, with what can be measured inside its mask before and after."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaudit.studies.inversion.attributes import attributes
from ganaudit.studies.inversion.verdicts import contrast_of

NAMES = ("red", "green", "blue", "sharpness")


@dataclass(frozen=True)
class View:
    """An image as it is parsed. pixels: (h, w, 3) uint8; confidence: (h, w), the parser's, in [0, 1]."""

    pixels: NDArray[np.uint8]
    confidence: NDArray[np.float64]


def class_rows(
    common: Mapping[str, Any], classes: NDArray[np.int64], target: View, reconstruction: View | None
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of `inversion_classes` of one image, one for each class of its label map (h, w).

    common: the key columns. reconstruction: None where the search was set aside. Label maps of another size than the image
    (a parser with coarser maps) are spread over it.
    """
    class_ids = np.unique(classes)
    masks = classes == class_ids[:, None, None]
    widened = _spread(masks, target.pixels.shape[:2])
    before = attributes(target.pixels, widened)
    after = None if reconstruction is None else attributes(reconstruction.pixels, widened)
    rows = []
    for place, class_id in enumerate(class_ids.tolist()):
        mask = masks[place]
        row: dict[str, Any] = {
            **common, "class_id": class_id, "target_pixels": int(mask.sum()),
            "contrast": _finite(contrast_of(target.pixels / 255.0, widened[place])),
            "target_confidence": float(target.confidence[mask].mean()),
        }  # fmt: skip
        row |= {f"target_{name}": _finite(value) for name, value in zip(NAMES, before[place].tolist(), strict=True)}
        if reconstruction is not None and after is not None:
            row["confidence"] = float(reconstruction.confidence[mask].mean())
            row |= {name: _finite(value) for name, value in zip(NAMES, after[place].tolist(), strict=True)}
        rows.append(row)
    return rows


def _spread(masks: NDArray[np.bool_], size: tuple[int, ...]) -> NDArray[np.bool_]:
    if masks.shape[1:] == size:
        return masks
    down, right = (np.arange(side) * of // side for side, of in zip(size, masks.shape[1:], strict=True))
    return np.asarray(masks[:, down][:, :, right])


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
