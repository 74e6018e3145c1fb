"""What the parser is worth, in words."""

import pyarrow as pa
import pytest

from ganaudit.studies.census.section.trust import corrected, doubt_words, falling, parser_classes, tipping_words

NAMES = {"run": "r1", "real": "village", "generator": "g"}


def parser_row(name, sensitivity, holding=90):
    values = {"": sensitivity, "_low": sensitivity - 0.05, "_high": min(1.0, sensitivity + 0.05)}
    ends = {f"{side}{end}": value for side in ("sensitivity", "specificity") for end, value in values.items()}
    counts = {"run": "r1", "source": "masks", "class_id": 1, "class": name, "images": 300, "holding": holding}
    return {**counts, **ends, "recall": 0.9, "precision": 0.9, "iou": 0.8}


def corrected_row(class_id, name, tipping=None, alarms=None, falls=False, measure="presence"):
    return {
        **NAMES, "class_id": class_id, "class": name, "measure": measure, "ratio": 0.4, "ratio_low": 0.3, "ratio_high": 0.5,
        "tipping_sensitivity": tipping, "tipping_false_positive": alarms, "real_confidence": 0.98,
        "generated_confidence": 0.6 if falls else 0.97, "confidence_falls": falls,
    }  # fmt: skip


@pytest.fixture
def table(findings, row, verdict):
    decided = {"person": "reduced", "car": "reduced", "fence": "increased", "lamp": "equivalent"}
    stats = [row("g", i, name, (0.3, 1.0), (0.1, 1.0)) for i, name in enumerate(decided, 1)]
    rows = [
        {**NAMES, "class_id": i, "class": name, "measure": measure,
         **verdict(word if measure == "presence" else "equivalent", 0.3, 0.2, 0.4 + i / 10)}
        for i, (name, word) in enumerate(decided.items(), 1) for measure in ("presence", "area")
    ]  # fmt: skip

    def build(*corrected_rows, parser=()):
        more = {"parser_corrected": corrected_rows, "parser_classes": parser}
        raw = {name: pa.Table.from_pylist(list(given)) for name, given in more.items() if given}
        return {**findings(class_stats=stats, dropped_classes=rows), **raw}

    return build


def test_the_tipping_point_is_what_the_parser_would_have_to_miss(table):
    result = table(corrected_row(1, "person", 0.36), parser=[parser_row("person", 0.9)])
    assert tipping_words(result, "g") == [
        "the verdict on person would flip only if the parser missed, in generated images, 6 of 10 of those that it finds in "
        "real ones"
    ]
    near = table(corrected_row(1, "person", 0.81), parser=[parser_row("person", 0.9)])
    assert "would flip if the parser missed, in generated images, 1 of 10" in tipping_words(near, "g")[0]
    over = table(corrected_row(1, "person", 0.95), parser=[parser_row("person", 0.9)])
    assert tipping_words(over, "g") == ["the verdict on person flips with the parser's own misses: do not build on it"]


def test_growth_flips_by_false_alarms_and_the_rest_is_silent(table):
    found = table(
        corrected_row(4, "lamp", 0.4), corrected_row(3, "fence", alarms=0.08), corrected_row(2, "car"),
        corrected_row(1, "person", 0.3, measure="area"),
    )  # fmt: skip
    assert tipping_words(found, "g") == [
        "the verdict on fence would flip if the parser saw it in 8.0 % of the images that hold none"
    ]
    assert [result.name for result in corrected(found, "g")] == ["person", "car", "fence", "lamp"]


def test_classes_on_which_confidence_falls_are_named_once(table):
    found = table(corrected_row(1, "person", falls=True), corrected_row(1, "person", falls=True, measure="area"))
    assert [result.name for result in falling(found, "g")] == ["person"]
    assert falling(table(corrected_row(1, "person")), "g") == []


def test_a_generator_that_is_doubted_as_a_whole_is_told_once(table):
    sure, unsure = corrected_row(1, "person"), corrected_row(2, "car", falls=True)  # doubt 0.03 and 0.4 against 0.02
    middle = {**corrected_row(3, "fence"), "generated_confidence": 0.92}  # 0.08
    assert "on the class in the middle it doubts 4.0 times as much" in doubt_words(table(sure, middle, unsure), "g")
    even = {**corrected_row(3, "fence"), "generated_confidence": 0.975}
    assert doubt_words(table(even), "g") == "" == doubt_words(table(), "g")


def test_the_parsers_worst_classes_come_first_and_those_that_nothing_holds_are_left_out(table):
    result = table(parser=[parser_row("sky", 0.99), parser_row("lamp", 0.6), parser_row("ghost", 0.5, holding=0)])
    assert [parser_class.name for parser_class in parser_classes(result)] == ["lamp", "sky"]


def test_without_the_tables_there_is_nothing_to_say(table):
    assert parser_classes({}) == [] and corrected({}, "g") == [] and tipping_words(table(), "g") == []
