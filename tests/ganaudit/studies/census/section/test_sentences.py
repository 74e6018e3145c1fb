"""Findings as a person would say them."""

import pytest

from ganaudit.report.data import Interval
from ganaudit.studies.census.section.classes import Verdict
from ganaudit.studies.census.section.distances import Distance, GeneratorPair
from ganaudit.studies.census.section.sentences import (
    MEANS,
    adjusted_words,
    bias_words,
    distance_words,
    found,
    headline,
    how_much,
    pair_words,
    permutation_words,
    rank_words,
    verdict_lines,
)


@pytest.fixture
def decided(findings, row, verdict):
    """`decided(person=(real, made, presence verdict, area verdict), …)`: findings of generator g."""

    def build(**classes):
        stats, rows = [], []
        for class_id, (name, (real, made, presence, area)) in enumerate(classes.items(), 1):
            stats.append(row("g", class_id, name, real, made))
            for measure, columns in (("presence", presence), ("area", area)):
                same = {"run": "r1", "real": "village", "generator": "g", "class_id": class_id, "class": name}
                rows.append({**same, "measure": measure, **verdict(*columns[:4], **(columns[4] if columns[4:] else {}))})
        return findings(class_stats=stats, dropped_classes=rows)

    return build


LESS = ((0.3, 1.0), (0.11, 1.0))
SAME = ((0.5, 1.0), (0.5, 1.0))
EQUAL = ("equivalent", 1.0, 0.95, 1.05)


def said(findings, **how):
    return [(line.verdict, line.plain) for line in verdict_lines(findings, "g", **how)]


def test_what_was_lost_is_said_with_its_interval_and_not_what_would_have_been_found(decided):
    detectable = {"detectable": 0.74}
    table = decided(
        person=(*LESS, ("reduced", 0.37, 0.31, 0.44, detectable), ("reduced", 0.3, 0.2, 0.4)),
        car=(*LESS, ("dropped", 0.08, 0.06, 0.094), EQUAL),
        palm=((0.3, 1.0), (0.0, 0.0), ("dropped", 0.0, 0.0, 0.012), ("dropped", 0.0, 0.0, 0.014)),
        fence=((0.3, 1.0), (0.3, 0.5), EQUAL, ("reduced", 0.5, 0.45, 0.55, detectable)),
    )
    assert said(table) == [
        ("dropped", "palm, in no image (at most 1.2 % as many)"),
        ("dropped", "car, in 8 % [6, 9] as many images"),
        ("reduced", "person, in 37 % [31, 44] as many images"),
        ("reduced", "fence, on 50 % [45, 55] of the area"),
    ]
    assert headline(table, "g") == "drops 2 and reduces 2 of 4 classes"


def test_what_grew_and_what_was_invented(decided):
    table = decided(
        fence=((0.2, 1.0), (0.44, 1.0), ("increased", 2.2, 2.0, 2.41), ("inconclusive", 1.1, 0.7, 1.6)),
        tree=((0.5, 1.0), (0.65, 1.0), ("increased", 1.31, 1.27, 1.36), EQUAL),
        boat=((0.0, 0.0), (0.05, 1.0), ("invented",), ("invented",)),
        ghost=((0.0005, 1.0), (0.05, 1.0), ("invented", 100.0, 40.0, 400.0), ("not testable",)),
    )
    assert said(table) == [
        ("invented", "boat, in 5.0 % of its images and in no real one"),
        ("invented", "ghost, in 5.0 % of its images and 0.050 % of the real ones"),
        ("increased", "fence, in 2.2 [2.0, 2.4] times as many images"),
        ("increased", "tree, in 131 % [127, 136] as many images"),
    ]


def test_growth_of_one_measure_is_said_beside_the_loss_of_the_other(decided):
    table = decided(fence=((0.3, 1.0), (0.6, 0.3), ("increased", 2.0, 1.9, 2.12), ("reduced", 0.6, 0.5, 0.7)))
    assert said(table) == [("reduced", "fence, on 60 % [50, 70] of the area, though in 2.00 [1.90, 2.12] times as many images")]


def test_what_is_not_settled_says_what_would_have_been_found(decided):
    table = decided(
        sun=((0.3, 1.0), (0.28, 1.0), ("inconclusive", 0.93, 0.81, 1.06, {"detectable": 0.74}), EQUAL),
        lamp=((0.3, 1.0), (0.2, 1.0), EQUAL, ("inconclusive", 0.7, 0.4, 1.3)),
        moon=((0.3, 1.0), (0.2, 1.0), EQUAL, ("inconclusive", 0.9, 0.4, 1.3, {"detectable": 0.0})),
        star=((0.3, 1.0), (0.4, 1.0), ("inconclusive", 1.2, 1.1, 1.3, {"detectable": 0.7}), EQUAL),
        rare=((0.002, 1.0), (0.0, 0.0), ("not testable", 0.0, 0.0, 1.8), ("not testable", 0.0, 0.0, 1.9)),
        sky=(*SAME, EQUAL, EQUAL),
        half=(*SAME, EQUAL, ("not testable", 1.0, 0.1, 4.0)),
    )
    lines = said(table, named=8)
    assert ("inconclusive", "sun, in 93 % [81, 106] as many images; a fall to 74 % would have been found") in lines
    assert ("inconclusive", "lamp, on 70 % [40, 130] of the area; no fall would surely have been found") in lines
    assert ("inconclusive", "star, in 120 % [110, 130] as many images") in lines
    assert any("only a total loss would surely have been found" in text for _, text in lines)
    assert lines[-2:] == [("not testable", "half and rare"), ("equivalent", "sky")]
    for part in ("not found to lose or add", "7 classes", "1 equivalent", "4 inconclusive", "2 not testable"):
        assert part in headline(table, "g")


