"""Numbers and findings in words: the one place that formats a number for people."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import pandas as pd

from ganaudit.report.data import ClassRow, Estimate, Reduced, Shown, class_rows, fsd_rows, reduced

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"
PLUS_MINUS = "\N{PLUS-MINUS SIGN}"
NAMED = 3
"""Classes that a sentence names before it counts the others."""

EXIT = {
    0: "done",
    1: "the audit failed",
    2: "the request was wrong",
    3: "finished, with images set aside",
    4: "finished, and a condition to fail on was met",
}


@dataclass(frozen=True)
class Part:
    """A stretch of a sentence, and what it names."""

    text: str
    kind: Literal["", "generator", "class", "invented"] = ""


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


def with_error(estimate: Estimate) -> str:
    """A ratio and its standard error, to the error's first digit and at most three decimals: 0.54 ± 0.03."""
    if estimate.value is None:
        return NOTHING
    if not estimate.se:
        return f"{estimate.value:.2f}" if estimate.value else "0"
    decimals = min(3, max(0, -math.floor(math.log10(estimate.se))))
    error = f"{estimate.se:,.{decimals}f}" if estimate.se >= 0.0005 else "<0.001"
    return f"{estimate.value:,.{decimals}f} {PLUS_MINUS} {error}"


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


def sentence(class_stats: pd.DataFrame, fsd: pd.DataFrame, generator: str) -> str:
    """What one generator draws less than the real images, what it invents, and its distance, in one sentence."""
    return "".join(part.text for part in sentence_parts(class_stats, fsd, generator))


def sentence_parts(class_stats: pd.DataFrame, fsd: pd.DataFrame, generator: str) -> list[Part]:
    """The `sentence`, with the names in it marked."""
    rows = class_rows(class_stats, generator)
    less = reduced(rows)
    parts = [Part(generator, "generator")]
    parts += _less(less) if less else _nothing_less(rows)
    parts += _invented(rows)
    for row in fsd_rows(fsd):
        if row.generator == generator and row.fsd is not None:
            floor = "" if row.floor is None else f" against a floor of {number(row.floor)}"
            parts.append(Part(f"; FSD {number(row.fsd)}{floor}"))
    return [*parts, Part(".")]


def held_less(each: Reduced, again: bool = False) -> str:
    """How much less: "in 71 % as many images as the real ones (21 % against 30 %)"; shorter when said again."""
    real, made, ratio = each.row.measured(each.measure)
    if each.measure == "presence":
        if not made.value:
            return f"in no image in an amount that counts ({share(real.value)} of the real images hold it)"
        images = "" if again else " images as the real ones"
        return f"in {share(ratio.value)} as many{images} ({share(made.value)} against {share(real.value)})"
    whole, pixels = ("", "") if again else (" of the real area", " of pixels")
    return f"at {share(ratio.value)}{whole} ({percent(made.value)} against {percent(real.value)}{pixels})"


def classes_shown(shown: Shown) -> str:
    """Which classes a figure holds, and where the others are."""
    groups = []
    if shown.largest:
        which = "that cover most of the real images" if shown.left_out or shown.changed else "of the real images"
        groups.append(f"the {counted(shown.largest, 'class')} {which}")
    if shown.changed:
        groups.append(f"{shown.changed} smaller ones that changed most")
    if shown.invented:
        groups.append(f"{shown.invented} that no real image holds, at the right")
    if not groups:
        return "No class was found in any image."
    only = "is" if shown.left_out == 1 else "are"
    rest = f" {counted(shown.left_out, 'smaller class')} {only} in the table class_stats only." if shown.left_out else ""
    return f"Shown: {listing(groups)}.{rest}"


def chance(rows: Sequence[ClassRow]) -> str:
    """How many of the comparisons lie two standard errors below by chance alone: "about 1 of 30 comparisons"."""
    compared = sum(row.real_presence.known for row in rows) + sum(row.real_area.known for row in rows)
    return f"about {max(1, round(0.023 * compared))} of {counted(compared, 'comparison')}"


def _less(less: Sequence[Reduced]) -> list[Part]:
    """ " never draws palm (…) or boat (…), and draws person in 37 % as many images … and fence at 54 % …"."""
    named = less[:NAMED]
    never = [each for each in named if not each.row.generated_area.value]
    rarer = [each for each in named if each not in never and each.measure == "presence"]
    smaller = [each for each in named if each not in never and each.measure == "area"]
    parts: list[Part] = []
    for place, each in enumerate(never):
        real = each.row.real_presence.value
        held = f"in {share(real)} of the real images" if real else f"{percent(each.row.real_area.value)} of real pixels"
        parts += [Part(" or " if place else " never draws "), Part(each.name, "class"), Part(f" ({held})")]
    drawn = rarer + smaller
    for place, each in enumerate(drawn):
        lead = ", " if place < len(drawn) - 1 else " and "
        if place == 0:
            lead = ", and draws " if never else " draws "
        again = each in rarer[1:] or each in smaller[1:]
        parts += [Part(lead), Part(each.name, "class"), Part(f" {held_less(each, again)}")]
    if len(less) > NAMED:
        others = len(less) - NAMED
        parts.append(Part(f"; {counted(others, 'other class')} {'falls' if others == 1 else 'fall'} short too"))
    return parts


def _nothing_less(rows: Sequence[ClassRow]) -> list[Part]:
    """ " draws no class clearly less than the real images do: the lowest is fence, at 93 % of the real area"."""
    known = [
        (ratio, row.name, measure)
        for row in rows
        if row.real_area.known or row.real_presence.known
        for measure in [row.telling]
        if (ratio := row.measured(measure)[2].value) is not None
    ]
    if not known:
        return [Part(" cannot be judged: no class is seen in enough real images")]
    ratio, name, measure = min(known)
    start = Part(" draws no class clearly less than the real images do")
    if ratio >= 1:
        return [start]
    how = f"in {share(ratio)} as many images" if measure == "presence" else f"at {share(ratio)} of the real area"
    return [start, Part(": the lowest is "), Part(name, "class"), Part(f", {how}")]


def _invented(rows: Sequence[ClassRow]) -> list[Part]:
    """ "; it adds boat (in 3 % of its images), which no real image holds"."""
    new = sorted(
        (row for row in rows if row.invented and (row.generated_presence.low or 0) > 0),
        key=lambda row: -(row.generated_presence.value or 0),
    )
    parts: list[Part] = []
    for place, row in enumerate(new[:2]):
        seen = f" (in {share(row.generated_presence.value)} of its images)"
        parts += [Part(" and " if place else "; it adds "), Part(row.name, "invented"), Part(seen)]
    if len(new) > 2:
        parts.append(Part(f" and {counted(len(new) - 2, 'other class')}"))
    return [*parts, Part(", which no real image holds")] if parts else []
