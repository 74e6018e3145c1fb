"""What images hold, against plain loops; presence by the rule that the tables use."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from ganaudit.statistics import class_counts as module
from ganaudit.statistics.class_counts import Held, OwnSizes, Pieces, Threshold, count_classes, least_pixels, threshold

light = settings(max_examples=40, deadline=None, database=None)


def counted(rows, presence: float, clusters=None, pixels: int = 1000):
    held = Held.of_pixels(rows)
    return count_classes(held, threshold(held, pixels, presence), clusters)


def rows_of(seed: int, n: int = 30) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 12, (n, 4)) * rng.integers(0, 2, (n, 4))


@light
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.1, 0.5, 0.7]))
def test_counts_are_those_of_a_plain_loop(seed, presence):
    rows = rows_of(seed)
    for form in (rows, csr_array(rows)):
        result = counted(form, presence)
        for c in range(4):
            column = [int(value) for value in rows[:, c]]
            assert result.present[c] == sum(v >= 4 and v * 100 >= presence * 1000 for v in column)
            assert result.touched[c] == sum(v > 0 for v in column)
            assert (result.areas.total[c], result.areas.squares[c]) == (sum(column), sum(v * v for v in column))
        assert (result.n, result.design.tolist(), result.areas.design.tolist()) == (30, [1] * 4, [1] * 4)


@light
@given(st.integers(1, 2048**2), st.floats(0, 100))
def test_the_threshold_is_the_first_count_that_is_present_by_the_rule(pixels, presence):
    least = least_pixels(pixels, presence)
    present = [value >= 4 and value * 100.0 >= presence * pixels for value in (least - 1, least)]
    assert present == [False, True]


def test_the_threshold_is_that_of_the_tables():
    text = (Path(module.__file__).parents[1] / "sql" / "macros.sql").read_text()
    start = text.index("CREATE MACRO is_present")
    with duckdb.connect() as connection:
        connection.execute(text[start : text.index(";", start) + 1])
        for pixels in (64, 1000, 65536, 4096**2):
            for presence in (0.0, 0.1, 0.3, 1.7):
                least = least_pixels(pixels, presence)
                query = "SELECT is_present(?, ?, ?), is_present(?, ?, ?)"
                told = connection.execute(query, [least - 1, pixels, presence, least, pixels, presence]).fetchone()
                assert told == (False, True)


@light
@given(st.integers(0, 2**32))
def test_singletons_have_no_design_effect_and_copies_count_once(seed):
    rows = rows_of(seed)
    assert counted(rows, 0.0, np.random.default_rng(seed).permutation(30)).design.tolist() == [1] * 4
    copies = counted(np.repeat(rows, 3, axis=0), 0.0, np.repeat(np.arange(30), 3))
    # n/k but for the n - 1 and k - 1 below the two variances
    expected = 3 * (89 / 90) / (29 / 30)
    np.testing.assert_allclose(copies.design, expected, rtol=1e-9)
    np.testing.assert_allclose(copies.areas.design, expected, rtol=1e-9)


def test_classes_that_never_vary_and_one_cluster_alone():
    rows = np.tile([9, 0], (12, 1))
    assert counted(rows, 0.0, np.arange(12) // 3).design.tolist() == [3, 3]
    assert counted(rows, 0.0, np.zeros(12, int)).design.tolist() == [12, 12]


def regions_of(seed: int, n: int = 40, classes: int = 4) -> tuple[Held, dict[tuple[int, int], tuple[int, int, int]]]:
    """What images hold, and the same as a dictionary: (image, class) to (pixels, largest, parts)."""
    rng, held = np.random.default_rng(seed), {}
    for image in range(n):
        for column in range(classes):
            if rng.random() < 0.5:
                sizes = rng.integers(1, 12, int(rng.integers(1, 4))).tolist()
                held[image, column] = (sum(sizes), max(sizes), sum(size >= 4 for size in sizes))
    image, column = (np.array([key[place] for key in held]) for place in (0, 1))
    return Held((n, classes), image, column, *(np.array([value[place] for value in held.values()]) for place in range(3))), held


def as_dictionary(held: Held) -> dict[tuple[int, int], tuple[int, int, int]]:
    values = zip(held.pixels.tolist(), held.largest.tolist(), held.parts.tolist(), strict=True)
    return dict(zip(zip(held.image.tolist(), held.column.tolist(), strict=True), values, strict=True))


@light
@given(st.integers(0, 2**32))
def test_groups_add_up_pixels_and_parts_and_keep_the_largest_region(seed):
    held, by_hand = regions_of(seed)
    groups = [[0, 2], [3], [1, 2, 3], []]
    expected = {}
    for (image, column), (pixels, largest, parts) in by_hand.items():
        for group, members in enumerate(groups):
            if column in members:
                before = expected.get((image, group), (0, 0, 0))
                expected[image, group] = (before[0] + pixels, max(before[1], largest), before[2] + parts)
    result = held.pooled(groups)
    assert as_dictionary(result) == expected and result.shape == (40, 4)
    assert (np.diff(result.image) >= 0).all()


@light
@given(st.integers(0, 2**32), st.lists(st.booleans(), min_size=40, max_size=40), st.permutations(range(4)))
def test_some_images_and_some_classes_hold_what_they_held(seed, chosen, order):
    held, by_hand = regions_of(seed)
    place = np.cumsum(chosen) - 1
    some = held.of_images(np.array(chosen)).of_columns(order[:3])
    expected = {(int(place[i]), order.index(c)): of for (i, c), of in by_hand.items() if chosen[i] and c in order[:3]}
    assert as_dictionary(some) == expected and some.shape == (sum(chosen), 3)


@light
@given(st.integers(0, 2**32))
def test_a_class_s_own_size_is_reached_by_nineteen_of_twenty_images_that_hold_it(seed):
    held, by_hand = regions_of(seed, n=100)
    least = threshold(held, 10_000).least
    for column in range(4):
        sizes = sorted(largest for (_, c), (_, largest, _) in by_hand.items() if c == column and largest >= 4)
        highest = max(value for value in sizes if sum(size >= value for size in sizes) >= 0.95 * len(sizes))
        smaller = [size for size in sizes if size < highest]
        lowest = max(smaller) + 1 if smaller else sizes[0] // 2 if len(sizes) < 20 else highest
        assert least[column] == (max(4, lowest) if len(smaller) == len(sizes) // 20 else highest)
        assert sum(size >= least[column] for size in sizes) >= 0.95 * len(sizes)
    nothing = Held((3, 2), *(np.zeros(0, np.int64) for _ in range(5)))
    assert threshold(nothing, 10_000).least.tolist() == [4, 4]


@pytest.mark.parametrize("images", [3, 12, 30])
def test_images_that_set_a_size_reach_it_no_more_often_than_others_like_them(images):
    """Sizes of one distribution, 4,000 classes: as many real images as new ones are above what the real ones say."""
    rng, classes = np.random.default_rng(2), 4000
    sizes = rng.lognormal(6, 0.8, (2, images, classes)).astype(int)
    image, column = (place.ravel() for place in np.indices((images, classes)))
    real, new = (Held((images, classes), image, column, side.ravel(), side.ravel()) for side in sizes)
    present_from = threshold(real, 10**6)
    shares = [present_from.seen(side).mean() for side in (real, new)]
    assert shares[1] == pytest.approx(shares[0], abs=0.5 / (images + 1))  # the smallest size itself: less by 1 / (images + 1)


@light
@given(st.integers(0, 2**32))
def test_presence_and_counts_of_regions_are_those_of_a_plain_loop(seed):
    held, by_hand = regions_of(seed)
    least = np.array([4, 5, 8, 11])
    result = count_classes(held, Threshold(least, by_area=False))
    for column in range(4):
        mine = [of for (_, c), of in by_hand.items() if c == column]
        assert result.present[column] == sum(largest >= least[column] for _, largest, _ in mine)
        counts = [parts for _, largest, parts in mine if largest >= least[column]]
        assert result.parts.holding[column] == sum(count > 0 for count in counts)
        assert (result.parts.total[column], result.parts.squares[column]) == (sum(counts), sum(c * c for c in counts))


def test_crumbs_are_not_present_however_many_there_are():
    """A hundred crumbs of three pixels are no fence where a real one has twenty in one place."""
    real = Held((40, 1), np.arange(40), np.zeros(40, int), np.full(40, 60), np.full(40, 20), np.full(40, 3))
    crumbs = Held((40, 1), np.arange(40), np.zeros(40, int), np.full(40, 300), np.full(40, 3), np.zeros(40, int))
    present_from = threshold(real, 4096)
    assert present_from.least.tolist() == [20]  # all are alike: none is below
    result = count_classes(crumbs, present_from)
    assert (result.present.tolist(), result.touched.tolist(), result.parts.total.tolist()) == ([0], [40], [0])
    assert count_classes(real, present_from).present.tolist() == [40]


def test_a_rare_class_is_taken_to_be_as_clustered_as_the_others_where_no_cluster_shows_it():
    """One class is the same all over a cluster; another stands in few images, by chance never twice in a cluster."""
    rows = np.zeros((200, 2), np.int64)
    clusters = np.arange(200) // 10
    rows[clusters % 4 == 0, 0] = 50
    rows[[3, 47, 121], 1] = 50
    result = counted(rows, 0.1, clusters)
    assert result.design[0] > 9
    assert result.design[1] == pytest.approx(result.design @ [50, 3] / 53, rel=0.2) and result.design[1] > 8


def in_pieces(held: Held, cuts: list[int]) -> Pieces:
    """The same images, cut into pieces before these."""
    bounds = [0, *sorted(cuts), held.shape[0]]
    parts = []
    for first, last in pairwise(bounds):
        inside = (held.image >= first) & (held.image < last)
        part = held.of_entries(inside, (last - first, held.shape[1]))
        parts.append(replace(part, image=(part.image - first).astype(np.uint16), column=part.column.astype(np.uint8)))
    return Pieces(held.shape, lambda: iter(parts))


@light
@given(st.integers(0, 2**32), st.lists(st.integers(0, 40), max_size=6), st.sampled_from([None, 5, 40]))
def test_pieces_of_any_size_add_up_to_the_whole(seed, cuts, clusters):
    held, _ = regions_of(seed)
    rng = np.random.default_rng(seed)
    pieces, cluster = in_pieces(held, cuts), None if clusters is None else rng.integers(0, clusters, 40)
    assert as_dictionary(pieces.joined()) == as_dictionary(held)
    chosen, columns, groups = rng.random(40) < 0.7, rng.permutation(4)[:3].tolist(), [[0, 2], [3], [1, 2, 3]]
    of_chosen = None if cluster is None else cluster[chosen]
    for whole, parts, belongs in (
        (held, pieces, cluster), (held.of_images(chosen), pieces.of_images(chosen), of_chosen),
        (held.of_columns(columns), pieces.of_columns(columns), cluster), (held.pooled(groups), pieces.pooled(groups), cluster),
    ):  # fmt: skip
        assert parts.shape == whole.shape
        least = threshold(whole, 10_000)
        assert threshold(parts, 10_000).least.tolist() == least.least.tolist()
        a, b = (count_classes(side, least, belongs) for side in (whole, parts))
        assert (a.n, a.present.tolist()) == (b.n, b.present.tolist())
        np.testing.assert_allclose(a.design, b.design, rtol=1e-12)
        for one, other in ((a.areas, b.areas), (a.parts, b.parts)):
            for name in ("holding", "total", "squares", "cubes", "design"):
                np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12, err_msg=name)


@light
@given(st.integers(0, 2**32), st.integers(1, 39))
def test_own_sizes_of_several_sources_are_those_of_all_their_images(seed, cut):
    held, _ = regions_of(seed)
    first, other = in_pieces(held, [cut]).pieces
    both, whole = OwnSizes.of(first, other), OwnSizes.of(held)
    assert (both.reached.tolist(), both.least.tolist()) == (whole.reached.tolist(), whole.least.tolist())
    for column in range(4):
        sizes = sorted(held.largest[(held.column == column) & (held.largest >= 4)].tolist())
        assert whole.reached[column] == (sizes[len(sizes) // 20] if sizes else 4)


@light
@given(st.integers(0, 2**32))
def test_a_design_effect_is_that_of_sums_over_clusters(seed):
    """Kish: the variance of the mean over clusters, by a plain loop, over that of as many independent images."""
    held, by_hand = regions_of(seed)
    cluster = np.random.default_rng(seed).integers(0, 30, 40)
    number = {name: place for place, name in enumerate(sorted(set(cluster.tolist())))}
    k, ratios, holding = len(number), [], []
    for column in range(4):
        values = [by_hand.get((image, column), (0, 0, 0))[0] for image in range(40)]
        mean = sum(values) / 40
        sums = [0.0] * k
        for image, value in enumerate(values):
            sums[number[int(cluster[image])]] += value - mean
        between = sum(total**2 for total in sums) * k / (k - 1)
        within = sum((value - mean) ** 2 for value in values) * 40 / 39
        ratios.append(between / within)
        holding.append(sum(value > 0 for value in values))
    shared = max(1.0, np.dot(holding, ratios) / sum(holding))
    found = count_classes(held, Threshold(np.full(4, 4), by_area=False), cluster).areas.design
    np.testing.assert_allclose(found, np.maximum(ratios, shared), rtol=1e-9)
