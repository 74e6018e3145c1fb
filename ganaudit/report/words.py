"""Numbers, counts and times in words: the one place that formats a number for people."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from ganaudit.report.data import Interval
from ganaudit.statistics import permutation

T = TypeVar("T")

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"

EXIT = {
    0: "done",
    1: "the audit failed",
    2: "the request was wrong",
    3: "finished, with images set aside",
    4: "finished, and a condition to fail on was met",
}


def number(value: float | None, digits: int = 2) -> str:
    """So many significant digits, and always the whole part: 428, 85, 2.1, 0.19, 0.0042, 0; a dash for None."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    size, sign = abs(value), MINUS if value < 0 else ""
    if size < 0.0001:
        return f"{sign}0.0000" if sign else "<0.0001"
    size = float(f"{size:.{digits - 1}e}") if size < 10**digits else float(round(size))
    return f"{sign}{size:,.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"


def percent(value: float | None) -> str:
    """A number of percent: 46 %, 2.4 %, 0.38 %; never rounded up to 100 % or down to 0 %."""
    if value is not None and 0 < value < 0.001:
        return "<0.001 %"
    if value is not None and 99 < value < 100:
        return f"{math.floor(value * 10) / 10:.1f} %"
    return NOTHING if value is None else f"{number(value)} %"


def share(value: float | None) -> str:
    """A share in [0, 1] as percent."""
    return percent(None if value is None else 100 * value)


def change(ratio: float | None) -> str:
    """A ratio as a relative change: -46 %, +7 %, +230 %."""
    if ratio is None:
        return NOTHING
    moved = round(100 * (ratio - 1))
    return f"{'+' if moved > 0 else MINUS if moved < 0 else ''}{abs(moved):,} %"


def spread(interval: Interval, unit: str = "", most: int = 4) -> str:
    """A number and its interval, to the digits that the interval's width allows: 37 % [31, 44], 2.1 [1.9, 2.3]."""
    if interval.value is None:
        return NOTHING
    if interval.low is None or interval.high is None:
        return f"{number(interval.value)}{unit}"
    if interval.low == interval.high:
        return f"{number(interval.value)}{unit}"
    decimals = min(most, _decimals(interval))
    value, low, high = (_fixed(end, decimals) for end in (interval.value, interval.low, interval.high))
    return f"{value}{unit} [{low}, {high}]"


def percents(interval: Interval) -> str:
    """A ratio and its interval in percent: 37 % [31, 44]; of 10 % and more never finer than 98.9 % [98.4, 99.3]."""
    whole = _times(interval, 100)
    return spread(whole, " %", most=1 if (whole.high or 0) >= 10 else 4)


def distance(interval: Interval) -> str:
    """The same with a digit more, for a distance, of which the first digits are what is compared: 1.93 [1.71, 2.15]."""
    if interval.value is None or interval.low is None or interval.high is None or interval.low == interval.high:
        return number(interval.value, 3)
    decimals = _decimals(interval) + (interval.high - interval.low < 30)
    value, low, high = (_fixed(end, decimals) for end in (interval.value, interval.low, interval.high))
    return f"{value} [{low}, {high}]"


def at_most(interval: Interval) -> str:
    """The upper end of a ratio in percent: 1.2 %."""
    high = None if interval.high is None else 100 * interval.high
    return NOTHING if high is None else f"{_fixed(high, 0 if high >= 3 else 1 if high >= 0.3 else 2)} %"


def chance(q_value: float | None, permutations: int, tests: int, alpha: float) -> str:
    """What a p-value by permutations says, adjusted over so many generators: whether the images can be told from the real ones
    at all, or that so few permutations cannot say."""
    if q_value is None:
        return "not tested"
    of = f" of {tests:,} generators" if tests > 1 else ""
    if permutation.least(permutations, tests) > alpha:
        said = f"{permutations:,} permutations can say no less than p = {least(permutations, tests)}{of}"
        return f"not settled ({said}; {permutation.enough(tests, alpha):,} would do)"
    if at_least(q_value, permutations, tests):
        return f"beyond chance (p ≤ {least(permutations, tests)}, the least that {permutations:,} permutations can say{of})"
    said = f"p = {number(q_value)}" + (f", adjusted over {tests:,} generators" if tests > 1 else "")
    return f"beyond chance ({said})" if q_value <= alpha else f"cannot be told from real images ({said})"


def permuted(q_value: float | None, permutations: int, tests: int) -> str:
    """The same p-value as a number: 0.34; ≤0.03 where it is the least that there can be."""
    known = q_value is not None and at_least(q_value, permutations, tests)
    return f"≤{least(permutations, tests)}" if known else p(q_value)


def at_least(q_value: float, permutations: int, tests: int) -> bool:
    """Whether a p-value is as small as so many permutations can say."""
    return q_value <= permutation.least(permutations, tests) * (1 + 1e-9) < 1


def least(permutations: int, tests: int) -> str:
    """The least that permutations can say of so many generators, rounded up: 0.01, 0.0067."""
    bound = permutation.least(permutations, tests)
    digits = 1 - math.floor(math.log10(bound))
    return f"{math.ceil(bound * 10**digits - 1e-9) / 10**digits:.{digits}f}".rstrip("0").rstrip(".")


def p(value: float | None) -> str:
    """A p- or q-value: 0.034, <0.001."""
    if value is None:
        return NOTHING
    return "<0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def of_ten(share: float) -> str:
    """A share as so many of ten: 6 of 10; where that says too little, of a hundred: 3.0 of 100, 97 of 100."""
    tenths = round(10 * share)
    return f"{tenths} of 10" if share in (0.0, 1.0) or 0 < tenths < 10 else f"{number(100 * share)} of 100"


def counted(count: int, noun: str) -> str:
    """1 image, 2,000 images, 3 classes."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{count:,} {noun if count == 1 else plural}"


def listing(names: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def moment(time: datetime) -> str:
    """A time to the minute, in UTC where the zone is known."""
    if time.tzinfo is None:
        return f"{time:%Y-%m-%d %H:%M}"
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def duration(started: datetime, finished: datetime | None) -> str:
    """How long it took: 41 s, 1 min 32 s, 2 h 5 min."""
    if finished is None:
        return "not finished"
    seconds = max(0, round((finished - started).total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def about(seconds: float) -> str:
    """About how long something takes: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _times(interval: Interval, factor: float) -> Interval:
    value, low, high = (None if end is None else factor * end for end in (interval.value, interval.low, interval.high))
    return Interval(value, low, high)


def _decimals(interval: Interval) -> int:
    """Digits behind the point that a width leaves: 0 from 3 up, 1 from 0.3 up, and so on to 4."""
    assert interval.low is not None and interval.high is not None
    width = interval.high - interval.low
    return min(4, max(0, math.ceil(-math.log10(width / 3))))


def _fixed(value: float, decimals: int) -> str:
    text = f"{abs(value):,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        return "0"
    return f"{MINUS}{text}" if value < 0 else text


ALIKE = 3
"""Pairs of generators that cannot be told apart and have a line each."""


def worth_a_line(pairs: Sequence[T], told_apart: Callable[[T], bool]) -> tuple[list[T], str]:
    """The pairs of generators that are said one by one, and one sentence for the others: those that cannot be told apart,
    where they are more than ALIKE."""
    apart = [pair for pair in pairs if told_apart(pair)]
    if len(pairs) - len(apart) <= ALIKE:
        return list(pairs), ""
    which = f"the {'other ' if apart else ''}{len(pairs) - len(apart):,} pairs"
    return apart, f"None of {which} of generators can be told apart at these numbers of images."
