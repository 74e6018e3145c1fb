"""Scenarios about pairs of classes: no difference at all, and two classes that never stand together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from benchmarks.calibration.cases import LINES, Case, OpenedCase, Row, finite, gainsaid
from benchmarks.calibration.planting import Apart, Change
from benchmarks.calibration.pool import Pool
from ganaudit.statistics import pairs as deciding
from ganaudit.statistics.class_counts import Held, Threshold, threshold

NAMED = ("person", "car")


def pair_cases(pool: Pool) -> list[Case]:
    columns = kept_apart(pool)
    return [
        Case("pairs", "no difference", 4_000, 4_000, ratio=1.0),
        Case("pairs", f"{_name(pool, *columns)} never together", 4_000, 4_000, generated=Change(apart=Apart(columns)),
             columns=columns, ratio=0.0),
    ]  # fmt: skip


def kept_apart(pool: Pool) -> tuple[int, int]:
    """Person and car; in a pool without them, the two classes each in half of the images at most that most often meet."""
    if set(NAMED) <= set(pool.classes):
        return pool.classes.index(NAMED[0]), pool.classes.index(NAMED[1])
    everything = Threshold(np.zeros(len(pool.classes), np.int64), True)
    together = _together(pool.held, everything) / len(pool)
    rare = np.diag(together) <= 0.5
    met = np.triu(np.where(np.outer(rare, rare), together, -1.0), 1)
    a, b = np.unravel_index(int(met.argmax()), met.shape)
    return int(a), int(b)


def pairs(opened: OpenedCase, replicate: int) -> list[Row]:
    """Verdicts on pairs: all where nothing is planted, otherwise that of the pair that never meets."""
    real, generated = opened.real(replicate), opened.generated(replicate)
    present_from = threshold(real.held, opened.pool.pixels)
    together = [_together(side.held, present_from) for side in (real, generated)]
    decided = deciding.decide(together[0], len(real), together[1], len(generated), LINES, np.ones(len(opened.pool.classes)))
    rows, ratio = [], opened.case.ratio
    for place, (a, b) in enumerate(zip(decided.a, decided.b, strict=True)):
        if opened.case.columns and {int(a), int(b)} != set(opened.case.columns):
            continue
        verdict = str(decided.verdict[place])
        rows.append({
            "statistic": "pair", "class": _name(opened.pool, int(a), int(b)), "truth": ratio,
            "estimate": finite(decided.ratio[place]), "estimate_low": finite(decided.low[place]),
            "estimate_high": finite(decided.high[place]), "p_value": finite(decided.p_value[place]), "verdict": verdict,
            "wrong": gainsaid(verdict, 1.0 if ratio is None else ratio),
        })  # fmt: skip
    return rows


def _together(held: Held, present_from: Threshold) -> NDArray[np.int64]:
    seen = csr_array((present_from.seen(held).astype(np.int64), (held.image, held.column)), shape=held.shape)
    together: NDArray[np.int64] = (seen.T @ seen).toarray()
    return together


def _name(pool: Pool, a: int, b: int) -> str:
    return f"{pool.classes[a]} and {pool.classes[b]}"
