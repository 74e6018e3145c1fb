"""Findings as a person would say them: a line for every verdict, and what the distance means."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ganaudit.report import words
from ganaudit.report.data import Findings, Interval
from ganaudit.statistics import permutation
from ganaudit.studies.census.section.classes import GREW, LOST, ClassFinding, Measure, Verdict, class_findings, with_verdict
from ganaudit.studies.census.section.distances import Distance, GeneratorPair

MEANS = {
    "dropped": "beyond doubt in less than {dropped} as many images, on less than {dropped} of the area, or {dropped} as many",
    "reduced": "beyond doubt below {reduced} of what the real images hold",
    "invented": "beyond doubt in the generated images, and hardly in any real one",
    "increased": "beyond doubt above {increased} of what the real images hold",
    "equivalent": "beyond doubt between {reduced} and {increased} of what the real images hold, by every measure",
    "inconclusive": "these images do not settle it",
    "not testable": "too rare in these real images: even a generator that never made it would not be found out",
}
"""What each verdict says, once the lines of the audit file are filled in."""


TRACES, LEAST_TRACES = 1.5, 0.01
"""Traces are told of where their ratio is so many times that of presence, and where so many more images have some."""


@dataclass(frozen=True)
class Line:
    """One thing that was decided: the verdict, the classes it is about, and how much."""

    verdict: str
    classes: tuple[str, ...]
    text: str
    others: int = 0
    """Further classes with the verdict that are not named."""

    @property
    def names(self) -> str:
        """sky, grass and 7 others."""
        more = [f"{self.others:,} other{'' if self.others == 1 else 's'}"] if self.others else []
        return words.listing([*self.classes, *more])

    @property
    def plain(self) -> str:
        """Without its verdict: "person, in 37 % [31, 44] as many images"."""
        return f"{self.names}{', ' if self.text else ''}{self.text}"


def verdict_lines(findings: Findings, generator: str, named: int = 6, listed: int = 12) -> list[Line]:
    """What was decided on the classes of one generator: losses first, a line each; what is equivalent in one line.

    named: classes of one verdict that get a line of their own; listed: names in a line that lists classes.
    """
    classes = [finding for finding in class_findings(findings, generator) if not finding.absent]
    lines: list[Line] = []
    for verdict in LOST:
        lines += _each(classes, verdict, named, listed)
    for verdict in GREW:
        lines += _each(classes, verdict, max(2, named // 2), listed)
    lines += _lines("inconclusive", with_verdict(classes, "inconclusive"), unsettled_words, max(2, named // 2), listed)
    too_rare = with_verdict(classes, "not testable")
    lines += [replace(line, text=_needed(too_rare)) for line in _rest("not testable", too_rare, listed)]
    lines += _rest("equivalent", with_verdict(classes, "equivalent"), listed)
    return lines


def headline(findings: Findings, generator: str) -> str:
    """How many classes got which verdict: "drops 2 and reduces 4 of 15 classes; 5 are equivalent, 4 inconclusive"."""
    classes = [finding for finding in class_findings(findings, generator) if not finding.absent]
    if not classes:
        return "holds no class, nor do the real images"
    count = {verdict: len(with_verdict(classes, verdict)) for verdict in MEANS}
    done = {"dropped": "drops", "reduced": "reduces", "invented": "invents", "increased": "increases"}
    said = [f"{verb} {count[verdict]}" for verdict, verb in done.items() if count[verdict]]
    left = [f"{count[verdict]} {verdict}" for verdict in ("equivalent", "inconclusive", "not testable") if count[verdict]]
    of = f"of {words.counted(len(classes), 'class')}"
    if not said:
        if count["equivalent"] == len(classes):
            return f"is equivalent to the real images on {words.counted(len(classes), 'class')}"
        return f"is not found to lose or add any {of}: {words.listing(left)}"
    return f"{words.listing(said)} {of}" + (f"; {words.listing(left)}" if left else "")


def how_much(verdict: Verdict, measure: Measure) -> str:
    """ "in 37 % [31, 44] as many images", "on 1.4 [1.2, 1.6] times the area", "41 % [35, 48] as many an image", "in no image
    (at most 1.2 % as many)"."""
    ratio = verdict.ratio
    if ratio.value is None:
        return "in no real image" if verdict.verdict == "invented" else "which the real images do not hold"
    if ratio.value == 0:
        none = {"presence": "in no image", "area": "on no pixel", "count": "not one"}[measure]
        return f"{none} (at most {words.at_most(ratio)} as many)" if ratio.high is not None else none
    if ratio.value >= 1.5:
        times = words.spread(ratio)
        said = {"presence": "in {} times as many images", "area": "on {} times the area", "count": "{} times as many an image"}
        return said[measure].format(times)
    said = {"presence": "in {} as many images", "area": "on {} of the area", "count": "{} as many an image"}
    return said[measure].format(words.percents(ratio))


