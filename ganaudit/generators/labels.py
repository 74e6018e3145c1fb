"""The class of each image, of generators that have classes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.random import uniforms


def check_label(label: int | None, classes: int) -> None:
    """Raises RequestError for a class that a generator of so many does not have."""
    if label is not None and label >= classes:
        has = f"{classes} classes, from 0" if classes else "no classes"
        raise RequestError(f"label is {label}, and this generator has {has}")


def labels(seed: int, indices: NDArray[np.int64], classes: int, label: int | None) -> Tensor:
    """Classes (N,) of images `indices`, drawn uniformly by the index of each, or one for all."""
    if label is not None:
        return torch.full((len(indices),), label)
    return (torch.from_numpy(uniforms(seed, "class", indices, 1)[:, 0]) * classes).long()
