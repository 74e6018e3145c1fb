"""Published values held against what a run measured: met where they lie within sampling error."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import NormalDist
from typing import Any

from ganaudit.errors import RequestError
from ganaudit.kinds.mistakes import nearest
from ganaudit.records.building import Row, Tables
from ganaudit.spec import Expected

MET, NOT_MET, WITHHELD = "met", "not met", "withheld"
LEAST = {"relative_change": -1.0, "rank": 1.0, "corrected": -math.inf}
"""Where figures begin; the others at 0."""
Ends = tuple[float | None, float | None, float | None]
"""A number and its interval."""


def add(tables: Tables, run: str, reals: Sequence[str], expect: Sequence[Expected], alpha: float) -> None:
    """Adds to `expectations`, from the tables that stand."""
    if not expect:
        return
    found = {name: tables.so_far(name).to_pylist() for name in ("fsd", "ranks", "dropped_classes", "class_stats")}
    tables.rows("expectations", (
        {"run": run, "real": real, **row} for real in reals for row in _rows(_of_real(found, real), expect, alpha)
    ))  # fmt: skip


def check_expect(expect: Sequence[Expected], names: Mapping[int, str]) -> None:
    """Raises RequestError for a class that the parser does not have. names: by id; 0 is void."""
    known = [name for class_id, name in names.items() if class_id != 0]
    for place, expected in enumerate(expect):
        if expected.class_name is not None and expected.class_name not in known:
            raise RequestError(
                f"expect[{place}].class: the parser has no class {expected.class_name!r}{nearest(expected.class_name, known)}"
            )


def _of_real(found: Mapping[str, Sequence[Row]], real: str) -> dict[str, list[Row]]:
    return {name: [row for row in rows if row["real"] == real] for name, rows in found.items()}


def _rows(found: Mapping[str, Sequence[Row]], expect: Sequence[Expected], alpha: float) -> Iterator[Row]:
    sigmas = NormalDist().inv_cdf(1 - alpha / 2)
    for expected in expect:
        value, low, high = _measured(found, expected, sigmas)
        size = next((row for row in found["fsd"] if row["generator"] == expected.generator), None)
        if value is not None and low is not None and high is not None and expected.images is not None and size is not None:
            wider = math.sqrt(1 + _both(size) / expected.images)
            low = max(value - wider * (value - low), LEAST.get(expected.figure, 0.0))
            high = value + wider * (high - value)
        yield {
            "generator": expected.generator, "figure": expected.figure, "class": expected.class_name,
            "expected": expected.value, "within": expected.within, "source": expected.source,
            "measured": value, "measured_low": low, "measured_high": high,
            "verdict": _verdict(expected, low, high),
        }  # fmt: skip


def _both(size: Row) -> float:
    """Images of each side that tell as much as those of both sides do together."""
    real, generated = float(size["real_images"]), float(size["generated_images"])
    return 2.0 / (1.0 / real + 1.0 / generated)


def _verdict(expected: Expected, low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return WITHHELD
    return MET if low - expected.within <= expected.value <= high + expected.within else NOT_MET


def _measured(found: Mapping[str, Sequence[Row]], expected: Expected, sigmas: float) -> Ends:
    """A figure of a generator with its interval; None where the run has none."""
    figure = expected.figure

    def row(table: str, **where: Any) -> Row:
        where["generator"] = expected.generator
        return next((row for row in found[table] if all(row[name] == value for name, value in where.items())), {})

    if figure in ("fsd", "corrected"):
        return _distance(row("fsd"), figure)
    if figure == "rank":
        one = row("ranks")
        return one.get("rank"), one.get("rank_low"), one.get("rank_high")
    if figure in ("real_area", "generated_area", "real_presence", "generated_presence"):
        one = row("class_stats", **{"class": expected.class_name})
        value, se = one.get(figure), one.get(f"{figure}_se")
        return (value, None, None) if value is None or se is None else (value, value - sigmas * se, value + sigmas * se)
    measure = "area" if figure == "relative_change" else figure.removesuffix("_ratio")
    one = row("dropped_classes", measure=measure, **{"class": expected.class_name})
    ends = one.get("ratio"), one.get("ratio_low"), one.get("ratio_high")
    less = 1.0 if figure == "relative_change" else 0.0
    ratio, low, high = (None if end is None else end - less for end in ends)
    return ratio, low, high


def _distance(row: Row, figure: str) -> Ends:
    """The plain distance has its bias added to both ends of the corrected one's interval."""
    ends = row.get("corrected"), row.get("corrected_low"), row.get("corrected_high")
    if figure == "corrected" or any(end is None for end in ends):
        return ends if figure == "corrected" else (row.get("fsd"), None, None)
    bias = row["fsd"] - row["corrected"]
    value, low, high = (end + bias for end in ends)
    return value, low, high
