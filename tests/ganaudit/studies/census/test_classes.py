"""Verdict tables against the statistics called on hand-made counts."""

from __future__ import annotations

import numpy as np
import pytest
from written import write_block

from ganaudit.records.tables import CLASS_PIXELS, IMAGES
from ganaudit.spec import Decide, Slice
from ganaudit.statistics import power, verdicts
from ganaudit.statistics.class_counts import ClassCounts, Held, count_classes, threshold
from ganaudit.statistics.verdicts import Lines
from ganaudit.studies.census.classes import threshold_percent
from ganaudit.studies.census.findings import materialise

NAMES = ["sky", "tree", "person", "ghost", "brick"]
FAST = Decide(permutations=0, presence=0.1)
PLACES = dict.fromkeys(("x_sum", "y_sum", "x_min", "y_min", "x_max", "y_max"), 0)


def scenes(seed, n, tree=0.7, person=0.4, least=1):
    rng, made = np.random.default_rng(seed), []
    for _ in range(n):
        count_classes = {2: rng.random() < tree, 3: rng.random() < person}
        picture = {result: int(rng.integers(least, 25)) for result, yes in count_classes.items() if yes}
        made.append(picture | {1: 100 - sum(picture.values()), 5: 7})
    return made


def counted(rows, presence=0.1, clusters=None) -> ClassCounts:
    held = Held.of_pixels(rows)
    return count_classes(held, threshold(held, 100, presence), clusters)


def columns(made):
    return np.array([[result.get(c, 0) for c in range(1, 6)] for result in made])


@pytest.fixture
def found(store, pictures, run):
    def call(real, generated, decide=FAST, **asked):
        for key, made in (("ka", real), ("kb", generated)):
            pictures(store, key, made, block=1024)
        run(store, "r1", [("real", "photos", "ka", 0, len(real)), ("generated", "gan", "kb", 0, len(generated))])
        return {name: table.to_pylist() for name, table in materialise(store, "r1", decide, **asked).items()}

    return call


def check(rows, real, generated, lines=None, presence=0.1):
    """Rows of both measures are what the statistics say of these (N, C) counts."""
    lines = lines or Lines()
    a, b = (counted(side, presence) for side in (real, generated))
    expected = verdicts.decide(a, b, lines)
    reach = power.detectable(a, len(generated), lines, expected["presence"].level)
    size = real.shape[1]
    for place, measure in enumerate(expected):
        some, result = rows[place * size : (place + 1) * size], expected[measure]
        assert {row["measure"] for row in some} == {measure}
        assert [row["verdict"] for row in some] == result.verdict.tolist()
        for name in ("ratio", "p_value", "q_value"):
            same([row[name] for row in some], getattr(result, name))
        same([row["ratio_low"] for row in some], result.low)
        same([row["ratio_high"] for row in some], result.high)
        same([row["detectable"] for row in some], np.where(result.testable, reach[measure], np.nan))
        least = max(4, presence) if measure == "presence" else 1
        assert [row["real_holding"] for row in some] == (real >= least).sum(axis=0).tolist()
        assert [row["generated_holding"] for row in some] == (generated >= least).sum(axis=0).tolist()


def same(values, expected):
    for value, number in zip(values, expected, strict=True):
        assert value is None if not abs(number) < 1e8 else value == pytest.approx(number, rel=1e-12)


def test_verdicts_are_those_of_the_statistics_over_every_class_but_void(found):
    real, generated = scenes(0, 400), scenes(1, 300, person=0.05)
    rows = found(real, generated)["dropped_classes"]
    assert [row["class"] for row in rows] == NAMES * 2
    check(rows, columns(real), columns(generated))
    assert {(r["class"], r["verdict"]) for r in rows} >= {("person", "reduced"), ("ghost", "not testable")}


def test_the_audit_file_s_lines_are_the_ones_that_are_drawn(found):
    real, generated = scenes(0, 400), scenes(1, 300, person=0.25)
    decide = Decide(permutations=0, alpha=0.2, dropped=0.3, reduced=0.95, increased=1.05, presence=10)
    rows = found(real, generated, decide)["dropped_classes"]
    check(rows, columns(real), columns(generated), Lines(0.2, 0.3, 0.95, 1.05), 10)
    assert {row["presence_threshold"] for row in rows} == {10}


def test_a_class_is_never_present_in_fewer_than_four_pixels(found):
    real = [{1: 97, 2: 3}, {1: 96, 2: 4}, {1: 95, 2: 5}, {1: 100}]
    rows = {(r["class"], r["measure"]): r for r in found(real, real, Decide(permutations=0, presence=0))["dropped_classes"]}
    assert rows["tree", "presence"]["real_holding"] == 2 and rows["tree", "area"]["real_holding"] == 3
    assert rows["tree", "presence"]["presence_threshold"] == 4
    held = Held.of_pixels(columns(real))
    given = ((4096, 0.05), (4096, 0.1), (10_000, 0.0))
    said = [threshold_percent(threshold(held, pixels, presence), pixels, presence)[0] for pixels, presence in given]
    assert said == [400 / 4096, 0.1, 0.04]


