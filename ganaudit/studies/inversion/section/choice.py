"""What inversions say of a generator, chosen for a reader: one way of inverting, its verdicts, and which photos are shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ganaudit.report import words
from ganaudit.report.data import Findings, Interval, Row, rows
from ganaudit.studies.inversion.settings import UNKNOWN

NOT_MADE = "not made"
ORDER = (NOT_MADE, "inconclusive", "made", "not testable")
"""Verdicts on classes in the order in which a reader needs them."""
PREFERRED = "layerwise"
"""Of ways that own samples do not tell apart."""
CASES, CONTROL = 20, 0.8
"""Own samples that a control needs, and the mean recall from which it passes."""
SHOWN = {1: 4, 3: 3, 8: 2}
"""Up to so many generators, so many classes of each are shown in pictures; beyond, one."""
MEANS: Mapping[str, str] = {
    "not made": "Its presence or area in samples is dropped, hardly any photo of it comes back even when its pixels count "
    "ten times in the search, and the same search does bring back what is within the generator's reach (the control).",
    "made": "Photos of it come back where only evidential layers are free: the generator can draw it, however rarely it does.",
    "inconclusive": "Neither is beyond doubt: the search may have failed, the class is not dropped, or too few photos hold it.",
    "not testable": "Fewer than 20 photos hold enough of it, or there is no control: nothing is said.",
    "omitted": "Of a photo: something else stands where the class was.",
    "distorted": "Of a photo: the reconstruction shows the class, but elsewhere, in another size or with half the confidence.",
    "recovered": "Of a photo: half of the class's pixels or more come back as the class.",
    "search inconclusive": "Of a photo: it is lost, but so is what the generator is known to make.",
}


@dataclass(frozen=True)
class Variant:
    """One way of inverting: the rows of a finding that belong together."""

    method: str
    layer: str
    factor: float | None

    @property
    def somebody_elses(self) -> bool:
        """Whether another inverter's images were read, and nothing was searched."""
        return self.layer == UNKNOWN

    @property
    def in_words(self) -> str:
        """How it inverts, after the name of the method: what was free."""
        if self.somebody_elses:
            return "somebody else's reconstructions, without a control"
        if self.layer in ("z", "w"):
            return "free in the latent alone"
        return f"free in the layers before {self.layer}, frozen from there on"

    def holds(self, row: Row) -> bool:
        return (row["method"], row["layer"], row["penalty_factor"]) == (self.method, self.layer, self.factor)


@dataclass(frozen=True)
class Omission:
    """A class as inversions see it. standing: what is in its place, with shares of its pixels, the class itself left out."""

    class_id: int
    name: str
    verdict: str
    images: int
    recall: Interval
    control: str | None
    control_images: int
    control_recall: float | None
    weighted_recall: float | None
    standing: Sequence[tuple[str, Interval]]
    otherwise: Sequence[str]
    """The verdicts at a tenth and at ten times the residuals' penalty, and by other methods, where they are not the same."""

    @property
    def control_kind(self) -> str | None:
        """own (samples), other (classes) or sibling; None where there is no control."""
        return None if self.control is None else self.control.split()[0]


@dataclass(frozen=True)
class Choice:
    """A picture to be shown: where its record is, and what for."""

    generator: str
    class_id: int
    kind: str
    key: str
    image: int
    name: str
    pixels: int
    recall: float
    verdict: str


def way(findings: Findings, generator: str) -> Variant | None:
    """The way that the page shows, at the penalty set from own samples, and chosen by own samples alone.

    Of the ways that are evidence the one that gives them back best, by mean squared error, among those whose control passes.
    """
    said = [row for row in rows(findings, "omissions", generator) if row["penalty_factor"] in (None, 1.0)]
    ways = dict.fromkeys(Variant(row["method"], row["layer"], row["penalty_factor"]) for row in said)
    layers = rows(findings, "inversion_by_layer", generator)
    own = [row for row in rows(findings, "inversion_summary", generator) if row["sample"] == "own"]

    def worth(variant: Variant) -> tuple[bool, bool, float, bool]:
        evidential = all(row["evidential"] for row in layers if variant.holds(row))
        errors = [row["mse"] for row in own if variant.holds(row) and row["mse"] is not None]
        passes = _control_passes([row for row in said if variant.holds(row)])
        return not evidential, not passes, min(errors, default=math.inf), variant.method != PREFERRED

    return min(ways, key=worth, default=None)


def _control_passes(said: Sequence[Row]) -> bool:
    """Whether half of the classes or more that enough own samples hold come back in them."""
    tested = [row for row in said if row["control"] == "own samples" and row["control_images"] >= CASES]
    passing = [row for row in tested if (row["control_recall"] or 0.0) >= CONTROL]
    return bool(tested) and 2 * len(passing) >= len(tested)


def omissions(findings: Findings, generator: str) -> list[Omission]:
    """Every class that a photo holds, the plainest omission first."""
    chosen = way(findings, generator)
    if chosen is None:
        return []
    confusions: dict[int, list[Row]] = {}
    for row in rows(findings, "inversion_confusions", generator):
        if chosen.holds(row) and row["sample"] == "heldout":
            confusions.setdefault(row["class_id"], []).append(row)
    said = rows(findings, "omissions", generator)
    unordered = [
        Omission(
            row["class_id"],
            row["class"],
            row["verdict"],
            row["images"],
            Interval.of(row, "recall"),
            row["control"],
            row["control_images"],
            row["control_recall"],
            row["weighted_recall"],
            [
                (
                    omission["reconstruction_class"] if omission["reconstruction_class_id"] else "void",
                    Interval.of(omission, "share"),
                )
                for omission in confusions.get(row["class_id"], [])
                if omission["reconstruction_class_id"] != row["class_id"]
            ],
            _otherwise(row, said, chosen),
        )
        for row in said
        if chosen.holds(row)
    ]
    return sorted(
        unordered,
        key=lambda omission: (
            ORDER.index(omission.verdict),
            1.0 if omission.recall.value is None else omission.recall.value,
            omission.name,
        ),
    )


