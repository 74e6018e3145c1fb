"""Linear probes: how well a hyperplane in a space tells codes whose image holds a class from those whose image does not.

Separability as in Karras et al. (CVPR 2019), 2^Σ H(Y|X), with X the side of the hyperplane and Y the class's presence; but Y is
read by the audit's own parser, no outside classifier, and the entropies are those of codes that no probe was fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from ganaudit.errors import RequestError

Floats = NDArray[np.float64]
RIDGE = 1e-2
"""Penalty of the squared weights, of standardised codes, on the mean logistic loss."""
LEAST = 5
"""Codes of either answer that a probe is fitted on."""


@dataclass(frozen=True)
class Probe:
    """A hyperplane. normal: (L,) of unit length, in the codes' own units, to the side where the class is. offset: it is where
    normal · code = offset."""

    normal: Floats
    offset: float

    def side(self, codes: Floats) -> Floats:
        """Signed distances (N,) of codes (N, L) from it."""
        distances: Floats = codes @ self.normal - self.offset
        return distances


def fit_probe(codes: Floats, present: NDArray[np.bool_], ridge: float = RIDGE) -> Probe:
    """Ridge logistic regression of present (N,) on codes (N, L), which are standardised for it.

    Raises RequestError where fewer than LEAST codes have the class, or have it not.
    """
    if min(int(present.sum()), int((~present).sum())) < LEAST:
        raise RequestError(f"a probe needs {LEAST} codes of either kind; {int(present.sum())} of {len(present)} have the class")
    mean, deviation = codes.mean(axis=0), codes.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)
    x = (codes - mean) / scale
    sign = np.where(present, 1.0, -1.0)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weight, bias = parameters[:-1], parameters[-1]
        margin = sign * (x @ weight + bias)
        slope = -sign * expit(-margin) / len(x)
        value = float(np.logaddexp(0.0, -margin).mean() + ridge * weight @ weight / 2)
        return value, np.append(x.T @ slope + ridge * weight, slope.sum())

    found = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B").x
    weight = found[:-1] / scale
    length = float(np.linalg.norm(weight))
    if length == 0.0:
        raise RequestError("no number of the codes has anything to do with the class")
    return Probe(weight / length, float((weight @ mean - found[-1]) / length))


def auc(scores: Floats, present: NDArray[np.bool_]) -> float:
    """Chance that a code with the class scores higher than one without (Mann and Whitney); NaN where one kind is missing."""
    with_it, without = int(present.sum()), int((~present).sum())
    if not with_it or not without:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[present].sum() - with_it * (with_it + 1) / 2) / (with_it * without))


def conditional_entropy(said: NDArray[np.bool_], present: NDArray[np.bool_]) -> float:
    """H(present | said) in bits: what is still unknown of a class once a probe has spoken. 0 where it is never wrong."""
    total = 0.0
    for answer in (True, False):
        share = present[said == answer]
        if len(share):
            p = float(share.mean())
            entropy = -sum(q * np.log2(q) for q in (p, 1 - p) if q > 0)
            total += len(share) / len(present) * entropy
    return total


def separability(entropies: Floats) -> float:
    """2^Σ H over classes: 1 where probes are never wrong, doubling with each bit that stays unknown."""
    return float(2.0 ** np.sum(entropies))