def against(finding: ClassFinding, measure: Measure) -> str:
    """What stands behind a ratio: "11 % against 30 % of images", "1.2 against 2.9 an image"."""
    sides = finding.sides(measure)
    if measure == "count":
        return f"{words.number(sides.generated)} against {words.number(sides.real)} an image"
    said: Callable[[float | None], str] = words.share if measure == "presence" else words.percent
    return f"{said(sides.generated)} against {said(sides.real)} of {'images' if measure == 'presence' else 'pixels'}"


def class_words(finding: ClassFinding) -> str:
    """How much less or more a class with a verdict is held."""
    decided, measure = finding.leading_verdict, finding.leading_measure
    if decided is None:
        return ""
    if finding.word == "invented":
        return f"in {words.share(finding.presence.generated)} of its images and {_of_real(finding)}"
    counted = f" ({against(finding, measure)})" if measure == "count" else ""
    return how_much(decided, measure) + counted + (_though(finding) if finding.word in LOST else "") + traces(finding)


def traces(finding: ClassFinding) -> str:
    """That crumbs are seen in many more images than hold the class: "; traces in 31 % of images, of which the parser is 42 %
    sure"; empty where there are few."""
    here, any_trace = finding.presence, finding.any_trace
    if here.ratio is None or any_trace.ratio is None or here.generated is None or any_trace.generated is None:
        return ""
    if any_trace.ratio < TRACES * here.ratio or any_trace.generated - here.generated < LEAST_TRACES:
        return ""
    sure = finding.generated_trace_confidence
    doubt = "" if sure is None else f", of which the parser is {words.share(sure)} sure"
    return f"; traces in {words.share(any_trace.generated)} of images{doubt}"


def found(verdict: Verdict) -> str:
    """What these numbers of images can find: "a fall to 74 % would have been found"."""
    if verdict.detectable is None:
        return "no fall would surely have been found"
    if verdict.detectable == 0:
        return "only a total loss would surely have been found"
    return f"a fall to {words.share(verdict.detectable)} would have been found"


def unsettled_words(finding: ClassFinding) -> str:
    """Both measures that are open: "in 93 % [81, 106] as many images; a fall to 74 % would have been found"."""
    open_ones = finding.measures(["inconclusive"])
    measure = open_ones[0] if len(open_ones) == 1 else finding.leading_measure
    verdict = finding.verdict_on(measure)
    if verdict is None:
        return ""
    said = how_much(verdict, measure)
    return f"{said}; {found(verdict)}" if (verdict.ratio.value or 0) < 1 else said


def distance_words(distance: Distance, alpha: float) -> str:
    """The distance in one sentence, corrected first."""
    if distance.corrected.value is None:
        return f"FSD {words.number(distance.plain)}, without an interval: {distance.withheld or 'too few images'}"
    said = words.chance(distance.q_value, distance.permutations, distance.tests, alpha)
    without = f", without an interval ({distance.withheld})" if distance.withheld else ""
    return f"FSD {words.distance(distance.corrected)}, corrected for the number of images{without}; {said}"


