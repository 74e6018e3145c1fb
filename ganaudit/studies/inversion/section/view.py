"""The section on what a generator cannot reconstruct: verdicts, figures, and photos beside what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ganaudit.report import words
from ganaudit.report.data import Findings, Interval, Row, rows
from ganaudit.report.drawing import DrawnFigure, inline
from ganaudit.report.pictures import Encoded, outline
from ganaudit.studies.inversion.section.choice import Omission, Variant, encoder_words, memorisation_words, omissions, way
from ganaudit.studies.inversion.section.figures import layers_figure, recall_figure
from ganaudit.studies.inversion.section.reconstructed import Reconstructed

KINDS = {
    "omitted": "The photo that loses most of it",
    "recovered": "The photo that loses least",
    "own": "The generator's own sample, alike in size",
}


@dataclass(frozen=True)
class Pane:
    """One picture with the class outlined: where it is in the photo."""

    url: str
    encoded: Encoded
    alt: str
    outline: tuple[str, int, int]


@dataclass(frozen=True)
class Example:
    """A photo, its reconstruction and both label maps."""

    title: str
    verdict: str
    text: str
    panes: Sequence[Pane]


@dataclass(frozen=True)
class Attribute:
    """How a class looks in reconstructions, less how it looks in images; own: the same of own samples."""

    name: str
    images: int
    red: Interval
    green: Interval
    blue: Interval
    sharpness: Interval
    own: Mapping[str, Interval]


@dataclass(frozen=True)
class InversionView:
    """What the page shows of the inversions in one generator."""

    name: str
    anchor: str
    way: Variant
    summary: Mapping[str, Row]  # by kind of image
    omissions: Sequence[Omission]
    examples: Sequence[tuple[Omission, Sequence[Example]]]
    attributes: Sequence[Attribute]
    layers: Markup
    recalls: Markup
    memorisation: str | None
    encoders: Sequence[str]
    """What each encoder misses, in sentences."""


def inverted_figures(findings: Findings, generator: str) -> dict[str, DrawnFigure]:
    """The figures of a generator that was inverted: `recall` by class, and error along its `layers`."""
    if way(findings, generator) is None:
        return {}
    drawn: dict[str, DrawnFigure] = {}
    classes = omissions(findings, generator)
    if any(omission.recall.value is not None for omission in classes):
        drawn["recall"] = recall_figure(classes, generator)
    layers = [row for row in rows(findings, "inversion_by_layer", generator) if row["penalty_factor"] in (None, 1.0)]
    if layers:
        drawn["layers"] = layers_figure(layers, generator)
    return drawn


def drawings(findings: Findings, generators: Sequence[str]) -> dict[str, tuple[Markup, Markup]]:
    """The same for the page, of each generator that was inverted: error by layer, recall by class."""
    by_generator: dict[str, tuple[Markup, Markup]] = {}
    for place, name in enumerate(generators):
        if way(findings, name) is not None:
            drawn = inverted_figures(findings, name)
            layers, recalls = (
                Markup(inline(drawn[which], f"{which[0]}{place}")) if which in drawn else Markup("")
                for which in ("layers", "recall")
            )
            by_generator[name] = (layers, recalls)
    return by_generator


def views(
    findings: Findings,
    shown: Sequence[Reconstructed],
    figures: Mapping[str, tuple[Markup, Markup]],
    encoded: Mapping[int, Encoded],
) -> list[InversionView]:
    """One view for each generator that was inverted. encoded: the pictures of `shown` by id()."""
    all_views = []
    for place, (name, (layers, recalls)) in enumerate(figures.items()):
        chosen = way(findings, name)
        assert chosen is not None
        classes = omissions(findings, name)
        mine = [reconstructed for reconstructed in shown if reconstructed.generator == name]
        by_class = {reconstructed.class_id: reconstructed for reconstructed in classes}
        examples = [
            (
                by_class[class_id],
                [_example(reconstructed, encoded) for reconstructed in mine if reconstructed.class_id == class_id],
            )
            for class_id in dict.fromkeys(reconstructed.class_id for reconstructed in mine)
        ]
        summary = {row["sample"]: row for row in rows(findings, "inversion_summary", name) if chosen.holds(row)}
        all_views.append(
            InversionView(
                name, f"inverted-{place + 1}", chosen, summary, classes, examples, _attributes(findings, name, chosen), layers,
                recalls, memorisation_words(findings, name), encoder_words(findings, name),
            )
        )  # fmt: skip
    return all_views


def _example(pair: Reconstructed, encoded: Mapping[int, Encoded]) -> Example:
    photo, made = encoded[id(pair.photo)], encoded[id(pair.made)]
    border = outline(pair.photo.labels, pair.class_id, max(pair.photo.labels.shape))
    said = f"{pair.photo.name}: {words.share(pair.recall)} of {words.counted(pair.pixels, 'pixel')} come back"
    panes = [
        Pane(photo.photo, photo, f"{pair.photo.name}, the class outlined", border),
        Pane(made.photo, made, "its reconstruction, the same place outlined", border),
        Pane(photo.labels, photo, "label map of the photo", border),
        Pane(made.labels, made, "label map of the reconstruction", border),
    ]
    return Example(KINDS[pair.kind], pair.verdict, said, panes)


def _attributes(findings: Findings, name: str, chosen: Variant) -> list[Attribute]:
    """Class by class, in the order of the table."""
    by_class: dict[int, dict[tuple[str, str], Row]] = {}
    for row in rows(findings, "inversion_attributes", name):
        if chosen.holds(row):
            by_class.setdefault(row["class_id"], {})[row["sample"], row["attribute"]] = row
    attributes = []
    for _, parts in sorted(by_class.items()):
        heldout = {attribute: row for (sample, attribute), row in parts.items() if sample == "heldout"}
        if not heldout:
            continue
        own = {attribute: difference(row) for (sample, attribute), row in parts.items() if sample == "own"}
        some = heldout["red"]
        attributes.append(
            Attribute(
                some["class"],
                some["images"],
                difference(heldout["red"]),
                difference(heldout["green"]),
                difference(heldout["blue"]),
                difference(heldout["sharpness"]),
                own,
            )
        )
    return attributes


def difference(row: Row) -> Interval:
    """The columns `difference` of a finding."""
    return Interval.of(row, "difference")


def apart(a: Interval, b: Interval | None) -> bool:
    """Whether two intervals do not meet."""
    ends = (a.low, a.high, b.low if b else None, b.high if b else None)
    low, high, other_low, other_high = ends
    if low is None or high is None or other_low is None or other_high is None:
        return False
    return high < other_low or other_high < low
