"""Groups have equal sizes, clusters stay whole, and nothing hangs on the order in which images are listed."""

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from ganaudit.statistics.grouping import blocks_of, by_rank, clusters_of, digest_codes, digest_rank, number, packed

light = settings(max_examples=60, deadline=None, database=None)
names = st.lists(st.one_of(st.none(), st.sampled_from("abcdef")), min_size=1, max_size=60)


def numbered(found):
    """Clusters by name; images without a name, and with digests of their own, are alone."""
    clusters = clusters_of(found, [str(image) for image in range(len(found))])
    return np.arange(len(found)) if clusters is None else clusters


@light
@given(names, st.lists(st.sampled_from("pqrstuvw"), min_size=60, max_size=60))
def test_images_are_of_one_cluster_that_share_a_name_or_a_digest_at_any_remove(found, digests):
    digests = digests[: len(found)]
    clusters = clusters_of(found, digests)
    number = list(range(len(found)))
    for _ in found:  # the smallest number of any image that it shares something with, until nothing changes
        for i in range(len(found)):
            for j in range(len(found)):
                if digests[i] == digests[j] or (found[i] is not None and found[i] == found[j]):
                    number[j] = number[i] = min(number[i], number[j])
    alone = len(set(number)) == len(found)
    assert (clusters is None) == (alone and set(found) == {None})
    if clusters is not None:
        pairs = set(zip(clusters.tolist(), number, strict=True))
        assert len(pairs) == len(set(number)) == clusters.max() + 1


@light
@given(st.lists(st.text("0123456789abcdef", min_size=1, max_size=3), max_size=30))
def test_the_rank_of_digests_is_that_of_a_stable_sort(digests):
    expected = {image: place for place, image in enumerate(sorted(range(len(digests)), key=digests.__getitem__))}
    for column in (digests, pa.array(digests, pa.string()), pa.chunked_array([digests[:4], digests[4:]], pa.string())):
        assert digest_rank(column).tolist() == [expected[image] for image in range(len(digests))]


@light
@given(
    st.lists(st.integers(0, 2**128 - 1) | st.sampled_from([3, 2**64, 2**100]), max_size=30), st.integers(0, 30), st.booleans()
)
def test_codes_are_the_places_of_digests_among_the_different_ones(numbers, cut, other):
    """Digests of 32 digits as numbers, also beside others that stay texts."""
    digests = [f"{value:032x}" for value in numbers] + (["B", "", "g" * 32] if other else [])
    order = {digest: place for place, digest in enumerate(sorted(set(digests)))}
    parts = [packed(digests[:cut]), packed(pa.chunked_array([pa.array(["x", *digests[cut:]], pa.string())[1:]]))]
    assert [isinstance(part, np.ndarray) for part in parts] == [True, not other or cut >= len(digests)] or other
    assert digest_codes(parts).tolist() == [order[digest] for digest in digests]


def test_an_image_without_a_digest_has_no_code():
    assert digest_codes([packed(["b", None, "a", None])]).tolist() == [1, -1, 0, -1]


@light
@given(st.lists(st.text("0123456789abcdef", min_size=4), min_size=2, max_size=30, unique=True), st.randoms())
def test_the_group_of_an_image_does_not_hang_on_the_order_of_the_files(digests, random):
    shuffled = random.sample(digests, len(digests))
    groups = (dict(zip(some, by_rank(digest_rank(some)).tolist(), strict=True)) for some in (digests, shuffled))
    assert next(groups) == next(groups)


@light
@given(st.integers(2, 300), st.integers(1, 25), st.randoms())
def test_groups_are_equal_to_one_image_and_hold_two_at_least(n, groups, random):
    rank = np.array(random.sample(range(n), n))
    sizes = np.bincount(by_rank(rank, groups=groups))
    assert len(sizes) == number(n, groups) <= groups
    assert sizes.min() >= 2
    assert sizes.max() - sizes.min() <= 1


@light
@given(names, st.integers(1, 20), st.randoms())
def test_clusters_stay_whole_and_groups_differ_by_no_more_than_the_largest(found, groups, random):
    clusters = numbered(found)
    group = by_rank(np.array(random.sample(range(len(found)), len(found))), clusters, groups)
    for cluster in set(clusters.tolist()):
        assert len(set(group[clusters == cluster].tolist())) == 1
    count = number(int(clusters.max()) + 1, groups)
    sizes = np.bincount(group, minlength=count)
    assert len(sizes) == count
    assert sizes.max() - sizes.min() <= np.bincount(clusters).max()


@light
@given(names, st.integers(1, 20), st.randoms())
def test_each_cluster_goes_to_the_group_that_has_fewest(found, groups, random):
    clusters = numbered(found)
    rank = np.array(random.sample(range(len(found)), len(found)))
    sizes = Counter(clusters.tolist())
    first = {cluster: rank[clusters == cluster].min() for cluster in sizes}
    filled, group_of = [0] * number(len(sizes), groups), {}
    for cluster in sorted(sizes, key=lambda cluster: (-sizes[cluster], first[cluster])):
        group_of[cluster] = filled.index(min(filled))
        filled[group_of[cluster]] += sizes[cluster]
    assert by_rank(rank, clusters, groups).tolist() == [group_of[cluster] for cluster in clusters.tolist()]


@light
@given(st.integers(1, 100), st.integers(1, 20), st.randoms())
def test_clusters_of_one_image_are_as_balanced_as_none(n, groups, random):
    rank = np.array(random.sample(range(n), n))
    singles = by_rank(rank, np.arange(n), groups)
    assert np.array_equal(singles, by_rank(rank, groups=groups))


@light
@given(names)
def test_clusters_are_numbered_from_zero_and_none_stands_alone(found):
    numbers = numbered(found)
    sizes = Counter(numbers.tolist())
    assert sorted(sizes) == list(range(len(sizes)))
    for (result, name), (other, same) in ((a, b) for a in zip(numbers, found) for b in zip(numbers, found)):  # noqa: B905
        if name is not None:
            assert (result == other) == (name == same)
    assert all(sizes[int(number)] == 1 for number, name in zip(numbers, found, strict=True) if name is None)


def test_how_many_groups_there_are():
    assert [number(n) for n in (0, 1, 2, 3, 4, 39, 40, 41, 10_000)] == [1, 1, 1, 1, 2, 19, 20, 20, 20]


@light
@given(st.integers(1, 30), st.integers(2, 3000), st.integers(2, 3000))
def test_blocks_fit_into_both_sides_and_the_smaller_side_is_used_up_to_a_block(groups, n_a, n_b):
    size, of_a, of_b = blocks_of(groups, n_a, n_b)
    assert size >= 1
    assert size * of_a <= n_a
    assert size * of_b <= n_b
    assert blocks_of(groups, n_b, n_a) == (size, of_b, of_a)
    small, few, many = min(n_a, n_b), min(of_a, of_b), max(of_a, of_b)
    assert small - size * few < size
    assert few >= min(groups, small)
    assert many <= 10 * few
    assert many == 10 * few or size * (many + 1) > max(n_a, n_b)
