"""The macros, against plain loops over hand-made records whose answer is obvious."""

import math
import statistics

import duckdb
import numpy as np
import pytest
from written import write_block

from ganaudit.records import catalog
from ganaudit.records.tables import CLASS_PIXELS, IMAGES
from ganaudit.spec import Decide
from ganaudit.sql import digest, identifier, literal, text
from ganaudit.studies.census.findings import materialise

REAL = [
    {1: 60, 2: 40},
    {1: 50, 3: 50, 5: 20},
    None,
    {0: 10, 1: 90},
    {1: 97, 3: 3},
    {1: 100},  # beyond the run's count
]
GENERATED = [{2: 100}, {1: 50, 2: 50}, {1: 96, 3: 4}, {1: 100}]
SOURCES = [("real", "photos", "ka", 0, 5), ("heldout", "kept", "ka", 5, 1), ("generated", "gan", "kb", 1, 3)]
USED_REAL, USED_GENERATED = [picture for picture in REAL[:5] if picture], GENERATED[1:4]


@pytest.fixture
def filled(store, pictures, run):
    pictures(store, "ka", REAL, block=2)
    pictures(store, "kb", GENERATED)
    pictures(store, "kc", [{3: 100}] * 3)  # of no run
    run(store, "r1", SOURCES)
    run(store, "r0", [("real", "photos", "ka", 0, 6), ("generated", "gan", "kc", 0, 3)], hour=-1)
    return store


def rows(store, statement):
    return catalog.query(store, statement).to_pylist()


def test_run_images_are_those_within_first_and_count_with_what_was_set_aside(filled):
    result = rows(filled, "SELECT role, source, image, status FROM run_images('r1') ORDER BY role DESC, image")
    expected = [("real", "photos", i, "quarantined" if i == 2 else "ok") for i in range(5)]
    expected += [("heldout", "kept", 5, "ok")] + [("generated", "gan", i, "ok") for i in (1, 2, 3)]
    assert [tuple(row.values()) for row in result] == expected


def test_run_class_pixels_name_the_class_and_its_share_of_the_image(filled):
    result = rows(filled, "SELECT * FROM run_class_pixels('r1') WHERE source = 'photos' AND image = 1 ORDER BY class_id")
    assert [(row["class"], row["head"], row["pixels"], row["percent"]) for row in result] == [
        ("sky", "object", 50, 50.0),
        ("person", "object", 50, 50.0),
        ("brick", "material", 20, 20.0),
    ]


@pytest.mark.parametrize(("threshold", "pixels"), [(0, 4), (0.1, 4), (4, 4), (4.5, 5), (20, 20), (20.01, 21)])
def test_presence_divides_by_the_images_that_were_read(filled, threshold, pixels):
    result = rows(filled, f"FROM class_presence('r1', {threshold})")
    assert {row["source"]: row["images"] for row in result} == {"photos": 4, "kept": 1, "gan": 3}
    for row in result:
        images = {"photos": USED_REAL, "kept": [REAL[5]], "gan": USED_GENERATED}[row["source"]]
        present = sum(picture.get(row["class_id"], 0) >= pixels for picture in images)
        share = present / len(images)
        assert (row["present"], row["presence"]) == (present, pytest.approx(share))
        assert row["presence_se"] == pytest.approx(math.sqrt(share * (1 - share) / len(images)))
    assert len(result) == 3 * 6


def mean_se(values):
    """Mean and its standard error by the standard library; None where there is none."""
    mean = statistics.fmean(values) if values else None
    return mean, statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None


def side(images, class_id, threshold):
    held = [picture.get(class_id, 0) for picture in images]
    present = [value for value in held if value >= max(4, threshold)]
    share = len(present) / len(held)
    return {
        "area": mean_se(held),
        "presence": (share, math.sqrt(share * (1 - share) / len(held))),
        "size": mean_se(present),
    }


