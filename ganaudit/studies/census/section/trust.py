"""What the parser is worth: its errors where true label maps exist, and how wrong it would have to be for a verdict to flip."""

from dataclasses import dataclass
from statistics import median

from ganaudit.report import words
from ganaudit.report.data import Findings, Interval, rows
from ganaudit.studies.census.section.classes import GREW, LOST, ClassFinding, class_findings

DOUBTED = 1.5
"""From so many times the doubt (1 - confidence) on, the parser is said to be unsure of a generator's images as a whole."""


@dataclass(frozen=True)
class ParserClass:
    """How well the parser finds one class, on images whose label maps are known. Shares in [0, 1]."""

    name: str
    source: str
    images: int
    holding: int
    sensitivity: Interval
    specificity: Interval
    recall: float | None
    precision: float | None
    iou: float | None


@dataclass(frozen=True)
class CorrectedClass:
    """A ratio with the parser's own error taken off, and what would overturn its verdict."""

    class_id: int
    name: str
    measure: str
    ratio: Interval
    tipping_sensitivity: float | None
    """The sensitivity on generated images at which the verdict would flip."""
    tipping_false_positive: float | None
    """The share of false alarms on generated images at which it would."""
    real_confidence: float | None
    generated_confidence: float | None
    falls: bool


def parser_classes(findings: Findings) -> list[ParserClass]:
    """The parser's classes, those that it finds worst first."""

    all_classes = [
        ParserClass(
            name=row["class"], source=row["source"], images=row["images"], holding=row["holding"],
            sensitivity=Interval.of(row, "sensitivity"), specificity=Interval.of(row, "specificity"), recall=row["recall"],
            precision=row["precision"], iou=row["iou"],
        )
        for row in rows(findings, "parser_classes")
    ]  # fmt: skip
    return sorted(
        (parser_class for parser_class in all_classes if parser_class.holding),
        key=lambda parser_class: (parser_class.sensitivity.value or 0.0, parser_class.name),
    )


def corrected(findings: Findings, generator: str) -> list[CorrectedClass]:
    """The corrected ratios of a generator, classes with a verdict of loss or growth first, worst first."""
    order = {corrected_class.class_id: place for place, corrected_class in enumerate(_with_change(findings, generator))}
    unordered = [
        CorrectedClass(
            class_id=row["class_id"], name=row["class"], measure=row["measure"],
            ratio=Interval.of(row, "ratio"),
            tipping_sensitivity=row["tipping_sensitivity"], tipping_false_positive=row["tipping_false_positive"],
            real_confidence=row["real_confidence"], generated_confidence=row["generated_confidence"],
            falls=bool(row["confidence_falls"]),
        )
        for row in rows(findings, "parser_corrected", generator)
    ]  # fmt: skip
    return sorted(
        unordered,
        key=lambda corrected_class: (
            order.get(corrected_class.class_id, len(order)),
            corrected_class.class_id,
            corrected_class.measure,
        ),
    )


def tipping_words(findings: Findings, generator: str) -> list[str]:
    """For each class that was lost or grew, what the parser would have to do for its verdict to flip, in words."""
    known = {parser_class.name: parser_class.sensitivity.value for parser_class in parser_classes(findings)}
    by_class = {corrected_class.class_id: corrected_class for corrected_class in _with_change(findings, generator)}
    said = []
    for one in corrected(findings, generator):
        owner = by_class.get(one.class_id)
        if owner is None or owner.leading_measure != one.measure or one.measure != "presence":
            continue
        if owner.word in LOST and one.tipping_sensitivity is not None:
            said.append(_missed(one.name, one.tipping_sensitivity, known.get(one.name) or 1.0))
        elif owner.word in GREW and one.tipping_false_positive is not None:
            tenth = words.share(one.tipping_false_positive)
            said.append(f"the verdict on {one.name} would flip if the parser saw it in {tenth} of the images that hold none")
    return said


def falling(findings: Findings, generator: str) -> list[CorrectedClass]:
    """The classes on which the parser's sureness falls more than on the generator's others, each once."""
    return list(
        {
            corrected_class.class_id: corrected_class
            for corrected_class in corrected(findings, generator)
            if corrected_class.falls
        }.values()
    )


def doubt_words(findings: Findings, generator: str) -> str:
    """How much more the parser doubts generated images on the class in the middle; empty below half as much again."""
    grown = [
        (1 - corrected_class.generated_confidence) / (1 - corrected_class.real_confidence)
        for corrected_class in corrected(findings, generator)
        if corrected_class.measure == "presence"
        and corrected_class.real_confidence is not None
        and corrected_class.generated_confidence is not None
        and corrected_class.real_confidence < 1
    ]
    middle = median(grown) if grown else 0.0
    if middle < DOUBTED:
        return ""
    return (
        f"the parser is less sure in the generated images than in the real ones: on the class in the middle it doubts "
        f"{words.number(middle)} times as much, and may err more than was measured on real ones"
    )


def _missed(name: str, tipping: float, sensitivity: float) -> str:
    """ "the verdict on person would flip only if the parser missed, in generated images, 6 of 10 of those that …"."""
    missed = min(1.0, max(0.0, 1 - tipping / sensitivity))
    if missed == 0:
        return f"the verdict on {name} flips with the parser's own misses: do not build on it"
    only = "only " if missed >= 0.25 else ""
    return (
        f"the verdict on {name} would flip {only}if the parser missed, in generated images, {words.of_ten(missed)} of those "
        "that it finds in real ones"
    )


def _with_change(findings: Findings, generator: str) -> list[ClassFinding]:
    from ganaudit.studies.census.section.classes import with_verdict

    return with_verdict(class_findings(findings, generator), *LOST, *GREW)
