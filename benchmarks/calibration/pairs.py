"""Scenarios about pairs of classes: no difference at all, and two classes that never stand together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.calibration.cases import LINES, Case, OpenedCase, Row, finite, gainsaid
from benchmarks.calibration.planting import Apart, Change
from benchmarks.calibration.pool import Counts, Pool
from ganaudit.statistics import pairs as deciding

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
    seen = (pool.counts > 0).astype(np.float64)
    together = seen.T @ seen / len(pool)
    rare = np.diag(together) <= 0.5
    rare[0] = False
    met = np.triu(np.where(np.outer(rare, rare), together, -1.0), 1)
    a, b = np.unravel_index(int(met.argmax()), met.shape)
    return int(a), int(b)


def pairs(opened: OpenedCase, replicate: int) -> list[Row]:
    """Verdicts on pairs: all where nothing is planted, otherwise that of the pair that never meets."""
    real, generated = opened.real(replicate)[:, 1:], opened.generated(replicate)[:, 1:]
    decided = deciding.decide(
        _together(opened, real), len(real), _together(opened, generated), len(generated), LINES, np.ones(real.shape[1])
    )
    rows, ratio = [], opened.case.ratio
    for place, (a, b) in enumerate(zip(decided.a + 1, decided.b + 1, strict=True)):
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


def _together(opened: OpenedCase, counts: Counts) -> NDArray[np.int64]:
    seen = (counts >= opened.least).astype(np.float64)
    return (seen.T @ seen).astype(np.int64)


def _name(pool: Pool, a: int, b: int) -> str:
    return f"{pool.classes[a]} and {pool.classes[b]}"
