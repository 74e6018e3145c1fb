"""How far each generator is from the real images, and which generator is nearer: typed rows of the distance's tables."""

from dataclasses import dataclass, replace

from ganaudit.report import words
from ganaudit.report.data import Findings, Interval, rows
from ganaudit.statistics.permutation import adjusted


@dataclass(frozen=True)
class Distance:
    """One generator's distance with all that says what it is worth. Squared percent of pixels."""

    generator: str
    real_images: int
    generated_images: int
    plain: float
    mean_part: float
    covariance_part: float
    corrected: Interval
    floor: float | None
    resolution_floor: float | None
    mostly_bias: bool
    q_value: float | None
    """The p-value of no difference, adjusted over the generators."""
    permutations: int
    tests: int = 1
    """Generators over which it is adjusted."""
    withheld: str | None = None
    """Why corrected has no interval."""
    rank: tuple[int, int, int] | None = None
    """Place, and the first and last place that cannot be ruled out."""

    @property
    def best(self) -> float:
        """The corrected value, the plain one where there is none."""
        return self.plain if self.corrected.value is None else self.corrected.value


@dataclass(frozen=True)
class Point:
    """The distance at one number of images."""

    images: int
    plain: Interval
    corrected: Interval


@dataclass(frozen=True)
class ClassShare:
    """A class's part of the plain distance."""

    class_id: int
    name: str
    share: float


@dataclass(frozen=True)
class GeneratorPair:
    """Two generators against the same real images: the distance of a minus that of b."""

    a: str
    b: str
    difference: Interval
    p_value: float | None
    verdict: str


def distances(findings: Findings) -> list[Distance]:
    """The nearest generator first, those whose distance is unknown last."""
    places = {row["generator"]: (row["rank"], row["rank_low"], row["rank_high"]) for row in rows(findings, "ranks")}
    found = rows(findings, "fsd")
    q_values = [row["q_value"] for row in found]
    if not any(q_values):  # of an older ganaudit
        q_values = adjusted([row["p_value"] for row in found])
    tests = sum(q_value is not None for q_value in q_values)
    unordered = [
        Distance(
            generator=row["generator"], real_images=row["real_images"], generated_images=row["generated_images"],
            plain=row["fsd"], mean_part=row["mean_part"], covariance_part=row["covariance_part"],
            corrected=_from_zero(Interval.of(row, "corrected")), floor=row["floor"],
            resolution_floor=row["resolution_floor"], mostly_bias=bool(row["mostly_bias"]), q_value=q_value,
            permutations=row["permutations"], tests=tests, withheld=row.get("withheld"), rank=places.get(row["generator"]),
        )
        for row, q_value in zip(found, q_values, strict=True)
    ]  # fmt: skip
    return sorted(unordered, key=lambda distance: (distance.rank is None, distance.rank, distance.best))


def _from_zero(corrected: Interval) -> Interval:
    """No distance is below 0: an estimate that is says 0."""
    return corrected if corrected.value is None else replace(corrected, value=max(0.0, corrected.value))


def curve(findings: Findings, generator: str) -> list[Point]:
    """The distance over the number of generated images, rising."""
    points = [
        Point(
            row["generated_images"], Interval.of(row, "fsd"),
            Interval.of(row, "corrected"),
        )
        for row in rows(findings, "fsd_curve", generator)
    ]  # fmt: skip
    return sorted(points, key=lambda point: point.images)


def shares(findings: Findings, generator: str) -> list[ClassShare]:
    """Each class's part of the plain distance, the largest first."""
    parts = [ClassShare(row["class_id"], row["class"], row["share"]) for row in rows(findings, "fsd_by_class", generator)]
    return sorted(parts, key=lambda each: (-each.share, each.class_id))


def pairs(findings: Findings) -> list[GeneratorPair]:
    """Every pair of generators, the nearer one first where they can be told apart."""
    compared = []
    for row in rows(findings, "comparison"):
        value, low, high = row["difference"], row["difference_low"], row["difference_high"]
        a, b, verdict = row["generator_a"], row["generator_b"], row["verdict"]
        if verdict == "b is nearer":
            a, b, verdict = b, a, "a is nearer"
            value, low, high = (None if end is None else -end for end in (value, high, low))
        compared.append(GeneratorPair(a, b, Interval(value, low, high), row["p_value"], verdict))
    return compared


def named_pairs(findings: Findings) -> tuple[list[GeneratorPair], str]:
    """The pairs that are said one by one, and a sentence for the others (`words.worth_a_line`)."""
    return words.worth_a_line(pairs(findings), lambda pair: pair.verdict == "a is nearer")
