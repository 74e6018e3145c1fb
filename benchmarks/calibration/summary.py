"""What the replicates come to: coverage, bias, error rates and shares found, each beside what is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.calibration import distances
from benchmarks.calibration.cases import LINES, Case
from benchmarks.calibration.pool import Pool
from ganaudit.records.store import Store
from ganaudit.records.tables import CALIBRATION, CALIBRATIONS
from ganaudit.statistics.verdicts import DROPPED, REDUCED

Floats = NDArray[np.float64]
Range = tuple[float | None, float | None]

COVERAGE: Range = (0.93, 0.985)
"""Of an interval at 95 %, beside two standard errors of as many replicates."""
FLOOR = (0.8, 1.25)
"""Of the told floor, by the mean distance where nothing differs, beside two standard errors of that mean."""
WITHHELD = 0.05
"""Share of intervals that may be withheld from so many images a side on as MANY."""
MANY = 10_000
"""Images a side from which on a distance is sure to have an interval, and the floor to be near."""
LEAST_GIVEN = 20
"""Intervals that were given, from which on their coverage is worth a line."""
FOUND = 0.87
"""Least share of drops at the planner's figure, which promises 0.9, beside two standard errors."""
OPEN: Range = (None, None)
MET, NOT_MET, SAID = "met", "not met", "said"
OMITTED = (DROPPED, REDUCED)


@dataclass(frozen=True, eq=False)
class Property:
    """One measured property of a case. values: (R,) one number for each replicate, whose mean it is."""

    statistic: str
    name: str
    values: Floats
    wanted: Range = OPEN
    truth: float | None = None

    def row(self, pool: str, world: str, case: Case) -> dict[str, Any]:
        n = len(self.values)
        measured = float(self.values.mean()) if n else None
        spread = float(self.values.std(ddof=1) / n**0.5) if n > 1 else None
        low, high = self.wanted
        verdict = SAID
        if measured is not None and self.wanted != OPEN:
            inside = (low is None or measured >= low) and (high is None or measured <= high)
            verdict = MET if inside else NOT_MET
        return {
            "pool": pool, "world": world, "scenario": case.scenario, "case": case.name, "statistic": self.statistic,
            "property": self.name,
            "real_images": case.real_images, "generated_images": case.generated_images, "replicates": n, "truth": self.truth,
            "measured": measured, "measured_se": spread, "wanted_low": low, "wanted_high": high, "verdict": verdict,
        }  # fmt: skip


def summarise(store: Store, pool: Pool, world: str, cases: Sequence[tuple[Case, Sequence[Path]]]) -> pa.Table:
    """The table `calibration` of cases of a pool and the files of their replicates."""
    rows = []
    for case, paths in cases:
        replicates = pa.concat_tables([store.read(CALIBRATIONS, path) for path in paths]).to_pandas()
        rows += [one.row(pool.key, world, case) for one in properties(case, replicates)]
    return CALIBRATION.from_rows(rows)


def properties(case: Case, replicates: pd.DataFrame) -> Iterator[Property]:
    """Everything that is measured of a case, from its rows of `calibrations`."""
    by_scenario = {
        "distance": _distance, "ratios": _ratios, "permutation": _permutation, "boundary": _boundary, "dependent": _dependent,
        "half reduced": _half, "planner": _planner, "village": _village, "comparison": _comparison, "pairs": _pairs,
    }  # fmt: skip
    yield from by_scenario[case.scenario](case, replicates)


def at_most(share: float, replicates: int) -> Range:
    """An error rate that is `share` or less, within two standard errors of that many replicates."""
    return None, share + 2 * _error(share, replicates)


def coverage(values: Floats, least: bool = False) -> Range:
    """COVERAGE within two standard errors; least: without its upper end, as few images cannot be covered evenly."""
    low, high = COVERAGE
    assert low is not None and high is not None
    of_yes_and_no = np.isin(values, (0.0, 1.0)).all()
    errors = [
        _error(end, len(values)) if of_yes_and_no else float(values.std(ddof=1)) / len(values) ** 0.5 for end in (low, high)
    ]
    return low - 2 * errors[0], None if least else min(1.0, high + 2 * errors[1])


def _distance(case: Case, replicates: pd.DataFrame) -> Iterator[Property]:
    corrected, plain, floor = (replicates[replicates["statistic"] == name] for name in ("corrected", "plain", "floor"))
    truth = _first(corrected["truth"])
    large = min(case.real_images, case.generated_images) >= MANY
    withheld = _values(corrected["verdict"] == distances.WITHHELD)
    yield Property("corrected", "withheld", withheld, at_most(WITHHELD, len(withheld)) if large else OPEN, truth)
    given = corrected[corrected["verdict"] == distances.GIVEN]
    if len(given) >= LEAST_GIVEN:
        inside = covered(given)
        yield Property("corrected", "coverage", inside, coverage(inside), truth)
        yield Property("corrected", "bias", _values(given["estimate"]) - truth, OPEN, truth)
        yield Property(
            "corrected", "width of the interval", _values(given["estimate_high"] - given["estimate_low"]), OPEN, truth
        )
    yield Property("plain", "bias", _values(plain["estimate"]) - truth, OPEN, truth)
    if truth == 0:
        seen = _values(plain["estimate"])
        slack = 2 * float(seen.std(ddof=1) / seen.mean()) / len(seen) ** 0.5  # the true floor is a mean of replicates, too
        wanted = (FLOOR[0] * (1 - slack), FLOOR[1] * (1 + slack))
        yield Property("floor", "told ÷ true", _values(floor["estimate"]) / seen.mean(), wanted if large else OPEN)


