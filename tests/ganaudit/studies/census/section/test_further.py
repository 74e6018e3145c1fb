"""Groups, slices and pairs: the worst verdict first, what says nothing counted."""

from ganaudit.studies.census.section.further import MOST, further

NAMES = {"run": "r1", "real": "village", "generator": "g"}


def pair(verdict, a, b, word, high):
    columns = verdict(word, high / 2, high / 4, high)
    kept = {name: value for name, value in columns.items() if name not in ("detectable", "presence_threshold")}
    return {**NAMES, "class_a": a, "class_b": b, "expected": 80.0, **kept}


def test_the_worst_comes_first_and_what_says_nothing_is_counted(findings, verdict):
    group = [{**NAMES, "group": name, "measure": "area", **verdict(word, 0.5, 0.4, 0.6)} for name, word in
             (("a", "equivalent"), ("b", "reduced"), ("c", "dropped"))]  # fmt: skip
    slices = [
        {**NAMES, "slice": "dusk", "class_id": 1, "class": name, "measure": "presence", "real_images": 400,
         "generated_images": 410, **verdict(word, 0.5, 0.4, 0.6, holding=holding)}
        for name, word, holding in (
            ("sky", "equivalent", (9, 9)), ("car", "reduced", (9, 9)), ("person", "dropped", (9, 0)),
            ("ghost", "not testable", (0, 0)),
        )
    ]  # fmt: skip
    pairs = [pair(verdict, "a", "b", "equivalent", 1.1), pair(verdict, "a", "c", "reduced", 0.7),
             pair(verdict, "b", "c", "reduced", 0.5)]  # fmt: skip
    result = further(findings(dropped_groups=group, dropped_in_slices=slices, dropped_pairs=pairs), "g")
    assert [group.name for group in result.groups] == ["c", "b", "a"]
    assert [(decided_slice.name, decided_slice.within, decided_slice.images) for decided_slice in result.slices] == [
        ("person", "dusk", (400, 410)), ("car", "dusk", (400, 410))
    ]  # fmt: skip
    assert [pair.name for pair in result.pairs] == ["b and c", "a and c"]
    assert (result.more_slices, result.more_pairs) == (1, 1)


def test_no_more_than_a_reader_takes_in(findings, verdict):
    pairs = [pair(verdict, f"a{i:03d}", "b", "reduced", 0.5) for i in range(MOST + 7)]
    result = further(findings(dropped_pairs=pairs), "g")
    assert (len(result.pairs), result.more_pairs) == (MOST, 7)
    nothing = further({}, "g")
    assert not (nothing.groups or nothing.slices or nothing.pairs or nothing.more_pairs)
