"""Scenarios about classes: intervals of their ratios, and verdicts where they are hardest and where the planner says."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from benchmarks.calibration.cases import LINES, NUMBERS, Case, OpenedCase, Row, finite, gainsaid, keep
from benchmarks.calibration.planting import Change, Copies, Drawn, Frames
from benchmarks.calibration.pool import SCENES, Pool, PoolSource
from ganaudit.statistics import power
from ganaudit.statistics import verdicts as deciding
from ganaudit.statistics.class_counts import ClassCounts, count_classes, threshold
from ganaudit.statistics.verdicts import DROPPED, MEASURES, REDUCED, WORDS, Verdicts
from ganaudit.village.scene import Prevalence

SEEN = (3, 10, 30, 300)
"""Images expected to hold a class on the side that has fewest, from which on classes are taken together."""
RATIOS = (1.0, 0.5)
VARIANT_SCENES = SCENES // 8
VARIANTS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("people, fences", ("person", "fence"), ("car", "lamp")),
    ("cars, lamps", ("car", "lamp"), ("person", "fence")),
    ("sun, clouds", ("sun", "cloud"), ("tree", "road")),
)
"""Villages without some kinds and with a quarter of others."""
PLACES = {
    "no difference": 1.0, "all at dropped": LINES.dropped, "all at reduced": LINES.reduced, "all at increased": LINES.increased,
}  # fmt: skip
"""A true ratio of all classes."""
TOGETHER: dict[str, Copies | Frames] = {
    "100 of 1,100 ten times": Copies(100, 10), "100 clusters of 20": Frames(20, 0.7), "20 clusters of 100": Frames(100, 0.7),
}  # fmt: skip


def at(pool: Pool, ratio: float) -> tuple[Change, Change]:
    """What is planted on the real and on the generated side to have every class, by every measure, at a ratio."""
    real, generated = (
        Change(() if share == 1 else (share,) * len(pool.classes)) for share in (min(1.0, 1 / ratio), min(1.0, ratio))
    )
    return real, generated


def ratio_cases(pool: Pool) -> list[Case]:
    """Every class at one ratio of presence, area and count."""
    return [
        Case("ratios", f"ratio {ratio:g}", *numbers, *at(pool, ratio), ratio=ratio) for numbers in NUMBERS for ratio in RATIOS
    ]


def ratios(opened: OpenedCase, replicate: int) -> list[Row]:
    """By measure and by how many images may be expected to hold a class: the share of intervals that hold the ratio."""
    case, truth = opened.case, opened.case.ratio or 1.0
    real, generated = _sides(opened.real(replicate), opened.generated(replicate), opened.pool.pixels)
    expected = opened.pool.share * min(case.real_images, case.generated_images)
    rows = []
    for measure in MEASURES:
        _, low, high = deciding.estimate(real, generated, measure, LINES.alpha)
        known = np.isfinite(low) & (real.holding(measure) > 0)
        inside = (low <= truth) & ~(high < truth)
        for least, most in zip(SEEN, (*SEEN[1:], np.inf), strict=True):
            some = known & (expected >= least) & (expected < most)
            if some.any():
                name = f"seen in {least} or more" if np.isinf(most) else f"seen in {least} to {most}"
                rows.append({"statistic": measure, "class": name, "truth": truth, "estimate": float(inside[some].mean())})
    return rows


def boundary_cases(pool: Pool) -> list[Case]:
    """Every class at one place: nothing is beyond a line, and a verdict that says so is false."""
    return [
        Case("boundary", name, *numbers, *at(pool, ratio), ratio=ratio) for numbers in NUMBERS for name, ratio in PLACES.items()
    ]


def boundary(opened: OpenedCase, replicate: int) -> list[Row]:
    """Of each measure and word, how many classes it is falsely said of."""
    ratio = 1.0 if opened.case.ratio is None else opened.case.ratio
    decided = deciding.decide(*_sides(opened.real(replicate), opened.generated(replicate), opened.pool.pixels), LINES)
    rows = []
    for measure, said in decided.items():
        for word in WORDS:
            false = int((said.verdict == word).sum()) if gainsaid(word, ratio) else 0
            rows.append({"statistic": measure, "verdict": word, "truth": ratio, "estimate": float(false), "wrong": false > 0})
    return rows


def dependent_cases(pool: Pool) -> list[Case]:
    """Real images that are repeated, or frames of a few scenes, and are told to be."""
    cases = []
    for together, dependence in TOGETHER.items():
        for place in ("no difference", "all at reduced"):
            _, generated = at(pool, PLACES[place])
            real = Change(together=dependence)
            cases.append(Case("dependent", f"{together}, {place}", 2_000, 2_000, real, generated, ratio=PLACES[place]))
    return cases


def half_cases(pool: Pool) -> list[Case]:
    """Half of the classes at 0.5, the others at exactly the line, where a false verdict is likeliest."""
    change = Change(tuple(0.5 if column % 2 else LINES.reduced for column in range(len(pool.classes))))
    return [Case("half reduced", "half at 0.5, half at reduced", n, n, generated=change) for n in (2_000, 10_000)]


def half(opened: OpenedCase, replicate: int) -> list[Row]:
    """Verdicts of which half of the classes deserve one."""
    truth = dict(enumerate(opened.case.generated.keep))
    return _judged(opened, opened.real(replicate), opened.generated(replicate), {measure: truth for measure in MEASURES})


def planner_cases(pool: Pool) -> list[Case]:
    return [Case("planner", "one class at the planner's figure", 4_000, 4_000)]


def planner(opened: OpenedCase, replicate: int) -> list[Row]:
    """One class erased to what the planner says would be found, all others whole; the class changes with the replicate."""
    drawn = opened.real(replicate)
    present_from = threshold(drawn.held, opened.pool.pixels)
    real = count_classes(drawn.held, present_from)
    losses = deciding.loss_p_values(real, opened.case.generated_images, LINES)
    chosen, level = deciding.testable(np.stack(list(losses.values())), LINES.alpha)
    detectable = power.detectable(real, opened.case.generated_images, LINES, level)
    rows = []
    for measure, eligible in zip(losses, chosen, strict=True):
        places = np.flatnonzero(eligible & np.isfinite(detectable[measure]))
        if not len(places):
            continue
        place = int(places[replicate % len(places)])
        ratio = float(detectable[measure][place])
        generated = opened.generated(replicate, Change(keep(opened.pool, {place: ratio})), f"generated for {measure}")
        judged = deciding.decide(real, count_classes(generated.held, present_from), LINES)[measure]
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
    rows = _judged(opened, opened.real(replicate), opened.generated(replicate), _truths(opened))
    planted = {opened.pool.classes[column] for column in opened.case.columns}
    for row in rows:
        if row["class"] in planted:
            row["wrong"] = row["verdict"] != (DROPPED if row["truth"] < LINES.dropped else REDUCED)
    return rows


def _judged(opened: OpenedCase, real: Drawn, generated: Drawn, truths: Mapping[str, Mapping[int, float]]) -> list[Row]:
    decided = deciding.decide(*_sides(real, generated, opened.pool.pixels), LINES)
    return [
        _row(opened, measure, column, truth, decided[measure])
        for measure in truths
        for column, truth in truths[measure].items()
    ]


def _row(opened: OpenedCase, measure: str, column: int, truth: float, decided: Verdicts) -> Row:
    """One verdict."""
    verdict = str(decided.verdict[column])
    return {
        "statistic": measure, "class": opened.pool.classes[column], "truth": truth, "estimate": finite(decided.ratio[column]),
        "estimate_low": finite(decided.low[column]), "estimate_high": finite(decided.high[column]),
        "p_value": finite(decided.p_value[column]), "verdict": verdict, "wrong": gainsaid(verdict, truth),
    }  # fmt: skip


def _sides(real: Drawn, generated: Drawn, pixels: int) -> tuple[ClassCounts, ClassCounts]:
    """What both sides hold, each class counted from its own size in the real images on, as by default."""
    present_from = threshold(real.held, pixels)
    a, b = (count_classes(side.held, present_from, side.clusters) for side in (real, generated))
    return a, b


@lru_cache(maxsize=8)
def _truths(opened: OpenedCase) -> dict[str, dict[int, float]]:
    """True ratio of each measure and class, from both pools."""
    present_from = threshold(opened.pool.held, opened.pool.pixels)
    real, generated = (count_classes(pool.held, present_from) for pool in (opened.pool, opened.other))

    ratios_of = {measure: deciding.estimate(real, generated, measure, LINES.alpha)[0] for measure in MEASURES}
    return {
        measure: {column: float(ratio) for column, ratio in enumerate(values) if np.isfinite(ratio)}
        for measure, values in ratios_of.items()
    }
