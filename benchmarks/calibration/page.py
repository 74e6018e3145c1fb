"""The page of a calibration, in Markdown: what was tried, what came out, and where that is not what is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.calibration.picture import draw
from benchmarks.calibration.pool import VILLAGE
from benchmarks.calibration.scenarios import SCENARIOS
from benchmarks.calibration.summary import MET, NOT_MET
from ganaudit.version import __version__

Row = dict[str, Any]

INTRODUCTION = """# What the findings are worth

Printed by `{command}` (ganaudit {version}). Images are drawn from populations whose truth is known:

{pools}

Every replicate draws the images of an audit from one of them with replacement, so that it is the population and each truth is
computed from it exactly, gives them to the same functions that a run uses, and compares what they say with the truth.
Differences are planted: a class is *thinned* (images that hold it are drawn less often) or *erased* (taken out of an image with
a fixed chance; its pixels become void), or the village is rendered without a kind. Each measured
number stands with its standard error over {replicates} replicates; what is wanted is meant within two of them. An interval of
the distance may be *withheld*, with the reason; its coverage is that of the intervals that were given.

What this cannot show: no parser is involved, so that a parser's own errors are not in it.

![Coverage, error rates and bias]({picture})

{summary}
"""
DESCRIBED = {
    VILLAGE: "**village**: {images:,} rendered scenes with their true label maps, {classes} mild classes",
    "heavy tails": "**heavy tails**: {images:,} images, {classes} classes whose prevalence falls as one over their rank and "
    "whose sizes are log-normal, in a dozen kinds of scenes",
    "one dominant": "**one dominant**: {images:,} images, {classes} classes, of which one nearly fills all images but 1 in 200",
    "two modes": "**two modes**: {images:,} images, {classes} classes, most in pairs that never stand together; one region in "
    "twenty is forty times as large as the others, which are alike",
}


def write(rows: Sequence[Row], folder: Path, command: str, pools: Sequence[tuple[str, int, int]]) -> list[Path]:
    """Write calibration.md and calibration.png into a folder; the paths of what was written. pools: name, images, classes."""
    folder.mkdir(parents=True, exist_ok=True)
    text, drawn = folder / "calibration.md", folder / "calibration.png"
    other = "**{name}**: its {images:,} real images, {classes} classes as the parser read them"
    lines = [
        "- " + DESCRIBED.get(name, other).format(name=name, images=images, classes=classes) + "."
        for name, images, classes in pools
    ]
    text.write_text(page(rows, command, "\n".join(lines), drawn.name), encoding="utf-8")
    return [text, drawn] if draw(rows, drawn) else [text]


def table_row(row: Row) -> dict[str, str]:
    """One measured property for a terminal."""
    return {
        "world": row["world"], "scenario": row["scenario"], "case": row["case"],
        "images": f"{row['real_images']:,} v {row['generated_images']:,}",
        "of": row["statistic"], "property": row["property"], "truth": number(row["truth"]), "measured": number(row["measured"]),
        "±": number(row["measured_se"]), "wanted": wanted_text(row), "": row["verdict"],
    }  # fmt: skip


def page(rows: Sequence[Row], command: str, pools: str, picture: str) -> str:
    """The whole page of rows of `calibration`."""
    wanted = [row for row in rows if row["verdict"] in (MET, NOT_MET)]
    missed = [row for row in wanted if row["verdict"] == NOT_MET]
    said = f"**{len(wanted) - len(missed)} of {len(wanted)} properties are as wanted.**"
    if missed:
        said += " These are not:\n\n" + "\n".join(f"- {sentence(row)}" for row in missed)
    counts = sorted({row["replicates"] for row in rows if row["scenario"] != "planner"} or {row["replicates"] for row in rows})
    replicates = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    opening = INTRODUCTION.format(
        command=command, version=__version__, pools=pools, picture=picture, summary=said, replicates=replicates
    )
    return "\n".join([opening, *_overview(rows), *_sections(rows)]).rstrip() + "\n"


def sentence(row: Row) -> str:
    """One measured property in words."""
    images = f"{row['real_images']:,} against {row['generated_images']:,} images"
    return (
        f"{row['world']}, {row['scenario']}, {row['case']}, {images}: {row['statistic']}, {row['property']} is "
        f"{number(row['measured'])} ± {number(row['measured_se'])}; wanted is {wanted_text(row)}"
    )


def wanted_text(row: Row) -> str:
    """The wanted range: `0.93 to 0.985`, `≤ 0.06`, `≥ 0.87`, or `–`."""
    low, high = row["wanted_low"], row["wanted_high"]
    if low is None and high is None:
        return "–"
    if low is None or high is None:
        return f"≥ {number(low)}" if high is None else f"≤ {number(high)}"
    return f"{number(low)} to {number(high)}"


def number(value: float | None) -> str:
    """Four decimals, fewer where they are 0."""
    return "–" if value is None else f"{value:.4f}".rstrip("0").rstrip(".").replace("-0", "0", value > -0.00005 and value < 0)


def _overview(rows: Sequence[Row]) -> Iterator[str]:
    """How many properties of each scenario and world are as wanted."""
    worlds = list(dict.fromkeys(row["world"] for row in rows))
    yield f"| as wanted | {' | '.join(worlds)} |\n{'|---' * (len(worlds) + 1)}|"
    for name in dict.fromkeys(row["scenario"] for row in rows):
        verdicts = [[row["verdict"] for row in rows if (row["scenario"], row["world"]) == (name, world)] for world in worlds]
        cells = [f"{of.count(MET)} of {of.count(MET) + of.count(NOT_MET)}" if of else "–" for of in verdicts]
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""


def _sections(rows: Sequence[Row]) -> Iterator[str]:
    for name, scenario in SCENARIOS.items():
        mine = [row for row in rows if row["scenario"] == name]
        if not mine:
            continue
        yield f"## {scenario.question}\n"
        yield "| world | case | images | of | property | truth | measured | ± | wanted | |\n" + "|---" * 10 + "|"
        for row in mine:
            images = f"{row['real_images']:,} v {row['generated_images']:,}"
            measured = [number(row[name]) for name in ("truth", "measured", "measured_se")]
            cells = (row["world"], row["case"], images, row["statistic"], row["property"], *measured)
            yield f"| {' | '.join(cells)} | {wanted_text(row)} | {row['verdict']} |"
        yield ""