def ratio(real, generated):
    """Ratio and its error by the delta method."""
    (r, r_se), (g, g_se) = real, generated
    if not r or g is None:
        return None, None
    if r_se is None or g_se is None:
        return g / r, None
    return g / r, math.sqrt(g_se**2 / r**2 + g**2 * r_se**2 / r**4)


def test_without_a_threshold_each_class_has_its_own_size(store, run):
    """The size that nineteen of twenty real images with the class reach in one place, as the findings have it."""
    rng = np.random.default_rng(0)
    held = {}
    for key in ("ka", "kb"):
        images, rows_of = [], []
        for image in range(60):
            images.append(
                {"key": key, "image": image, "name": str(image), "digest": f"{key}{image}", "pixels": 100, "status": "ok"}
            )
            for class_id in (1, 2, 3):
                sizes = rng.integers(1, 14, int(rng.integers(0, 3))).tolist()
                if sizes:
                    regions = {"pixels": sum(sizes), "largest": max(sizes), "parts": sum(size >= 4 for size in sizes)}
                    held[key, image, class_id] = regions
                    places = dict.fromkeys(("x_sum", "y_sum", "x_min", "y_min", "x_max", "y_max"), 0)
                    sure = {"confidence": 0.75 if max(sizes) > 6 else 0.25}
                    rows_of.append({"key": key, "image": image, "class_id": class_id, **regions, **places, **sure})
        write_block(store, key, 0, 59, IMAGES.from_rows(images), CLASS_PIXELS.from_rows(rows_of), {})
    run(store, "r1", [("real", "photos", "ka", 0, 60), ("generated", "gan", "kb", 0, 60)])
    found = {row["class"]: row for row in rows(store, "FROM class_statistics('r1', NULL)")}
    assert found == {row["class"]: row for row in materialise(store, "r1", Decide(permutations=0))["class_stats"].to_pylist()}
    together = {
        row["class_b"]: row for row in rows(store, "FROM seen_together('r1', NULL) WHERE source = 'gan' AND class_a = 'sky'")
    }
    for class_id, name in ((1, "sky"), (2, "tree"), (3, "person")):
        real, made = ([of for (k, _, c), of in held.items() if (k, c) == (key, class_id)] for key in ("ka", "kb"))
        sizes = sorted(of["largest"] for of in real if of["largest"] >= 4)
        least = sizes[int(0.05 * len(sizes))]
        assert found[name]["presence_threshold"] == least
        assert found[name]["generated_presence"] == pytest.approx(sum(of["largest"] >= least for of in made) / 60)
        assert found[name]["generated_any_trace"] == pytest.approx(len(made) / 60)
        counts = [of["parts"] * (of["largest"] >= least) for of in made] + [0] * (60 - len(made))
        assert (found[name]["generated_count"], found[name]["generated_count_se"]) == tuple(map(pytest.approx, mean_se(counts)))
        crumbs = [(of["pixels"], 0.75 if of["largest"] > 6 else 0.25) for of in made if of["largest"] < least]
        sure = sum(n * c for n, c in crumbs) / sum(n for n, _ in crumbs) if crumbs else None
        assert found[name]["generated_trace_confidence"] == (sure if sure is None else pytest.approx(sure))
        if class_id > 1:
            sky = sorted(of["largest"] for (k, _, c), of in held.items() if (k, c) == ("ka", 1) and of["largest"] >= 4)
            first = sky[int(0.05 * len(sky))]
            both = [
                i for i in range(60)
                if held.get(("kb", i, 1), {"largest": 0})["largest"] >= first
                and held.get(("kb", i, class_id), {"largest": 0})["largest"] >= least
            ]  # fmt: skip
            assert together[name]["images_with_both"] == len(both)