def _otherwise(row: Row, said: Sequence[Row], chosen: Variant) -> list[str]:
    others = []
    for other in said:
        if other["class_id"] != row["class_id"] or other["verdict"] == row["verdict"]:
            continue
        if other["method"] != chosen.method:
            if other["penalty_factor"] in (None, 1.0):
                others.append(f"{other['verdict']} by {other['method']}")
        elif other["layer"] == chosen.layer and other["penalty_factor"] != chosen.factor:
            others.append(f"{other['verdict']} at {other['penalty_factor']:g} times the penalty")
    return others


def lines(findings: Findings, generator: str) -> list[tuple[str, str]]:
    """(verdict, the classes that got it, with what is left of those that are not made): for a terminal.

    Last what is not made by another method: one that frees less finds an omission that residuals paint over.
    """
    classes = omissions(findings, generator)
    said: dict[str, list[str]] = {}
    for one in classes:
        said.setdefault(one.verdict, []).append(f"{one.name}{_left(one.recall) if one.verdict == NOT_MADE else ''}")
    said_lines = [(verdict, words.listing(said[verdict])) for verdict in ORDER if verdict in said]
    by_method: dict[str, list[str]] = {}
    chosen = way(findings, generator)
    known = {omission.class_id for omission in classes if omission.verdict == NOT_MADE}
    for row in rows(findings, "omissions", generator):
        another = chosen is not None and row["method"] != chosen.method and row["penalty_factor"] in (None, 1.0)
        if another and row["verdict"] == NOT_MADE and row["class_id"] not in known:
            by_method.setdefault(row["method"], []).append(f"{row['class']}{_left(Interval.of(row, 'recall'))}")
    return said_lines + [(NOT_MADE, f"{words.listing(names)}, by {method}") for method, names in by_method.items()]


def _left(recall: Interval) -> str:
    return f" ({words.percents(recall)} of its pixels come back)"


def encoder_words(findings: Findings, generator: str) -> list[str]:
    """The classes that each encoder misses, in a sentence an encoder; none where it misses none, or nobody asked."""
    missed: dict[str, list[str]] = {}
    for row in rows(findings, "encoder_limits", generator):
        if row["verdict"] == "missed":
            said = f"{row['class']} ({row['elsewhere']} of {words.counted(row['images'], 'photo')})"
            missed.setdefault(row["encoder"], []).append(said)
    return [
        f"Comes back neither by {encoder} nor by a search from it, but from another start: {', '.join(classes)}."
        for encoder, classes in missed.items()
    ]


def memorisation_words(findings: Findings, generator: str) -> str | None:
    """Whether training photos come back better than held-out ones, in a sentence; None where nobody asked."""
    row = next(iter(rows(findings, "memorisation", generator)), None)
    if row is None or (row["verdict"] == "not testable" and not row["train_images"]):
        return None
    if row["verdict"] == "not testable":
        return f"Memorisation is not testable: {row['reason']}."
    gap = words.distance(Interval.of(row, "difference"))
    train, heldout = (
        words.counted(row[f"{kind}_images"], noun)
        for kind, noun in (("train", "training photo"), ("heldout", "held-out photo"))
    )
    return (
        f"{train} against {heldout}: "
        f"{row['verdict']}. Held-out less training error {gap}; Kolmogorov-Smirnov {words.number(row['ks'])} "
        f"(p {words.p(row['ks_p'])}); a held-out photo's error is the higher one in {words.share(row['auc'])} of pairs."
    )


def choices(findings: Findings, generators: Sequence[str]) -> list[Choice]:
    """The pictures that are shown, by rule.

    Of each generator the classes that come first in `omissions` and have a photo that can be tested. Of each class three:
    the photo with the lowest recall; the recovered photo with the highest (of equals more pixels, then the lower index);
    and the own sample that holds the class in the size nearest to the first.
    """
    most = next((most for count, most in SHOWN.items() if len(generators) <= count), 1)
    found: list[Choice] = []
    for generator in generators:
        chosen = way(findings, generator)
        if chosen is None:
            continue
        worst = {
            row["class_id"]: row for row in rows(findings, "worst_photos", generator) if chosen.holds(row) and row["rank"] == 1
        }
        shown = [omission for omission in omissions(findings, generator) if omission.class_id in worst]
        photos = [row for row in rows(findings, "photo_verdicts", generator) if chosen.holds(row)]
        for one in shown[:most]:
            found += _three(generator, worst[one.class_id], [row for row in photos if row["class_id"] == one.class_id])
    return found


def _three(generator: str, worst: Row, photos: Sequence[Row]) -> list[Choice]:
    def of(kind: str, row: Row) -> Choice:
        return Choice(
            generator, worst["class_id"], kind, row["key"], row["image"], row["name"], row["target_pixels"], row["recall"],
            row["verdict"],
        )  # fmt: skip

    chosen = [of("omitted", worst)]
    recovered = [row for row in photos if row["verdict"] == "recovered" and row["image"] != worst["image"]]
    if recovered:
        chosen.append(of("recovered", min(recovered, key=lambda row: (-row["recall"], -row["target_pixels"], row["image"]))))
    if worst["own_key"] is not None:
        own = {
            "key": worst["own_key"], "image": worst["own_image"], "name": f"own sample {worst['own_image']}",
            "target_pixels": worst["own_pixels"], "recall": worst["own_recall"], "verdict": "control",
        }  # fmt: skip
        chosen.append(of("own", own))
    return chosen
