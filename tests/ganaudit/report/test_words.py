"""Numbers and sentences as a person reads them."""

from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest

from ganaudit.report import sentence, words
from ganaudit.report.data import Estimate


def fsd(value: float | None, floor: float | None = 0.19, generator: str = "g") -> pd.DataFrame:
    return pd.DataFrame([{"generator": generator, "fsd": value, "floor": floor}])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (428.4, "428"), (85.2, "85"), (9.96, "10"), (2.14, "2.1"), (0.996, "1.0"), (0.187, "0.19"), (0.00423, "0.0042"),
        (12345.6, "12,346"), (0, "0"), (0.00001, "<0.0001"), (-2.14, "\N{MINUS SIGN}2.1"), (None, "\N{EN DASH}"),
        (float("nan"), "\N{EN DASH}"),
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
        (99.97, "99.9 %"), (99.2, "99.2 %"), (None, "\N{EN DASH}"),
    ],
)  # fmt: skip
def test_percent_is_never_rounded_to_all_or_nothing(value, text):
    assert words.percent(value) == text


@pytest.mark.parametrize(
    ("value", "se", "text"),
    [
        (0.542, 0.031, "0.54 ± 0.03"), (1.02, 0.004, "1.020 ± 0.004"), (0.98, 0.0001, "0.980 ± <0.001"),
        (12.3, 3.1, "12 ± 3"), (0, 0, "0"), (1, 0, "1.00"), (1.1, None, "1.10"), (None, None, "\N{EN DASH}"),
    ],
)  # fmt: skip
def test_ratios_are_as_long_as_their_error_allows(value, se, text):
    assert words.with_error(Estimate(value, se)) == text


def test_changes():
    assert [words.change(ratio) for ratio in (0.54, 1, 1.07, 3.3, 0, None)] == [
        "\N{MINUS SIGN}46 %", "0 %", "+7 %", "+230 %", "\N{MINUS SIGN}100 %", "\N{EN DASH}"
    ]  # fmt: skip


def test_counts_lists_and_times():
    assert [words.counted(1, "class"), words.counted(2000, "image")] == ["1 class", "2,000 images"]
    assert [words.listing(list(names)) for names in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
    start = datetime(2026, 11, 21, 3, 0, tzinfo=timezone(timedelta(hours=1)))
    assert words.moment(start) == "2026-11-21 02:00 UTC"
    assert words.moment(datetime(2026, 11, 21, 3, 0)) == "2026-11-21 03:00"
    later = (timedelta(seconds=41), timedelta(seconds=92), timedelta(hours=2, minutes=5))
    assert [words.duration(start, start.astimezone(UTC) + each) for each in later] == [
        "41 s",
        "1 min 32 s",
        "2 h 5 min",
    ]


def test_less_often_and_smaller(row):
    table = pd.DataFrame(
        [
            row("g", 1, "person", (0.30, 1.3), (0.213, 1.3)),
            row("g", 2, "fence", (0.25, 2.5), (0.25, 1.25)),
            row("g", 3, "sky", (1.0, 46.0), (1.0, 46.0)),
        ]
    )
    assert sentence(table, fsd(1.93), "g") == (
        "g draws person in 71 % as many images as the real ones (21 % against 30 %) and fence at 50 % of the real "
        "area (0.31 % against 0.62 % of pixels); FSD 1.9 against a floor of 0.19."
    )


def test_what_is_never_drawn_comes_first(row):
    table = pd.DataFrame(
        [
            row("g", 1, "palm", (0.11, 1.0), (0.0, 0.0)),
            row("g", 2, "boat", (0.06, 1.0), (0.0, 0.0)),
            row("g", 3, "car", (0.3, 1.0), (0.15, 1.0)),
            row("g", 4, "tree", (0.8, 1.0), (0.5, 1.0)),
        ]
    )
    assert sentence(table, fsd(85.2), "g") == (
        "g never draws palm (in 11 % of the real images) or boat (in 6.0 % of the real images), and draws car in 50 % "
        "as many images as the real ones (15 % against 30 %); 1 other class falls short too; FSD 85 against a floor of "
        "0.19."
    )


def test_the_same_measure_is_not_explained_twice(row):
    table = pd.DataFrame([row("g", i, name, (0.5, 1.0), (0.1 * i, 1.0)) for i, name in enumerate("abc", 1)])
    assert sentence(table, fsd(None), "g") == (
        "g draws a in 20 % as many images as the real ones (10 % against 50 %), b in 40 % as many (20 % against 50 %) "
        "and c in 60 % as many (30 % against 50 %)."
    )


def test_nothing_reduced(row):
    table = pd.DataFrame([row("g", 1, "sky", (1.0, 46.0), (1.0, 46.5)), row("g", 2, "car", (0.3, 1.0), (0.29, 1.0))])
    assert sentence(table, fsd(0.3), "g") == (
        "g draws no class clearly less than the real images do: the lowest is car, in 97 % as many images; "
        "FSD 0.30 against a floor of 0.19."
    )
    assert sentence(table[:1], fsd(0.3, None), "g") == ("g draws no class clearly less than the real images do; FSD 0.30.")


def test_an_invented_class(row):
    table = pd.DataFrame(
        [
            row("g", 1, "sky", (1.0, 46.0), (1.0, 46.0)),
            row("g", 2, "boat", (0.0, 0.0), (0.03, 1.0)),
            row("g", 3, "one pixel", (0.0, 0.0), (0.0005, 0.2)),
        ]
    )
    text = sentence(table, fsd(0.3), "g")
    assert "; it adds boat (in 3.0 % of its images), which no real image holds; FSD" in text
    assert "one pixel" not in text


def test_nothing_to_say(row):
    table = pd.DataFrame([row("g", 1, "car", (0.002, 1.0), (0.0, 0.0))])
    assert sentence(table, fsd(None), "g") == "g cannot be judged: no class is seen in enough real images."
    assert sentence(pd.DataFrame(), pd.DataFrame(), "g") == ("g cannot be judged: no class is seen in enough real images.")
