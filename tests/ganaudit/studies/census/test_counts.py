"""Pixel counts of a source against plain loops over its records."""

from __future__ import annotations

import numpy as np
import pytest
from written import write_block

from ganaudit.errors import RequestError
from ganaudit.records.tables import CLASS_PIXELS, IMAGES
from ganaudit.records.used import UsedSource
from ganaudit.statistics.moments import group_moments
from ganaudit.studies.census import counts as module
from ganaudit.studies.census.counts import read_counts

CLASSES = [0, 1, 2, 3, 5]
PLACES = dict.fromkeys(("x_sum", "y_sum", "x_min", "y_min", "x_max", "y_max"), 0)


def source(store, key, first, count, role="real"):
    end = first + count
    blocks = tuple(block for block in sorted(store.finished_blocks(key)) if block[0] < end and block[1] >= first)
    return UsedSource(role, "photos", key, "p0", first, count, blocks)


def some_pictures(seed, n):
    rng = np.random.default_rng(seed)
    held = [{int(result): int(rng.integers(1, 100)) for result in rng.choice(6, 3, replace=False)} for _ in range(n)]
    return [None if i % 7 == 3 else {} if i % 7 == 5 else result for i, result in enumerate(held)]


@pytest.mark.parametrize(("first", "count"), [(0, 30), (0, 9), (5, 11), (29, 1), (3, 1)])
@pytest.mark.parametrize("block", [1, 4, 30])
def test_counts_are_those_of_a_loop_over_the_pictures(store, pictures, first, count, block):
    made = some_pictures(0, 30)
    pictures(store, "ka", made, block=block)
    counts = read_counts(store, source(store, "ka", first, count), CLASSES)
    used = [i for i in range(first, first + count) if made[i] is not None]
    assert counts.images.tolist() == used and len(counts) == len(used)
    assert counts.of(CLASSES).toarray().tolist() == [[made[i].get(result, 0) for result in CLASSES] for i in used]
    assert counts.pixels == (100 if used else 0) and counts.cluster is None


@pytest.mark.parametrize("block", [1, 4, 8])
def test_moments_are_those_of_all_images_whatever_the_pieces(store, pictures, monkeypatch, block):
    made = some_pictures(2, 30)
    pictures(store, "ka", made, block=block)
    monkeypatch.setattr(module, "PIECE", 8)
    counts = read_counts(store, source(store, "ka", 2, 27), CLASSES)
    assert len(counts.parts) >= 4 and sum(part.shape[0] for part in counts.parts) == len(counts)
    rows = np.array([[made[i].get(result, 0) for result in CLASSES] for i in counts.images])
    assert counts.of(CLASSES).toarray().tolist() == rows.tolist()
    assert counts.moments(CLASSES) == group_moments(rows, counts.groups, 100, int(counts.groups.max()) + 1)


def test_columns_are_chosen_by_class_in_the_order_asked(store, pictures):
    pictures(store, "ka", [{1: 10, 3: 30}, {5: 50, 2: 20}])
    counts = read_counts(store, source(store, "ka", 0, 2), CLASSES)
    assert counts.of([3, 1, 5]).toarray().tolist() == [[30, 10, 0], [0, 0, 50]]


def test_a_source_without_records_has_no_image(store):
    counts = read_counts(store, source(store, "kf", 0, 5), CLASSES)
    assert len(counts) == 0 and counts.held.shape == (0, 5) and counts.pixels == 0 and len(counts.rank) == 0


def test_rank_is_the_index_of_generated_and_the_order_of_digests_of_real_images(store):
    digests = ["c", "a", "d", "b"]
    write(store, "ka", digests, [None] * 4)
    generated, real = (read_counts(store, source(store, "ka", 0, 4, role), CLASSES) for role in ("generated", "real"))
    assert generated.rank.tolist() == [0, 1, 2, 3]
    assert real.rank.tolist() == [sorted(digests).index(digest) for digest in digests]