def test_a_generator_that_holds_all_is_said_to(decided):
    assert headline(decided(sky=(*SAME, EQUAL, EQUAL)), "g") == "is equivalent to the real images on 1 class"


def test_many_classes_are_counted(decided):
    table = decided(**{
        f"c{i:02d}": (*LESS, ("reduced", 0.3 + i / 100, 0.3, 0.4 + i / 100, {"detectable": 0.7}), EQUAL) for i in range(20)
    })  # fmt: skip
    lines = said(table, named=2, listed=3)
    assert [text for _, text in lines][2:] == ["c02, c03, c04 and 15 others"]
    assert lines[0][1].startswith("c00, in 30 %")


def test_nothing_at_all(findings, row):
    assert headline({}, "g") == "holds no class, nor do the real images" and verdict_lines({}, "g") == []
    nowhere = findings(class_stats=[row("g", 1, "a", (0.0, 0.0), (0.0, 0.0))])
    assert headline(nowhere, "g") == "holds no class, nor do the real images"


def test_area_has_words_of_its_own():
    assert how_much(Verdict("dropped", Interval(0.0, 0.0, 0.02)), "area") == "on no pixel (at most 2.0 % as many)"
    assert how_much(Verdict("increased", Interval(3.0, 2.9, 3.12)), "area") == "on 3.00 [2.90, 3.12] times the area"
    assert how_much(Verdict("not testable", Interval()), "area") == "which the real images do not hold"
    assert how_much(Verdict("invented", Interval()), "presence") == "in no real image"
    assert found(Verdict("reduced", Interval(), detectable=0.5)) == "a fall to 50 % would have been found"


def test_every_verdict_is_explained():
    from ganaudit.studies.census.section.classes import SEVERITY

    assert sorted(MEANS) == sorted(SEVERITY)


def distance(**changes) -> Distance:
    values = {
        "generator": "g", "real_images": 2000, "generated_images": 2000, "plain": 2.1, "mean_part": 1.0,
        "covariance_part": 1.1, "corrected": Interval(1.93, 1.71, 2.15), "floor": 0.19, "resolution_floor": None,
        "mostly_bias": False, "q_value": 0.01, "permutations": 99,
    }  # fmt: skip
    return Distance(**{**values, **changes})


def test_distances():
    for part in ("FSD 1.93 [1.71, 2.15]", "corrected", "beyond chance", "p ≤ 0.01", "least that 99 permutations can say"):
        assert part in distance_words(distance(), 0.05)
    unknown = distance_words(distance(corrected=Interval()), 0.05)
    assert "FSD 2.1" in unknown and "too few images" in unknown and "[" not in unknown
    assert "More than half of the plain distance of 2.1" in bias_words(distance())
    assert [rank_words(distance(rank=rank)) for rank in ((1, 1, 1), (2, 1, 3), None)] == ["1", "1 to 3", "\N{EN DASH}"]


def test_p_values_say_over_what_they_are_adjusted_and_how_small_they_can_be():
    assert adjusted_words([distance()]) == "p: 99 permutations can say no less than 0.01"
    several = [distance(q_value=None), distance(q_value=0.5, tests=2)]
    assert adjusted_words(several) == "p is adjusted over the 2 generators (Holm): 99 permutations can say no less than 0.02"
    assert adjusted_words([distance(q_value=None)]) == adjusted_words([]) == ""
    assert "p = 0.30, adjusted over 2 generators" in distance_words(distance(q_value=0.3, tests=2), 0.05)


def test_permutations_that_are_too_few_are_told_with_how_many_would_do():
    assert permutation_words(6, 99, 0.05) == (
        "99 permutations cannot tell any of 6 generators from the real images: p, adjusted over the generators, is never below "
        "0.06, and alpha is 0.05; `decide: {permutations: 119}` would do."
    )
    assert "any of one generator" in permutation_words(1, 9, 0.05)
    assert {permutation_words(*few, 0.05) for few in ((6, 119), (5, 99), (6, 0), (0, 3))} == {""}


def test_pairs_of_generators():
    apart = Interval(-0.85, -1.01, -0.69)
    assert pair_words(GeneratorPair("a", "b", apart, 0.01, "a is nearer")) == "a is nearer than b, by 0.85 [0.69, 1.01]"
    near = GeneratorPair("a", "b", Interval(-0.02, -0.1, 0.06), 0.6, "cannot be told apart")
    assert pair_words(near).startswith("a and b cannot be told apart at this N: FSD differs by \N{MINUS SIGN}0.02")
