"""What counts as worse than a baseline."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganaudit.comparison.regressions import WORDS, VerdictRow, fail_on, judge, needless, verdicts
from ganaudit.errors import RequestError

ALL = ("dropped", "reduced", "increased", "equivalent", "invented", "inconclusive", "not testable")


def row(verdict, name="person", generator="gan", measure="presence", low=0.4, **more):
    return VerdictRow(generator, name, measure, verdict, 0.5, low, 1.6, **more)


def regresses(now, before, words):
    return bool(judge([row(now)], None if before is None else [row(before)], words).regressed)


@pytest.mark.parametrize(
    ("before", "now", "words", "expected"),
    [
        ("equivalent", "dropped", ["dropped"], True),
        ("equivalent", "reduced", ["dropped"], False),
        ("equivalent", "reduced", ["reduced"], True),
        ("equivalent", "dropped", ["reduced"], True),
        ("reduced", "dropped", ["dropped"], True),
        ("reduced", "dropped", ["reduced"], True),
        ("dropped", "reduced", ["reduced"], False),
        ("dropped", "dropped", ["dropped", "reduced"], False),
        ("not testable", "dropped", ["dropped"], True),
        ("dropped", "increased", ["increased"], True),
        ("increased", "increased", ["increased"], False),
        ("equivalent", "increased", ["dropped", "reduced"], False),
        ("increased", "dropped", ["dropped"], True),
        ("inconclusive", "invented", ["invented"], True),
        ("equivalent", "inconclusive", list(WORDS), False),
        (None, "dropped", ["reduced"], True),
        (None, "reduced", ["dropped"], False),
    ],
)
def test_worse_than_the_baseline_and_named(before, now, words, expected):
    assert regresses(now, before, words) is expected


def test_a_run_is_no_regression_of_itself():
    rows = [row(verdict, name=str(number)) for number, verdict in enumerate(ALL)]
    judged = judge(rows, rows, WORDS)
    assert (judged.regressed, judged.worse, judged.accepted, judged.better, judged.open) == ((), (), (), (), ())


def test_all_that_is_worse_is_listed_and_what_gates_is_among_it():
    before = [row("equivalent", name=name) for name in ("a", "b", "c", "d", "e")] + [row("dropped", name="f")]
    now = [
        row("dropped", name="a"), row("reduced", name="b"), row("increased", name="c"), row("invented", name="d"),
        row("inconclusive", name="e"), row("increased", name="f"),
    ]  # fmt: skip
    judged = judge(now, before, ["dropped"], {"gan": ["b"]})
    assert [change.now.name for change in judged.regressed] == ["a"]
    assert [change.now.name for change in judged.worse] == ["a", "c", "d"]
    assert [change.now.name for change in judged.accepted] == ["b"]
    assert [change.now.name for change in judged.better] == ["f"]
    alone = judge(now, None, ["dropped"])
    assert alone.worse == alone.regressed and [change.now.name for change in alone.worse] == ["a"]


@pytest.mark.parametrize(("before", "now"), list(product(ALL, ALL)))
@pytest.mark.parametrize("words", [["dropped"], ["increased", "farther"], list(WORDS)])
def test_what_gates_is_worse(before, now, words):
    judged = judge([row(now)], [row(before)], words)
    assert set(judged.regressed) <= set(judged.worse)


@pytest.mark.parametrize(("before", "now"), list(product(ALL, ALL)))
def test_failing_on_more_words_never_finds_less(before, now):
    result = [regresses(now, before, WORDS[:n]) for n in range(len(WORDS) + 1)]
    assert result == sorted(result)


def test_rows_are_matched_by_generator_class_measure_group_and_slice():
    now = [row("dropped")]
    for other in (
        row("dropped", name="car"), row("dropped", generator="wgan"), row("dropped", measure="area"),
        row("dropped", group=True), row("dropped", slice="dusk"),
    ):  # fmt: skip
        assert judge(now, [other], ["dropped"]).regressed
    assert not judge(now, [row("dropped")], ["dropped"]).regressed


def test_a_generator_that_the_baseline_lacks_is_compared_with_nothing():
    judged = judge([row("dropped"), row("dropped", generator="new")], [row("dropped")], ["dropped"])
    assert [change.now.generator for change in judged.regressed] == ["new"]


def test_accepted_omissions_are_no_regression_for_their_generator_alone():
    rows = [row("dropped"), row("dropped", measure="area"), row("dropped", generator="wgan"), row("dropped", name="car")]
    judged = judge(rows, [], ["dropped"], {"gan": ["person"]})
    assert [(c.now.generator, c.now.name, c.now.measure) for c in judged.accepted] == [
        ("gan", "person", "presence"), ("gan", "person", "area"),
    ]  # fmt: skip
    assert [(c.now.generator, c.now.name) for c in judged.regressed] == [("wgan", "person"), ("gan", "car")]


@given(st.lists(st.tuples(st.sampled_from(ALL), st.sampled_from(ALL)), max_size=6), st.sets(st.sampled_from(WORDS)))
def test_every_row_is_in_at_most_one_part(pairs, words):
    now = [row(after, name=str(number)) for number, (_, after) in enumerate(pairs)]
    before = [row(verdict, name=str(number)) for number, (verdict, _) in enumerate(pairs)]
    judged = judge(now, before, sorted(words), {"gan": ["0", "2"]})
    named = [c.now.name for part in (judged.regressed, judged.accepted, judged.better, judged.open) for c in part]
    assert len(named) == len(set(named))


def test_what_got_better_is_beyond_doubt_and_the_rest_is_open():
    before = [row("dropped", name=str(number)) for number in range(5)]
    after = ("equivalent", "reduced", "inconclusive", "not testable", "dropped")
    judged = judge([row(verdict, name=str(number)) for number, verdict in enumerate(after)], before, ["dropped"])
    assert [change.now.verdict for change in judged.better] == ["equivalent", "reduced"]
    assert [change.now.verdict for change in judged.open] == ["inconclusive", "not testable"]


@pytest.mark.parametrize(("low", "line", "part"), [(0.81, 0.8, "better"), (0.79, 0.8, "open"), (0.79, 0.7, "better")])
def test_an_omission_is_gone_when_the_interval_lies_above_the_line(low, line, part):
    judged = judge([row("inconclusive", low=low)], [row("reduced")], ["dropped"], reduced=line)
    assert len(getattr(judged, part)) == 1 and len(judged.better) + len(judged.open) == 1


def test_what_need_not_be_accepted_any_more():
    rows = [row("equivalent"), row("increased", measure="area"), row("equivalent", name="car"), row("reduced", "car")]
    assert needless(rows, {"gan": ["person", "car", "nothing"], "other": ["person"]}) == [("gan", "person")]


def test_words():
    assert fail_on("dropped, farther,dropped") == ("dropped", "farther")
    assert fail_on(None) == ()
    with pytest.raises(RequestError, match="--fail-on 'droped' is no verdict to fail on; did you mean 'dropped'"):
        fail_on("droped")
    with pytest.raises(RequestError, match="--fail-on names nothing; it takes dropped"):
        fail_on(" , ")


def test_verdicts_of_all_tables():
    base = {"generator": "gan", "measure": "area", "verdict": "dropped", "ratio": 0.1, "ratio_low": 0.0, "ratio_high": 0.2}
    found = verdicts({
        "dropped_classes": [{**base, "class": "car"}],
        "dropped_groups": [{**base, "group": "vehicles"}],
        "dropped_in_slices": [{**base, "class": "car", "slice": "dusk"}],
        "fsd": [{"generator": "gan"}],
    })  # fmt: skip
    assert [result.what for result in found] == ["car", "vehicles (group)", "car, in dusk"]
    assert {(result.ratio, result.low, result.high) for result in found} == {(0.1, 0.0, 0.2)}