@pytest.mark.parametrize("role", ["real", "generated"])
def test_clusters_stay_together_by_rank_and_in_one_group(store, role):
    rng = np.random.default_rng(3)
    clusters = [None if rng.random() < 0.3 else f"scene {rng.integers(8)}" for _ in range(60)]
    write(store, "ka", [f"{result:08x}" for result in rng.permutation(60)], clusters)
    counts = read_counts(store, source(store, "ka", 0, 60, role), CLASSES)
    assert sorted(counts.rank.tolist()) == list(range(60))
    for name in {cluster for cluster in clusters if cluster}:
        members = [i for i, cluster in enumerate(clusters) if cluster == name]
        ranks = sorted(counts.rank[members].tolist())
        assert ranks == list(range(ranks[0], ranks[0] + len(ranks)))
        assert len(set(counts.groups[members].tolist())) == len(set(counts.cluster[members].tolist())) == 1
    alone = [i for i, cluster in enumerate(clusters) if cluster is None]
    assert len(set(counts.cluster[alone].tolist())) == len(alone)


def test_blocks_for_a_permutation_hold_the_first_images_by_rank_equally_many_each(store, pictures):
    made = [some_picture or {} for some_picture in some_pictures(1, 23)]
    pictures(store, "ka", made)
    counts = read_counts(store, source(store, "ka", 0, 23), CLASSES)
    state = counts.blocks(CLASSES, 5, 4)
    assert state.n.tolist() == [5] * 4
    order = np.argsort(counts.rank)
    for block in range(4):
        members = order[5 * block : 5 * block + 5]
        assert state.total[block].tolist() == [sum(made[i].get(result, 0) for i in members) for result in CLASSES]


def test_label_maps_of_several_sizes_are_refused(store):
    write(store, "ka", ["a", "b", "c"], [None] * 3, sizes=[100, 100, 64])
    with pytest.raises(RequestError, match="'photos' has label maps of 100 and of 64 pixels; give them one size"):
        read_counts(store, source(store, "ka", 0, 3), CLASSES)
    assert read_counts(store, source(store, "ka", 0, 2), CLASSES).pixels == 100


def write(store, key, digests, clusters, sizes=None):
    rows = [
        {"key": key, "image": i, "name": str(i), "digest": digest, "cluster": clusters[i], "status": "ok",
         "pixels": sizes[i] if sizes else 100}
        for i, digest in enumerate(digests)
    ]  # fmt: skip
    held = [{"key": key, "image": i, "class_id": 1, "pixels": 10 + i, **PLACES} for i in range(len(digests))]
    write_block(store, key, 0, len(rows) - 1, IMAGES.from_rows(rows), CLASS_PIXELS.from_rows(held), {})


def test_images_of_one_digest_are_one_cluster_and_so_are_those_that_share_one_with_a_cluster(store):
    write(store, "ka", ["a", "b", "a", "c", "d", "b", "e"], [None, "burst", None, "burst", None, None, None])
    cluster = read_counts(store, source(store, "ka", 0, 7), CLASSES).cluster
    alike = {frozenset(np.flatnonzero(cluster == number).tolist()) for number in set(cluster.tolist())}
    assert alike == {frozenset({0, 2}), frozenset({1, 3, 5}), frozenset({4}), frozenset({6})}
    write(store, "kb", ["a", "b", "c"], [None] * 3)
    assert read_counts(store, source(store, "kb", 0, 3), CLASSES).cluster is None


def test_what_clustered_images_are_worth(store):
    write(store, "ka", [f"d{i // 10}" for i in range(100)], [None] * 100)
    counts = read_counts(store, source(store, "ka", 0, 100), CLASSES)
    assert counts.independent == 10 and counts.clustered
    write(store, "kb", ["d0", *(f"d{i}" for i in range(99))], [None] * 100)
    counts = read_counts(store, source(store, "kb", 0, 100), CLASSES)
    assert counts.independent == pytest.approx(100**2 / (98 + 4)) and not counts.clustered
