"""What a parser is worth where the truth is known, and class findings corrected for its error.

Presence: observed presence p = Se·π + (1 - Sp)(1 - π), so π = (p + Sp - 1) / (Se + Sp - 1) (Rogan and Gladen, 1978). A
sensitivity that real and generated images share cancels in the ratio; false positives, which pull it towards 1, do not.
Area: the areas seen are m = Mᵀa, M being the pixel confusion with rows adding up to 1; a follows by non-negative least
squares (as Lipton, Wang and Smola, 2018, correct label shift). Both take it that the parser errs alike on the images that
it was measured on, on real and on generated ones. The tipping points say how far that has to be wrong to matter.

The doubt of all three sets of images is carried through by leaving out one of the groups of each in turn; for presence,
whose counts may be too small for that, by an interval made for them (`excesses`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats
from scipy.sparse import csr_array

from ganaudit.statistics import excesses, proportions
from ganaudit.statistics.moments import Rows
from ganaudit.statistics.proportions import Floats
from ganaudit.statistics.verdicts import DROPPED, EQUIVALENT, INCREASED, REDUCED, Lines

LEAST_WORTH = 0.05
"""Where sensitivity + specificity - 1 is below it, the parser knows next to nothing of a class: no correction."""
DOUBT_GROWS, DOUBT_RISES = 1.5, 0.02


@dataclass(frozen=True, eq=False)
class Measured:
    """Sums over G groups of images with true labels, C classes, void (label 0: unknown) first.

    n: (G,) images; true, found, both: (G, C) images that hold a class, in which the parser finds it, and both;
    confusion: (G, C, C) pixels of each true and parsed class.
    """

    n: Floats
    true: Floats
    found: Floats
    both: Floats
    confusion: Floats

    @property
    def groups(self) -> int:
        return len(self.n)

    def without(self, group: int | None = None) -> Measured:
        """The sums over all groups, or all but one, with one group left: (1, …)."""
        return Measured(*(_rest(value, group)[None] for value in (self.n, self.true, self.found, self.both, self.confusion)))


@dataclass(frozen=True, eq=False)
class ParsedImages:
    """Sums over G groups of parsed images. n: (G,) images; present: (G, C) that hold a class; total: (G, C) its pixels."""

    n: Floats
    present: Floats
    total: Floats
    pixels: int

    @property
    def groups(self) -> int:
        return len(self.n)

    def without(self, group: int | None = None) -> ParsedImages:
        n, present, total = (_rest(value, group)[None] for value in (self.n, self.present, self.total))
        return ParsedImages(n, present, total, self.pixels)


@dataclass(frozen=True, eq=False)
class Worth:
    """What the parser is worth on each class, (C,) each; NaN where nothing was there to measure it on."""

    holding: NDArray[np.int64]
    sensitivity: Floats
    sensitivity_low: Floats
    sensitivity_high: Floats
    specificity: Floats
    specificity_low: Floats
    specificity_high: Floats
    recall: Floats
    precision: Floats
    iou: Floats


@dataclass(frozen=True, eq=False)
class CorrectedRatios:
    """One measure's corrected ratios with their intervals, (C,) each. NaN where nothing is known; high may be infinite.

    log_se: standard error of log(ratio), NaN where that has none; degrees: of freedom of its t. worth: the parser's true
    and false positive rates, (C,) each; real: the real side's corrected presence or area share.
    """

    ratio: Floats
    low: Floats
    high: Floats
    log_se: Floats
    degrees: Floats
    true_positive: Floats
    false_positive: Floats
    real: Floats


def measured(true: NDArray[Any], parsed: NDArray[Any], confusion: NDArray[Any], groups: NDArray[Any], least: Any) -> Measured:
    """The sums that all else needs, from images one by one.

    true, parsed: (N, C) pixels of each class where the true label is known; confusion: (G, C, C) pixels of all images of a
    group; groups: (N,) group of each image; least: pixels from which a class is present, or (C,) of them.
    """
    number = len(confusion)
    there, given = true >= least, parsed >= least
    holding, found, both = (
        _summed(csr_array(value.astype(np.float64)), groups, number) for value in (there, given, there & given)
    )
    n = np.bincount(groups, minlength=number).astype(np.float64)
    return Measured(n, holding, found, both, confusion.astype(np.float64))


def seen(counts: Rows, pixels: int, groups: NDArray[Any], least: Any) -> ParsedImages:
    """The sums over parsed images: counts (N, C) pixels of each class, dense or sparse; groups (N,) of each image."""
    number = int(groups.max(initial=-1)) + 1
    total = csr_array(counts).astype(np.float64)
    enough = total.data >= np.broadcast_to(least, total.shape[1:])[total.indices]
    present = csr_array((enough.astype(np.float64), total.indices, total.indptr), shape=total.shape)
    n = np.bincount(groups, minlength=number).astype(np.float64)
    return ParsedImages(n, _summed(present, groups, number), _summed(total, groups, number), pixels)


def worth(known: Measured, alpha: float = 0.05) -> Worth:
    """Sensitivity and specificity of presence with exact intervals (Clopper and Pearson, 1934), and those of pixels."""
    whole = known.without()
    n, true, found, both = whole.n[0], whole.true[0], whole.found[0], whole.both[0]
    absent = n - true
    kept = absent - (found - both)
    pixels = whole.confusion[0].copy()
    pixels[0] = 0.0
    hits, there, given = np.diag(pixels), pixels.sum(axis=1), pixels.sum(axis=0)
    return Worth(
        true.astype(np.int64),
        _share(both, true), *_exact(both, true, alpha), _share(kept, absent), *_exact(kept, absent, alpha),
        _share(hits, there), _share(hits, given), _share(hits, there + given - hits),
    )  # fmt: skip


def presence(known: Measured, real: ParsedImages, generated: ParsedImages, alpha: float = 0.05) -> CorrectedRatios:
    """Ratios of presences, corrected after Rogan and Gladen."""

    def shares(part: Measured, side: ParsedImages) -> Floats:
        true, false = _rates(part)
        return rogan_gladen(side.present[0] / side.n[0], true, 1.0 - false)

    ratios = _corrected(known, real, generated, shares, _rates(known.without()), alpha)
    false = _independent(known.found - known.both, known.n[:, None] - known.true)
    before, after = (_independent(side.present, side.n[:, None]) for side in (real, generated))
    low, high = excesses.interval(*false, *before, *after, alpha)
    some = np.isfinite(ratios.ratio)
    low, high = np.minimum(low, ratios.ratio), np.maximum(high, ratios.ratio)  # a share kept below 1 may lie outside
    return replace(ratios, low=np.where(some, low, np.nan), high=np.where(some, high, np.nan))


def area(known: Measured, real: ParsedImages, generated: ParsedImages, alpha: float = 0.05) -> CorrectedRatios:
    """Ratios of areas, corrected by non-negative least squares on the pixel confusion."""

    def shares(part: Measured, side: ParsedImages) -> Floats:
        return true_areas(part.confusion[0], side.total[0] / (side.n[0] * side.pixels))

    pixels = known.confusion.sum(axis=0)
    pixels[0] = 0.0
    hits, there, given = np.diag(pixels), pixels.sum(axis=1), pixels.sum(axis=0)
    rates = _share(hits, there), _share(given - hits, pixels.sum() - there)
    return _corrected(known, real, generated, shares, rates, alpha)


def rogan_gladen(seen_in: Floats, sensitivity: Floats, specificity: Floats) -> Floats:
    """(C,) true shares of images, kept between 0 and 1; NaN where the parser knows next to nothing of a class."""
    knows = sensitivity + specificity - 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        prevalence = np.clip((seen_in + specificity - 1.0) / knows, 0.0, 1.0)
    return np.where(knows >= LEAST_WORTH, prevalence, np.nan)


def true_areas(confusion: Floats, areas: Floats) -> Floats:
    """(C,) true area shares that best explain those seen. confusion: (C, C) pixels; a class without any is taken as it is."""
    there = confusion.sum(axis=1)
    there[0] = 0.0
    rows = np.where(there[:, None] > 0, confusion / np.maximum(there, 1.0)[:, None], np.eye(len(there)))
    try:
        exact = np.linalg.solve(rows.T, areas)
        if (exact >= 0).all():  # explains all and breaks no bound: there is no better
            return np.asarray(exact)
    except np.linalg.LinAlgError:
        pass
    return np.asarray(optimize.nnls(rows.T, areas)[0])


def tipping(corrected: CorrectedRatios, verdict: NDArray[np.str_], lines: Lines) -> tuple[Floats, Floats]:
    """(C,) sensitivity and (C,) false-positive rate on generated images at which each verdict would no longer hold.

    Given the real side's rates Se and f. A verdict `reduced` needs the ratio's upper end below its line. Were the
    sensitivity on generated images s, all ratios would grow by (Se - f) / (s - f): the end reaches the line at
    s = f + (Se - f)·high/line. `equivalent` and `increased` need the lower end above theirs. With a false-positive rate g
    it becomes (q - g) / (Se - g) / π, where q is the presence seen that belongs to the lower end and π the real one: that
    reaches the line L at g = (q - L·π·Se) / (1 - L·π). For areas, rates are those of pixels.
    """
    se, fp = corrected.true_positive, corrected.false_positive
    upper = np.select([verdict == DROPPED, verdict == REDUCED], [lines.dropped, lines.reduced], np.nan)
    lower = np.select([verdict == INCREASED, verdict == EQUIVALENT], [lines.increased, lines.reduced], np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        sensitivity = fp + (se - fp) * corrected.high / upper
        seen_low = fp + corrected.low * corrected.real * (se - fp)
        false = (seen_low - lower * corrected.real * se) / (1.0 - lower * corrected.real)
    possible = (lower * corrected.real < 1.0) & (false >= 0.0) & (false <= 1.0)
    return np.where(sensitivity <= 1.0, sensitivity, np.where(np.isfinite(sensitivity), 1.0, np.nan)), np.where(
        possible, false, np.nan
    )


def confidence_falls(real: float | None, generated: float | None) -> bool | None:
    """Whether doubt (1 - confidence) is half as large again on generated images, and .02 larger; None where one is unknown.

    The first keeps classes of which the parser is never sure from being flagged for little, the second those of which it
    is always sure.
    """
    if real is None or generated is None:
        return None
    return (1.0 - generated) >= DOUBT_GROWS * (1.0 - real) and real - generated >= DOUBT_RISES


def _corrected(
    known: Measured,
    real: ParsedImages,
    generated: ParsedImages,
    shares: Callable[[Measured, ParsedImages], Floats],
    rates: tuple[Floats, Floats],
    alpha: float,
) -> CorrectedRatios:
    """The ratio and its interval: on the log scale where every group can be spared, else on the plain one, from 0 on.

    Where no generated image shows a class the jackknife sees no doubt, and nothing bounds the ratio above.
    """
    whole = known.without(), real.without(), generated.without()
    below, above = shares(whole[0], whole[1]), shares(whole[0], whole[2])
    ratio = _ratio(above, below)
    variance, log_variance, squares, log_squares = (np.zeros(len(ratio)) for _ in range(4))
    spared: tuple[tuple[int, Callable[[int], tuple[Floats, Floats]]], ...] = (
        (known.groups, lambda g: (shares(known.without(g), whole[2]), shares(known.without(g), whole[1]))),
        (real.groups, lambda g: (above, shares(whole[0], real.without(g)))),
        (generated.groups, lambda g: (shares(whole[0], generated.without(g)), below)),
    )
    for k, without in spared:
        if k < 2:
            variance, log_variance = variance + np.nan, log_variance + np.nan
            continue
        left = np.stack([_ratio(*without(group)) for group in range(k)])
        with np.errstate(divide="ignore", invalid="ignore"):
            for values, sums, tops in ((left, variance, squares), (np.log(left), log_variance, log_squares)):
                part = (k - 1) / k * ((values - values.mean(axis=0)) ** 2).sum(axis=0)
                sums += part
                tops += part**2 / (k - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        degrees = np.where(log_squares > 0, log_variance**2 / log_squares, np.inf)
        t = stats.t.ppf(1.0 - alpha / 2.0, degrees)
        factor = np.exp(t * np.sqrt(log_variance))
        plain = stats.t.ppf(1.0 - alpha / 2.0, np.where(squares > 0, variance**2 / squares, np.inf)) * np.sqrt(variance)
    logs = np.isfinite(log_variance) & (ratio > 0)
    low = np.where(logs, ratio / factor, np.maximum(ratio - plain, 0.0))
    high = np.where(logs, ratio * factor, ratio + plain)
    none = generated.present.sum(axis=0) == 0
    high = np.where(none & np.isfinite(high), np.inf, high)
    return CorrectedRatios(ratio, low, high, np.where(logs, np.sqrt(log_variance), np.nan), degrees, *rates, below)


def _independent(holding: Floats, n: Floats) -> tuple[Floats, Floats]:
    """(C,) images that hold, and of how many, as if all were independent."""
    by = excesses.design(holding, n)
    return holding.sum(axis=0) / by, n.sum(axis=0) / by


def _rates(known: Measured) -> tuple[Floats, Floats]:
    """(C,) true and false positive rate of presence; of a class in every image, nothing is falsely found."""
    true, n = known.true[0], known.n[0]
    false = _share(known.found[0] - known.both[0], n - true)
    return _share(known.both[0], true), np.where(true == n, 0.0, false)


def _ratio(above: Floats, below: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / below, np.nan)


def _share(part: Any, whole: Any) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient: Floats = np.where(np.asarray(whole) > 0, part / np.asarray(whole, np.float64), np.nan)
    return quotient


def _exact(part: Floats, whole: Floats, alpha: float) -> tuple[Floats, Floats]:
    low, high = proportions.exact(part, whole, alpha / 2)
    return np.where(whole > 0, low, np.nan), np.where(whole > 0, high, np.nan)


def _rest(value: Floats, group: int | None) -> Floats:
    whole: Floats = value.sum(axis=0)
    return whole if group is None else whole - value[group]


def _summed(values: csr_array, groups: NDArray[Any], number: int) -> Floats:
    n = len(groups)
    member = csr_array((np.ones(n), (groups, np.arange(n))), shape=(number, n))
    sums: Floats = (member @ values).toarray()
    return sums
