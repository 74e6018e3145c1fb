"""Creswell and Bharath's audits of a run: whose held-out error is lower, and whether training photos come back better."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from ganaudit.statistics import memorisation as generalisation
from ganaudit.statistics.resampling import interval, means
from ganaudit.studies.inversion.reading import InvertedGenerator, InvertedList, Row
from ganaudit.studies.inversion.settings import HELDOUT, TRAIN

LATENT, RANDOM = "latent", "random"
NEARER = {True: "a is nearer", False: "b is nearer"}
ALIKE = "cannot be told apart"


def pair_rows(run: str, generators: Sequence[InvertedGenerator]) -> list[Row]:
    """Rows of generalisation: pairs of one resolution, and of the same method, over the photos that both inverted."""
    rows = []
    for a, b in combinations(generators, 2):
        if a.resolution is None or a.resolution != b.resolution:
            continue
        for inverted, _ in a.heldout():
            other = b.like(inverted, HELDOUT)
            if other is not None:
                rows.append(_pair(run, (a, inverted), (b, other)))
    return rows


def _pair(run: str, first: tuple[InvertedGenerator, InvertedList], second: tuple[InvertedGenerator, InvertedList]) -> Row:
    (a, first_list), (b, second_list) = first, second
    theirs = {row["image"]: row["mse"] for row in second_list.ended}
    both = [row for row in first_list.ended if row["image"] in theirs]
    apart = np.array([[row["mse"] - theirs[row["image"]]] for row in both], dtype=np.float64).reshape(-1, 1)
    estimated = means(apart, np.array([row["weight"] for row in both], dtype=np.float64))[0]
    return {
        "run": run,
        "generator_a": a.name,
        "generator_b": b.name,
        "method": first_list.setting.method,
        "penalty_factor": first_list.setting.factor,
        "layer_a": first_list.layer,
        "layer_b": second_list.layer,
        "resolution": a.resolution,
        "images": len(both),
        **interval("difference", estimated),
        "verdict": _nearer(estimated, len(both)),
    }


def _nearer(interval: tuple[float | None, float | None, float | None], images: int) -> str:
    _, low, high = interval
    if low is None or high is None or images < generalisation.LEAST:
        return generalisation.NOT_TESTABLE
    return ALIKE if low <= 0.0 <= high else NEARER[high < 0.0]


def memorisation_row(run: str, generator: InvertedGenerator) -> Row:
    """The row of memorisation; where it cannot be tested, it says why."""
    searched = [inverted for inverted in generator.plain if inverted.setting.method == LATENT]
    heldout = next((inverted for inverted in searched if inverted.setting.sample == HELDOUT), None)
    train = next((inverted for inverted in searched if inverted.setting.sample == TRAIN), None)
    (errors, weights), (their_errors, their_weights) = _errors(heldout), _errors(train)
    trustworthy = all(
        row["evidential"] and row["start"] == RANDOM for inverted in (heldout, train) if inverted for row in inverted.ended
    )
    memorised = generalisation.memorisation(their_errors, errors, trustworthy, their_weights, weights)
    row: Row = {
        "run": run,
        "generator": generator.name,
        "train_images": len(their_errors),
        "heldout_images": len(errors),
        **interval("difference", _known(memorised.difference.value, memorised.difference.low, memorised.difference.high)),
        **dict(zip(("ks", "ks_p", "auc"), _known(memorised.ks, memorised.ks_p, memorised.auc), strict=True)),
        "verdict": memorised.verdict,
    }
    if memorised.verdict == generalisation.NOT_TESTABLE:
        row["reason"] = _reason(heldout, train, trustworthy)
    return row


def _errors(inverted: InvertedList | None) -> tuple[generalisation.Floats, generalisation.Floats]:
    rows = [row for row in inverted.ended if row["mse"] is not None] if inverted else []
    return np.array([row["mse"] for row in rows], dtype=np.float64), np.array([row["weight"] for row in rows], dtype=np.float64)


def _known(*values: float) -> tuple[float | None, float | None, float | None]:
    a, b, c = (float(value) if np.isfinite(value) else None for value in values)
    return a, b, c


def _reason(heldout: InvertedList | None, train: InvertedList | None, trustworthy: bool) -> str:
    if heldout is None:
        return "invert.methods does not name latent, and a learned inverter may itself have seen a photo"
    if train is None:
        return "no training photos were inverted"
    if not trustworthy:
        return "the searches did not start at random, or what they may free is no evidence"
    return f"fewer than {generalisation.LEAST} photos of one kind were inverted"
