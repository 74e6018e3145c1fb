"""Numbers as a person reads them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ganaudit.report import words
from ganaudit.report.data import Interval

MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (428.4, "428"), (85.2, "85"), (9.96, "10"), (2.14, "2.1"), (0.996, "1.0"), (0.187, "0.19"), (0.00423, "0.0042"),
        (12345.6, "12,346"), (0, "0"), (0.00001, "<0.0001"), (-2.14, f"{MINUS}2.1"), (None, DASH),
        (float("nan"), DASH),
    ],
)  # fmt: skip
def test_numbers(value, text):
    assert words.number(value) == text


def test_more_digits():
    assert [words.number(value, 3) for value in (2.136, 85.23, 0.18749)] == ["2.14", "85.2", "0.187"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (45.94, "46 %"), (2.39, "2.4 %"), (0.377, "0.38 %"), (0.00001, "<0.001 %"), (0, "0 %"), (100, "100 %"),
        (99.97, "99.9 %"), (99.2, "99.2 %"), (None, DASH),
    ],
)  # fmt: skip
def test_percent_is_never_rounded_to_all_or_nothing(value, text):
    assert words.percent(value) == text


@pytest.mark.parametrize(
    ("interval", "percents", "distance"),
    [
        ((0.372, 0.312, 0.441), "37 % [31, 44]", "0.372 [0.312, 0.441]"),
        ((0.0804, 0.0581, 0.1092), "8 % [6, 11]", "0.080 [0.058, 0.109]"),
        ((0.0, 0.0, 0.012), "0 % [0, 1.2]", "0 [0, 0.0120]"),
        ((1.93, 1.71, 2.15), "193 % [171, 215]", "1.93 [1.71, 2.15]"),
        ((-0.02, -0.1, 0.06), f"{MINUS}2 % [{MINUS}10, 6]", f"{MINUS}0.020 [{MINUS}0.100, 0.060]"),
        ((211.2, 190.0, 233.0), "21,120 % [19,000, 23,300]", "211 [190, 233]"),
        ((1.0, 1.0, 1.0), "100 %", "1.00"), ((0.5, None, None), "50 %", "0.500"), ((None, None, None), DASH, DASH),
    ],
)  # fmt: skip
def test_an_interval_has_the_digits_that_its_width_allows(interval, percents, distance):
    assert words.percents(Interval(*interval)) == percents
    assert words.distance(Interval(*interval)) == distance


def test_at_most():
    ends = (0.0123, 0.00071, 0.31, None)
    assert [words.at_most(Interval(0.0, 0.0, end)) for end in ends] == ["1.2 %", "0.07 %", "31 %", DASH]


def test_chance_says_whether_images_can_be_told_apart():
    assert words.chance(0.01, 99, 1, 0.05) == "beyond chance (p ≤ 0.01, the least that 99 permutations can say)"
    assert words.chance(0.03, 99, 3, 0.05) == "beyond chance (p ≤ 0.03, the least that 99 permutations can say of 3 generators)"
    assert words.chance(0.04, 99, 3, 0.05) == "beyond chance (p = 0.040, adjusted over 3 generators)"
    assert words.chance(0.04, 99, 1, 0.05) == "beyond chance (p = 0.040)"
    assert words.chance(0.34, 99, 3, 0.05) == "cannot be told from real images (p = 0.34, adjusted over 3 generators)"
    assert words.chance(None, 0, 0, 0.05) == "not tested"


@pytest.mark.parametrize("q_value", [0.06, 0.4])
def test_too_few_permutations_settle_nothing_and_say_how_many_would(q_value):
    said = "not settled (99 permutations can say no less than p = 0.06 of 6 generators; 119 would do)"
    assert words.chance(q_value, 99, 6, 0.05) == said


def test_a_p_value_at_its_least_is_a_bound():
    assert [words.permuted(q_value, 99, 3) for q_value in (0.03, 0.04, 0.34, None)] == ["≤0.03", "0.040", "0.34", DASH]
    assert words.permuted(1.0, 1, 2) == "1.00"  # the least is no bound
    assert [words.least(149, 1), words.least(99_999, 1), words.least(9, 4)] == ["0.0067", "0.00001", "0.4"]


def test_p_values_and_shares_of_ten():
    assert [words.p(value) for value in (0.34, 0.034, 0.0001, None)] == ["0.34", "0.034", "<0.001", DASH]
    assert [words.of_ten(share) for share in (0.6, 0.97, 0.03, 1.0)] == ["6 of 10", "97 of 100", "3.0 of 100", "10 of 10"]


def test_changes():
    assert [words.change(ratio) for ratio in (0.54, 1, 1.07, 3.3, 0, None)] == [
        f"{MINUS}46 %", "0 %", "+7 %", "+230 %", f"{MINUS}100 %", DASH
    ]  # fmt: skip


def test_counts_lists_and_times():
    assert [words.counted(1, "class"), words.counted(2000, "image")] == ["1 class", "2,000 images"]
    assert [words.listing(list(names)) for names in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
    start = datetime(2026, 11, 21, 3, 0, tzinfo=timezone(timedelta(hours=1)))
    assert words.moment(start) == "2026-11-21 02:00 UTC"
    assert words.moment(datetime(2026, 11, 21, 3, 0)) == "2026-11-21 03:00"
    later = (timedelta(seconds=41), timedelta(seconds=92), timedelta(hours=2, minutes=5))
    assert [words.duration(start, start.astimezone(UTC) + each) for each in later] == ["41 s", "1 min 32 s", "2 h 5 min"]


def test_about_how_long():
    assert [words.about(seconds) for seconds in (40, 600, 9000)] == ["40 s", "10 min", "2.5 h"]
