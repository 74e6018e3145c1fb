"""Rows of the findings about classes along a walk: how they follow, what they are at each strength, what else moves, why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ganaudit.statistics import resampling
from ganaudit.statistics.responses import ENOUGH, Estimate, estimated, saturation_estimate, slope
from ganaudit.studies.steering.asking import ATTRIBUTES
from ganaudit.studies.steering.reach_rows import Realism
from ganaudit.studies.steering.reading import Walked
from ganaudit.studies.steering.walk_measures import Measured, WalkMeasures

Row = dict[str, Any]
Floats = NDArray[np.float64]
FOLLOWS, DOES_NOT, INCONCLUSIVE, TOO_FEW = "follows", "does not follow", "inconclusive", "too few images"
LEAST_SLOPE = 0.1
"""Beyond doubt above it, a class follows; beyond doubt below, it does not."""
OF_IMAGES = ("distance", "error", "error_still")
LEAST_CLASSES = 4
"""Classes that a correlation needs."""


def interval(name: str, estimate: Estimate) -> Row:
    return resampling.interval(name, estimate)


def steerability_rows(measures: WalkMeasures, reach: tuple[float, float]) -> Iterator[Row]:
    """A row a class. reach: the strengths within which the walk is realistic."""
    walked = measures.walked
    for measured in (measures.whole, *measures.classes):
        row: Row = {**measures.of(measured), "images": measured.held, "verdict": TOO_FEW}
        place = measured.attribute
        if measured.class_id is None and place is None:
            continue
        if place is not None:
            row["attribute"] = measured.names[place]
        if measured.enough:
            row |= interval("detection_below", detection(measured, 0)) | interval("detection_above", detection(measured, -1))
            row["verdict"] = INCONCLUSIVE
            if place is not None:
                row |= _response(measured, place, walked, reach)
        yield row


def _response(measured: Measured, place: int, walked: Walked, reach: tuple[float, float]) -> Row:
    asked, alphas, origin = walked.change, np.array(walked.alphas), walked.origin
    assert asked is not None
    changes = measured.changes
    of_slope = estimated(float(slope(changes.mean[place], asked, origin)), slope(changes.resampled[:, place], asked, origin))
    row = interval("slope", of_slope)
    for name, upwards in (("saturation_below", False), ("saturation_above", True)):
        row |= interval(name, saturation_estimate(changes, place, asked, origin, alphas, upwards))
    low, high = (walked.alphas.index(end) for end in reach)
    sign = np.sign(asked[high] - asked[low])
    of_range = [sign * (means[..., place, high] - means[..., place, low]) for means in changes.both]
    row |= interval("range", estimated(float(of_range[0]), of_range[1]))
    row["verdict"] = verdict(of_slope)
    return row


def verdict(of_slope: Estimate) -> str:
    """Of a slope with its interval."""
    _, low, high = of_slope
    if low is None or high is None:
        return INCONCLUSIVE
    return FOLLOWS if low > LEAST_SLOPE else DOES_NOT if high < LEAST_SLOPE else INCONCLUSIVE


def detection(measured: Measured, strength: int) -> Estimate:
    """Share of the images that hold the class at the identity in which it is found at a strength."""
    found = measured.there[measured.holding][:, [strength]]
    (share,) = resampling.means(found, np.ones(len(found)), clusters=measured.held_clusters)
    return share


def curve_rows(measures: WalkMeasures, found: Realism) -> Iterator[Row]:
    """Every measure of every class at every strength."""
    for measured in measures.enough:
        known = {
            **{name: measured.values[:, place] for place, name in enumerate(measured.names)},
            "detection": _where(measured, measured.there), "confidence": _where(measured, measured.confidence),
        }  # fmt: skip
        if measured.class_id is None:
            known |= {name: measures.steered.whole[name] for name in OF_IMAGES}
            known.pop("detection")
        for name, values in known.items():
            yield from _curve(measures, measured, name, values)
    yield from _realism_rows(measures, found)


def _where(measured: Measured, values: Floats) -> Floats:
    """Values of the images that hold the class at the identity."""
    return np.where(measured.holding[:, None], values, np.nan)


def _curve(measures: WalkMeasures, measured: Measured, name: str, values: Floats) -> Iterator[Row]:
    walked = measures.walked
    if name in measured.names:
        values = np.where(np.isfinite(values[:, [walked.origin]]), values, np.nan)
    means = resampling.means(values, np.ones(len(values)), clusters=measured.clusters)
    wanted = measured.attribute is not None and name == measured.names[measured.attribute]
    start, asked = means[walked.origin][0], walked.change
    row = {**measures.of(measured), "measure": name}
    if name in measured.names:
        real = measured.real[:, measured.names.index(name)]
        if np.isfinite(real).sum() >= ENOUGH:
            row |= {"real_mean": float(np.nanmean(real)), "real_sd": float(np.nanstd(real, ddof=1))}
    for place, (alpha, mean) in enumerate(zip(walked.alphas, means, strict=True)):
        yield {
            **row, "alpha": alpha, "images": int(np.isfinite(values[:, place]).sum()), **interval("value", mean),
            "asked": float(start + asked[place]) if wanted and asked is not None and start is not None else None,
        }  # fmt: skip


def _realism_rows(measures: WalkMeasures, found: Realism) -> Iterator[Row]:
    row: Row = {**measures.of(measures.whole)}
    images = np.isfinite(measures.steered.whole["width"]).sum(axis=0).tolist()
    for place, alpha in enumerate(found.alphas):
        distance, difference = found.distances[place], found.differences[place]
        for name, one in (("fsd", distance), ("fsd_difference", difference)):
            if one is not None:
                yield {
                    **row, "measure": name, "alpha": alpha, "images": images[place], "value": one.value,
                    "value_low": one.low, "value_high": one.high,
                }  # fmt: skip


def moved_both_ways(changes: Floats, origin: int) -> Floats:
    """(…, A) => (…), the mean of how far it is from the identity at both ends; at one, where the identity is the other. NaN
    where it is not known at an end. origin: place of the identity."""
    last = changes.shape[-1] - 1
    ends = [end for end in (0, last) if end != origin]
    return np.asarray(np.abs(changes[..., ends]).mean(axis=-1))


def cause_rows(measures: WalkMeasures) -> list[Row]:
    """Of the attribute that the edit asks for: how it varies in real images, and how far the walk moves it."""
    rows = []
    for measured in measures.enough:
        place = measured.attribute
        if place is None or measured.class_id is None:
            continue
        column, clusters = measured.real[:, place], measured.real_clusters
        there = np.isfinite(column)
        known, spread = column[there], deviation(column[there], None if clusters is None else clusters[there])
        moved, resampled = (moved_both_ways(means[..., place, :], measured.walked.origin) for means in measured.changes.both)
        rows.append({
            **measures.of(measured), "attribute": measured.names[place], "real_images": len(known),
            **interval("sigma", spread), **interval("shift", estimated(float(moved), resampled, True)),
        })  # fmt: skip
    return rows


def deviation(values: Floats, clusters: NDArray[np.int64] | None = None) -> Estimate:
    """The standard deviation over images; they, or their clusters, are resampled."""
    if resampling.independent(np.ones((len(values), 1), bool), clusters)[0] < ENOUGH:
        return None, None, None
    centred = np.stack([values - values.mean(), (values - values.mean()) ** 2], axis=1)
    moments = resampling.resampled_means(centred, clusters=clusters)
    spread = np.sqrt(np.maximum(moments[:, 1] - moments[:, 0] ** 2, 0.0) * len(values) / (len(values) - 1))
    return estimated(float(values.std(ddof=1)), spread)


def correlation_row(measures: WalkMeasures, causes: list[Row]) -> Row | None:
    """Whether what varies little in the data is moved little: over classes, Pearson's correlation with Fisher's interval."""
    walked = measures.walked
    if walked.asked is None:
        return None
    pairs = np.array([(row["sigma"], row["shift"]) for row in causes if None not in (row["sigma"], row["shift"])])
    row: Row = {**walked.named, "attribute": walked.asked.attribute, "classes": len(pairs)}
    if len(pairs) < LEAST_CLASSES or bool(np.any(pairs.std(axis=0) == 0.0)):
        return row
    found = stats.pearsonr(pairs[:, 0], pairs[:, 1])
    ends = found.confidence_interval(resampling.LEVEL)
    return row | interval("correlation", (float(found.statistic), float(ends.low), float(ends.high))) | {
        "p_value": float(found.pvalue)
    }  # fmt: skip


def side_effect_rows(measures: WalkMeasures) -> Iterator[Row]:
    """Every attribute of every class at both ends of the strengths, in standard deviations of the real images."""
    for measured in measures.enough:
        sigma = measured.sigma
        both = np.asarray(np.isfinite(measured.values[:, :, [0, -1]]).all(axis=2))
        for place, name in enumerate(measured.names):
            if not np.isfinite(sigma[place]):
                continue
            row = {
                **measures.of(measured), "attribute": name, "wanted": measured.role(name) != "other",
                "images": int(both[:, place].sum()),
            }  # fmt: skip
            for end, strength in (("below", 0), ("above", -1)):
                of_end = [means[..., place, strength] / sigma[place] for means in measured.changes.both]
                row |= interval(end, estimated(float(of_end[0]), of_end[1]))
            yield row


def disentanglement_row(measures: WalkMeasures) -> Row | None:
    """What the walk moves of what it is asked to, beside what else it moves, over classes."""
    asked = measures.walked.asked
    if asked is None:
        return None
    wanted, others = list[tuple[float, Floats]](), list[tuple[float, Floats]]()
    for measured in measures.enough:
        if measured.class_id is None:
            continue
        for place, name in enumerate(ATTRIBUTES):
            role, sigma = measured.role(name), measured.sigma[place]
            if role == "implied" or not np.isfinite(sigma):
                continue
            value, resampled = (
                moved_both_ways(means[..., place, :], measured.walked.origin) / sigma for means in measured.changes.both
            )
            if np.isfinite(value):  # of a class that all images lose at an end it is not known
                (wanted if role == "wanted" else others).append((float(value), resampled))
    row: Row = {**measures.walked.named, "attribute": asked.attribute, "classes": len(wanted)}
    if not wanted or not others:
        return row
    (one, ones), (other, further) = (
        (float(np.mean([value for value, _ in part])), np.mean([resampled for _, resampled in part], axis=0))
        for part in (wanted, others)
    )
    row |= interval("wanted", estimated(one, ones, True)) | interval("others", estimated(other, further, True))
    if one + other > 0.0:
        row |= interval("share", estimated(one / (one + other), ones / (ones + further), True))
    return row