def test_a_group_s_pixels_count_together(found):
    """Two pixels of each of two classes are four of the group."""
    real, generated = scenes(0, 300), scenes(1, 300, tree=0.1, person=0.05)
    real[0] = generated[0] = {1: 96, 2: 2, 3: 2}
    rows = found(real, generated, groups={"alive": ["tree", "person", "tree"], "above": ["sky"]})["dropped_groups"]
    assert [row["group"] for row in rows] == ["alive", "above"] * 2
    a, b = (columns(side) for side in (real, generated))
    together = [np.stack([side[:, 1] + side[:, 2], side[:, 0]], axis=1) for side in (a, b)]
    check(rows, *together)
    assert rows[0]["verdict"] == "reduced"


@pytest.fixture
def dusk(store, run):
    """A store whose images have labels and clusters: two sides, of which every third image is at dusk."""
    made = {"ka": scenes(0, 300), "kb": scenes(1, 240, person=0.1)}
    for key, pictures in made.items():
        images = [
            {"key": key, "image": i, "name": str(i), "digest": f"{key}{i:04d}", "pixels": 100, "status": "ok",
             "label": "dusk" if i % 3 == 0 else "day", "cluster": f"scene {i // 2}" if key == "ka" else None}
            for i in range(len(pictures))
        ]  # fmt: skip
        count_classes = [
            {"key": key, "image": i, "class_id": c, "pixels": n, **PLACES}
            for i, picture in enumerate(pictures) for c, n in picture.items()
        ]  # fmt: skip
        write_block(store, key, 0, len(images) - 1, IMAGES.from_rows(images), CLASS_PIXELS.from_rows(count_classes), {})
    run(store, "r1", [("real", "photos", "ka", 0, 300), ("generated", "gan", "kb", 0, 240)])
    return made


def test_a_slice_is_the_verdict_on_its_images_alone(store, dusk):
    both = "label = 'dusk'"
    slices = {
        "dusk": Slice(real=both, generated=both), "one side": Slice(real="cluster = 'scene 3' OR image % 2 = 0"),
        "trees": Slice(real="holds('tree') AND label = 'day'", generated="holds('tree')"),
        "one image": Slice(real="image = 4"), "an or": Slice(real="image = 0 OR image = 2", generated="false OR image < 2"),
    }  # fmt: skip
    rows = materialise(store, "r1", FAST, slices=slices)["dropped_in_slices"].to_pylist()
    sizes = {row["slice"]: (row["real_images"], row["generated_images"]) for row in rows}
    trees = [[result.get(2, 0) >= 4 for result in dusk[key]] for key in ("ka", "kb")]
    by_hand = sum(yes for i, yes in enumerate(trees[0]) if i % 3), sum(trees[1])
    assert sizes == {"dusk": (100, 80), "one side": (151, 240), "trees": by_hand, "an or": (2, 2)}
    real, generated = (columns(side[::3]) for side in (dusk["ka"], dusk["kb"]))  # no two of them of one cluster
    check([row for row in rows if row["slice"] == "dusk"], real, generated)


def test_clusters_widen_the_interval(store, dusk, found):
    clustered = materialise(store, "r1", FAST)["dropped_classes"].to_pylist()
    a, b = (columns(dusk[key]) for key in ("ka", "kb"))
    numbers = np.arange(300) // 2
    design = counted(a, 0.1, numbers).design
    expected = verdicts.decide(counted(a, 0.1, numbers), counted(b), Lines())["presence"]
    assert (design >= 1).all() and design.max() > 1
    same([row["ratio_low"] for row in clustered[:5]], expected.low)


def test_pairs_are_of_the_first_head_and_count_images_that_hold_both(found):
    rng = np.random.default_rng(0)

    def made(apart):
        pictures = []
        for _ in range(500):
            tree = rng.random() < 0.5
            person = rng.random() < 0.5 and not (apart and tree)
            pictures.append({1: 40, 5: 50} | ({2: 20} if tree else {}) | ({3: 20} if person else {}))
        return pictures

    real, generated = made(False), made(True)
    rows = found(real, generated)["dropped_pairs"]
    assert not any("brick" in (row["class_a"], row["class_b"]) for row in rows)
    (row,) = [row for row in rows if {row["class_a"], row["class_b"]} == {"tree", "person"}]
    assert row["real_holding"] == sum(2 in result and 3 in result for result in real)
    assert (row["generated_holding"], row["ratio"], row["verdict"]) == (0, 0, "dropped")
    share = [np.mean([c in result for result in side]) for side in (generated, real) for c in (2, 3)]
    together = row["real_holding"] / 500
    assert row["expected"] == pytest.approx(500 * share[0] * share[1] * together / (share[2] * share[3]))