def _ratios(case: Case, replicates: pd.DataFrame) -> Iterator[Property]:
    for (measure, seen), rows in replicates.groupby(["statistic", "class"]):
        shares = _values(rows["estimate"])
        rare = str(seen).startswith("seen in 3 ")
        yield Property(str(measure), f"coverage, {seen}", shares, coverage(shares, least=rare), case.ratio)


def _permutation(case: Case, replicates: pd.DataFrame) -> Iterator[Property]:
    rejected = _values(replicates["p_value"] <= LINES.alpha)
    if replicates["wrong"].notna().any():
        within = 2 * _error(LINES.alpha, len(rejected))
        yield Property("p_value", "size", rejected, (LINES.alpha - within, LINES.alpha + within), 0.0)
    else:
        yield Property("p_value", "power", rejected, OPEN, _first(replicates["truth"]))


def _boundary(case: Case, replicates: pd.DataFrame) -> Iterator[Property]:
    for measure, rows in replicates.groupby("statistic"):
        yield _rate(str(measure), "any false word", rows, rows["wrong"].astype(bool), case.ratio)
    yield _rate("verdicts", "any false word at all", replicates, replicates["wrong"].astype(bool), case.ratio)


def _dependent(case: Case, replicates: pd.DataFrame) -> Iterator[Property]:
    of_distance = replicates["statistic"].isin(["corrected", "plain", "floor"])
    wanted = ("withheld", "coverage", "bias")
    yield from (
        each for each in _distance(case, replicates[of_distance]) if each.statistic == "corrected" and each.name in wanted
    )
    yield from _boundary(case, replicates[~of_distance])


def _half(case: Case, replicates: pd.DataFrame) -> Iterator[Property]:
    claimed = replicates["verdict"].isin(OMITTED)
    false = claimed & replicates["wrong"].astype(bool)
    number, wrong = (_values(column.groupby(replicates["replicate"]).sum()) for column in (claimed, false))
    yield Property("verdicts", "false discovery proportion", wrong / np.maximum(number, 1), (None, LINES.alpha))
    true = replicates[replicates["truth"] < LINES.reduced - 1e-9]
    yield Property(
        "verdicts", "true omissions found", _per_replicate(true.assign(found=true["verdict"].isin(OMITTED)), "found")
    )


def _planner(case: Case, replicates: pd.DataFrame) -> Iterator[Property]:
    for measure, rows in replicates.groupby("statistic"):
        truth = float(rows["truth"].mean())
        yield Property(str(measure), "found at the planner's figure", *_found(_values(rows["verdict"].isin(OMITTED))), truth)


def _village(case: Case, replicates: pd.DataFrame) -> Iterator[Property]:
    away = replicates["truth"] < LINES.reduced
    right = ~replicates[away]["wrong"].astype(bool).groupby(replicates["replicate"]).any()
    yield Property("verdicts", "every omission called by its word", _values(right), (1.0, None))
    yield _rate("verdicts", "any false verdict on another class", replicates, replicates["wrong"].astype(bool) & ~away)


def _comparison(case: Case, replicates: pd.DataFrame) -> Iterator[Property]:
    truth = _first(replicates["truth"])
    yield Property("difference", "coverage", covered(replicates), (COVERAGE[0], None), truth)
    yield _rate("difference", "false nearer", replicates, replicates["wrong"].astype(bool), truth)
    if truth:
        yield Property(
            "difference",
            "true nearer",
            _values(replicates["verdict"].str.endswith("nearer") & ~replicates["wrong"].astype(bool)),
        )


def _pairs(case: Case, replicates: pd.DataFrame) -> Iterator[Property]:
    truth = _first(replicates["truth"])
    if case.columns:
        yield Property("pairs", "called dropped", *_found(_values(replicates["verdict"] == DROPPED)), truth)
        return
    rows = replicates.assign(covered=covered(replicates))
    shares = _per_replicate(rows, "covered")
    yield Property("pairs", "coverage, mean of pairs", shares, coverage(shares), truth)
    yield _rate("pairs", "any false verdict", replicates, replicates["wrong"].astype(bool), truth)


def covered(rows: pd.DataFrame) -> Floats:
    """(R,) 1 where the interval holds the truth. An open end bounds nothing, and so is not wrong."""
    low, high = rows["estimate_low"].fillna(-np.inf), rows["estimate_high"].fillna(np.inf)
    return _values((low <= rows["truth"]) & (rows["truth"] <= high))


def _rate(statistic: str, name: str, replicates: pd.DataFrame, wrong: Any, truth: float | None = None) -> Property:
    """The share of replicates with any such row, wanted at alpha or less, within two standard errors."""
    values = _values(wrong.groupby(replicates["replicate"]).any())
    return Property(statistic, name, values, at_most(LINES.alpha, len(values)), truth)


def _per_replicate(rows: pd.DataFrame, column: str) -> Floats:
    """Means over the classes of each replicate, which share their images: their spread is that of the whole mean."""
    return _values(rows.groupby("replicate")[column].mean())


def _found(values: Floats) -> tuple[Floats, Range]:
    """What was found, and how much of it is wanted."""
    return values, (FOUND - 2 * _error(FOUND, len(values)), None)


def _error(share: float, replicates: int) -> float:
    return float((share * (1 - share) / max(replicates, 1)) ** 0.5)


def _values(column: Any) -> Floats:
    return np.asarray(column, dtype=np.float64)


def _first(column: Any) -> float:
    return float(column.iloc[0])