def adjusted_words(shown: Sequence[Distance]) -> str:
    """How the p-values of these generators are to be read: "p is adjusted over the 3 generators (Holm): 99 permutations can
    say no less than 0.03"; empty without one."""
    one = next((distance for distance in shown if distance.q_value is not None), None)
    if one is None:
        return ""
    over = f" is adjusted over the {one.tests:,} generators (Holm)" if one.tests > 1 else ""
    return f"p{over}: {one.permutations:,} permutations can say no less than {words.least(one.permutations, one.tests)}"


def permutation_words(tests: int, permutations: int, alpha: float) -> str:
    """That so few permutations cannot tell any of so many generators from the real images; empty where they can."""
    if not permutations or not tests or permutation.least(permutations, tests) <= alpha:
        return ""
    of = "one generator" if tests == 1 else f"{tests:,} generators"
    return (
        f"{permutations:,} permutations cannot tell any of {of} from the real images: p, adjusted over the generators, is "
        f"never below {words.least(permutations, tests)}, and alpha is {alpha:g}; "
        f"`decide: {{permutations: {permutation.enough(tests, alpha)}}}` would do."
    )


def bias_words(distance: Distance) -> str:
    """The warning where the plain distance says little."""
    return (
        f"More than half of the plain distance of {words.number(distance.plain)} is what so few images give by chance; "
        "only more images make it sharper."
    )


def rank_words(distance: Distance) -> str:
    """The place among the generators with its doubt: 1; 1 to 2."""
    if distance.rank is None:
        return words.NOTHING
    place, low, high = distance.rank
    return str(place) if low == high else f"{low} to {high}"


def pair_words(pair: GeneratorPair) -> str:
    """ "progan is nearer than wgan-gp by 0.85 [0.70, 1.01]", "a and b cannot be told apart at this N: …"."""
    if pair.verdict != "a is nearer":
        return f"{pair.a} and {pair.b} cannot be told apart at this N: FSD differs by {words.distance(pair.difference)}"
    value, low, high = pair.difference.value, pair.difference.low, pair.difference.high
    by = Interval(*(None if end is None else -end for end in (value, high, low)))
    return f"{pair.a} is nearer than {pair.b}, by {words.distance(by)}"


def _each(classes: Sequence[ClassFinding], verdict: str, named: int, listed: int) -> list[Line]:
    return _lines(verdict, with_verdict(classes, verdict), class_words, named, listed)


def _lines(
    verdict: str, classes: Sequence[ClassFinding], say: Callable[[ClassFinding], str], named: int, listed: int
) -> list[Line]:
    """A line each, from `named` on together: one alone is not worth a line that says less."""
    named = named + (len(classes) == named + 1)
    lines = [Line(verdict, (finding.name,), say(finding)) for finding in classes[:named]]
    return lines + _rest(verdict, classes[named:], listed)


def _though(finding: ClassFinding) -> str:
    """The measure that grew where another was lost: ", though in 1.8 [1.6, 1.9] times as many images"."""
    grown = [
        (measure, verdict)
        for measure in finding.measures(["increased"])
        if (verdict := finding.verdict_on(measure)) is not None
    ]
    return "".join(f", though {how_much(verdict, measure)}" for measure, verdict in grown)


def _rest(verdict: str, classes: Sequence[ClassFinding], listed: int) -> list[Line]:
    if not classes:
        return []
    names = tuple(finding.name for finding in classes[:listed])
    return [Line(verdict, names, "", len(classes) - len(names))]


def _needed(classes: Sequence[ClassFinding]) -> str:
    """From how many images on the presence of the first and of all of them would be testable; empty where none would be."""
    needed = [verdict.images_needed for finding in classes if (verdict := finding.verdict_on("presence")) is not None]
    known = sorted(images for images in needed if images is not None)
    if not known:
        return ""
    for_some = "" if known[0] == known[-1] else f" for some, {known[-1]:,} for all"
    return f"too few images to say; {known[0]:,} a side would do{for_some}"


def _of_real(finding: ClassFinding) -> str:
    return f"{words.share(finding.presence.real)} of the real ones" if finding.presence.real else "in no real one"