@pytest.mark.parametrize("threshold", [0.1, 45])
def test_class_statistics_against_a_plain_loop(filled, threshold):
    result = rows(filled, f"FROM class_statistics('r1', {threshold})")
    assert [row["class"] for row in result] == ["sky", "tree", "person", "ghost", "brick"]
    for row in result:
        assert (row["run"], row["real"], row["generator"]) == ("r1", "photos", "gan")
        assert row["presence_threshold"] == max(4, threshold)
        real, generated = (side(images, row["class_id"], threshold) for images in (USED_REAL, USED_GENERATED))
        for measure in ("area", "presence", "size"):
            expected = {
                f"real_{measure}": real[measure],
                f"generated_{measure}": generated[measure],
                f"{measure}_ratio": ratio(real[measure], generated[measure]),
            }
            for name, (value, error) in expected.items():
                assert (row[name], row[f"{name}_se"]) == (pytest.approx(value), pytest.approx(error)), (name, row)
        seen = any(row["class_id"] in picture for picture in USED_REAL)
        assert row["real_confidence"] == (0.5 + row["class_id"] / 16 if seen else None)


def test_what_cannot_be_divided_is_null(filled):
    ghost = next(row for row in rows(filled, "FROM class_statistics('r1', 0.1)") if row["class"] == "ghost")
    assert (ghost["real_area"], ghost["generated_area"], ghost["real_presence"]) == (0, 0, 0)
    missing = [name for name in ghost if "ratio" in name or "size" in name or "confidence" in name]
    assert [ghost[name] for name in missing] == [None] * len(missing)
    text = catalog.query(filled, "FROM class_statistics('r1', 0.1)").to_pandas().to_csv(na_rep="NULL")
    assert "inf" not in text and "nan" not in text.lower().replace("name", "")


def test_area_ratio_is_presence_ratio_times_size_ratio(filled):
    tree = next(row for row in rows(filled, "FROM class_statistics('r1', 0.1)") if row["class"] == "tree")
    assert tree["area_ratio"] == pytest.approx(tree["presence_ratio"] * tree["size_ratio"])


def test_confidence_is_weighted_by_pixels(store, pictures, run):
    pictures(store, "ka", [{2: 30, 1: 70}, {2: 10}])
    run(store, "r1", [("real", "photos", "ka", 0, 2), ("generated", "gan", "ka", 0, 1)])
    result = {row["class"]: row["real_confidence"] for row in rows(store, "FROM class_statistics('r1', 0.1)")}
    assert result["tree"] == 0.625 and result["sky"] == 0.5625


def test_wide_images_do_not_overflow(store, pictures, run):
    size = 2**31 - 1
    pictures(store, "ka", [{1: size}, {1: size - 2}, {1: size}], size=size)
    run(store, "r1", [("real", "photos", "ka", 0, 3), ("generated", "gan", "ka", 0, 3)])
    sky = rows(store, "FROM class_statistics('r1', 0.1)")[0]
    _, expected = mean_se([0, -2, 0])
    assert sky["real_area_se"] == pytest.approx(expected * 100 / size, rel=1e-12)


def test_most_of_a_class(filled):
    result = rows(filled, "FROM most_of('r1', 'photos', 'person', 5)")
    assert [(row["image"], row["name"], row["pixels"], row["percent"]) for row in result] == [
        (1, "1.png", 50, 50.0),
        (4, "4.png", 3, 3.0),
    ]
    assert [row["image"] for row in rows(filled, "FROM most_of('r1', 'photos', 'sky', 2)")] == [4, 3]
    assert rows(filled, "FROM most_of('r1', 'photos', 'nothing', 2)") == []


def test_ratios_of_nothing():
    with duckdb.connect() as connection:
        connection.execute(text("macros").split("-- Every image that a run uses")[0])
        assert connection.execute("SELECT ratio(1, 0), ratio(0.0, 0.0), ratio(1, 4)").fetchall() == [(None, None, 0.25)]
        assert connection.execute("SELECT mean_se(1, 5, 25), mean_se(2, 4, 10)").fetchall() == [(None, 1.0)]


def test_names_and_strings_are_quoted():
    assert literal("it's") == "'it''s'"
    assert identifier('a"b') == '"a""b"'
    assert digest() == digest() and len(digest()) == 16
