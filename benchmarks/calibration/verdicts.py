"""Scenarios about classes: intervals of their ratios, and verdicts where they are hardest and where the planner says."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from benchmarks.calibration.cases import LINES, MEASURES, PRESENCE, Case, OpenedCase, Row, classes_of, finite, gainsaid, keep
from benchmarks.calibration.planting import Change
from benchmarks.calibration.pool import SCENES, Counts, Pool, PoolSource
from ganaudit.statistics import power
from ganaudit.statistics import verdicts as deciding
from ganaudit.statistics.class_counts import ClassCounts, Held, count_classes, threshold
from ganaudit.statistics.verdicts import DROPPED, REDUCED, Verdicts
from ganaudit.village.scene import Prevalence

SEEN = (30, 300, 3_000)
RATIOS = (1.0, 0.5)
VARIANT_SCENES = SCENES // 8
VARIANTS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("people, fences", ("person", "fence"), ("car", "lamp")),
    ("cars, lamps", ("car", "lamp"), ("person", "fence")),
    ("sun, clouds", ("sun", "cloud"), ("tree", "road")),
)
"""Villages without some kinds and with a quarter of others."""


def ratio_cases(pool: Pool) -> list[Case]:
    """Classes erased on both sides until real images hold them 30, 300 or 3,000 times, and the generated ones that or half."""
    n, share = 10_000, (pool.counts > 0).mean(axis=0)
    cases = []
    for seen in SEEN:
        columns = tuple(column for column, _ in classes_of(pool) if share[column] >= seen / n)
        real = {column: seen / n / float(share[column]) for column in columns}
        for ratio in RATIOS if columns else ():
            generated = {column: ratio * kept for column, kept in real.items()}
            changes = (Change(keep(pool, real)), Change(keep(pool, generated)))
            cases.append(Case("ratios", f"seen in {seen:,}, ratio {ratio:g}", n, n, *changes, columns=columns, ratio=ratio))
    return cases


def ratios(opened: OpenedCase, replicate: int) -> list[Row]:
    """Intervals of presence and area ratios."""
    columns = np.array(opened.case.columns)
    real, generated = (_counts(opened, side[:, columns]) for side in (opened.real(replicate), opened.generated(replicate)))
    rows = []
    for measure in MEASURES:
        ratio, low, high = deciding.estimate(real, generated, measure, LINES.alpha)
        for place, column in enumerate(columns):
            rows.append({
                "statistic": measure, "class": opened.pool.classes[column], "truth": opened.case.ratio,
                "estimate": finite(ratio[place]), "estimate_low": finite(low[place]), "estimate_high": finite(high[place]),
            })  # fmt: skip
    return rows


def boundary_cases(pool: Pool) -> list[Case]:
    """Every class at exactly a line: nothing is beyond it, and a verdict that says so is false."""
    cases = []
    for n in (1_000, 4_000):
        below = Change(keep(pool, {column: LINES.reduced for column, _ in classes_of(pool)}))
        above = Change(keep(pool, {column: 1 / LINES.increased for column, _ in classes_of(pool)}))
        cases.append(Case("boundary", "all at reduced", n, n, generated=below, ratio=LINES.reduced))
        cases.append(Case("boundary", "all at increased", n, n, real=above, ratio=LINES.increased))
    return cases


def boundary(opened: OpenedCase, replicate: int) -> list[Row]:
    """Verdicts on classes that all have one true ratio."""
    ratio = opened.case.ratio or 1.0
    truth = {column: ratio for column, _ in classes_of(opened.pool)}
    return _judged(opened, opened.real(replicate), opened.generated(replicate), {measure: truth for measure in MEASURES})


def half_cases(pool: Pool) -> list[Case]:
    """Half of the classes at 0.5, the others at exactly the line, where a false verdict is likeliest."""
    shares = {column: 0.5 if column % 2 else LINES.reduced for column, _ in classes_of(pool)}
    change = Change(keep(pool, shares))
    return [Case("half reduced", "half at 0.5, half at reduced", n, n, generated=change) for n in (1_000, 4_000)]


def half(opened: OpenedCase, replicate: int) -> list[Row]:
    """Verdicts of which half of the classes deserve one."""
    truth = {column: opened.case.generated.keep[column] for column, _ in classes_of(opened.pool)}
    return _judged(opened, opened.real(replicate), opened.generated(replicate), {measure: truth for measure in MEASURES})


def planner_cases(pool: Pool) -> list[Case]:
    return [Case("planner", "one class at the planner's figure", 4_000, 4_000)]


def planner(opened: OpenedCase, replicate: int) -> list[Row]:
    """One class erased to what the planner says would be found, all others whole; the class changes with the replicate."""
    counts = opened.real(replicate)
    real = _counts(opened, counts[:, 1:])
    losses = np.stack(list(deciding.loss_p_values(real, opened.case.generated_images, LINES).values()))
    chosen, level = deciding.testable(losses, LINES.alpha)
    detectable = power.detectable(real, opened.case.generated_images, LINES, level)
    rows = []
    for measure, eligible in zip(MEASURES, chosen, strict=True):
        places = np.flatnonzero(eligible & np.isfinite(detectable[measure]))
        if not len(places):
            continue
        place = int(places[replicate % len(places)])
        ratio = float(detectable[measure][place])
        change = Change(keep(opened.pool, {place + 1: ratio}))
        generated = opened.generated(replicate, change, f"generated for {measure}")
        judged = deciding.decide(real, _counts(opened, generated[:, 1:]), LINES)[measure]
        rows.append(_row(opened, measure, place, ratio, judged))
    return rows


def village_cases(pool: Pool) -> list[Case]:
    """Villages that miss some kinds and hold a quarter of others; only where the pool is the village."""
    cases = []
    for (name, removed, quartered), source in zip(VARIANTS, variants(), strict=True):
        if set((*removed, *quartered)) <= set(pool.classes):
            columns = tuple(pool.classes.index(kind) for kind in (*removed, *quartered))
            cases.append(Case("village", f"without {name}", 4_000, 4_000, columns=columns, source=source))
    return cases


def variants() -> list[PoolSource]:
    """The villages of VARIANTS."""
    found = []
    for _, removed, quartered in VARIANTS:
        prevalence = {kind: 0.0 for kind in removed} | {kind: getattr(Prevalence(), kind) / 4 for kind in quartered}
        found.append(PoolSource(VARIANT_SCENES, tuple(sorted(prevalence.items()))))
    return found


def village(opened: OpenedCase, replicate: int) -> list[Row]:
    """Verdicts on a village with known omissions. Wrong: gainsaid by the truth, or not the word that the omission deserves."""
    truths = {measure: _truth(opened, measure) for measure in MEASURES}
    rows = _judged(opened, opened.real(replicate), opened.generated(replicate), truths)
    planted = {opened.pool.classes[column] for column in opened.case.columns}
    for row in rows:
        if row["class"] in planted:
            row["wrong"] = row["verdict"] != (DROPPED if row["truth"] < LINES.dropped else REDUCED)
    return rows


def _judged(opened: OpenedCase, real: Counts, generated: Counts, truths: Mapping[str, Mapping[int, float]]) -> list[Row]:
    decided = deciding.decide(_counts(opened, real[:, 1:]), _counts(opened, generated[:, 1:]), LINES)
    return [
        _row(opened, measure, column - 1, truths[measure][column], decided[measure])
        for measure in MEASURES
        for column, _ in classes_of(opened.pool)
    ]


def _row(opened: OpenedCase, measure: str, place: int, truth: float, decided: Verdicts) -> Row:
    """One verdict; place: number of the class without void."""
    verdict = str(decided.verdict[place])
    return {
        "statistic": measure, "class": opened.pool.classes[place + 1], "truth": truth, "estimate": finite(decided.ratio[place]),
        "estimate_low": finite(decided.low[place]), "estimate_high": finite(decided.high[place]),
        "p_value": finite(decided.p_value[place]), "verdict": verdict, "wrong": gainsaid(verdict, truth),
    }  # fmt: skip


def _counts(opened: OpenedCase, counts: Counts) -> ClassCounts:
    held = Held.of_pixels(counts)
    return count_classes(held, threshold(held, opened.pool.pixels, PRESENCE))


@lru_cache(maxsize=8)
def _truth(opened: OpenedCase, measure: str) -> dict[int, float]:
    """True ratio of each class, from both pools."""
    generated, real = (
        (pool.counts >= opened.least).mean(axis=0) if measure == "presence" else pool.counts.mean(axis=0)
        for pool in (opened.other, opened.pool)
    )
    return {column: float(generated[column] / real[column]) for column in range(1, len(real)) if real[column] > 0}
