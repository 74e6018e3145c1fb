"""The option of every family whose latent is a normal z: rare values of z are not drawn."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ganaudit.options import WeightsSource


class TruncatedSource(WeightsSource):
    """A generator of a family whose latent is a normal z, with its weights."""

    truncation: Annotated[float, Field(gt=0.0, le=10.0)] | None = None
    """z is drawn between −truncation and truncation (Brock et al., ICLR 2019); default: from the whole normal distribution."""


def truncated(z: NDArray[np.float32], limit: float) -> NDArray[np.float32]:
    """Standard normal draws as draws of the same distribution cut off at ±limit, in the same order: one function of each draw,
    so that image i stays like itself as the limit falls, and the same alone and in any batch."""
    from scipy.special import ndtr, ndtri

    low = ndtr(-limit)
    return np.asarray(np.clip(ndtri(low + ndtr(z.astype(np.float64)) * (1.0 - 2.0 * low)), -limit, limit), dtype=np.float32)
