"""What stands beside a distance: its shares, its curve, the pull of each image, its p-value and its correction."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from written import write_block

from ganaudit.records.tables import CLASS_PIXELS, IMAGES
from ganaudit.records.used import sources_of
from ganaudit.spec import Decide
from ganaudit.statistics.frechet import frechet_from_rows
from ganaudit.statistics.permutation import least
from ganaudit.studies.census.counts import read_counts
from ganaudit.studies.census.distances import resolution_floor
from ganaudit.studies.census.findings import materialise

CLASSES = (0, 1, 2, 3, 4)


def scenes(seed, n, person):
    rng = np.random.default_rng(seed)
    held = [rng.multinomial(100, np.array([0.1, 1, 0.5, p]) / (1.6 + p)) for p in (rng.random(n) < person).astype(float)]
    return [{result: int(pixels) for result, pixels in enumerate(row) if pixels} for row in held]


def areas(made):
    return np.array([[result.get(c, 0) for c in CLASSES] for result in made], float)


@pytest.fixture
def audited(store, pictures, run):
    """`audited(real, generated)` is what is found, and the readable pictures of both sides."""

    def call(real, generated, **decide):
        for key, made in (("ka", real), ("kb", generated)):
            pictures(store, key, made, block=64)
        run(store, "r1", [("real", "photos", "ka", 0, len(real)), ("generated", "gan", "kb", 0, len(generated))])
        findings = materialise(store, "r1", Decide.model_validate(decide))
        return {name: table.to_pylist() for name, table in findings.items()}

    return call


def test_shares_add_up_to_the_distance_and_name_what_changed(audited):
    result = audited(scenes(0, 300, 0.4), scenes(1, 300, 0.0), permutations=0)
    shares = {row["class"]: row["share"] for row in result["fsd_by_class"]}
    assert set(shares) == {"void", "sky", "tree", "person"} and min(shares.values()) >= 0
    assert sum(shares.values()) == pytest.approx(result["fsd"][0]["fsd"], rel=1e-9)
    assert max(shares, key=shares.get) == "person"
    assert result["fsd"][0]["live_classes"] == 4


def test_the_curve_rises_in_images_and_ends_at_the_whole(audited):
    found = audited(scenes(0, 200, 0.4), scenes(1, 100, 0.3), permutations=0)
    curve, row = found["fsd_curve"], found["fsd"][0]
    assert [(result["real_images"], result["generated_images"]) for result in curve] == [
        (10 * k, 5 * k) for k in (1, 2, 5, 10, 20)
    ]
    last = curve[-1]
    assert last["fsd"] == pytest.approx(row["fsd"], rel=1e-5)
    assert all(last[name] == row[name] for name in ("corrected", "corrected_low", "corrected_high"))
    assert curve[0]["fsd"] > last["fsd"]  # the bias of few images
    assert [result["corrected"] is None for result in curve] == [True, True, True, False, False]
    assert all(0 <= result["fsd_low"] <= result["fsd"] <= result["fsd_high"] for result in curve)


def test_every_image_that_was_read_has_one_influence_and_they_average_to_0(audited):
    real = [None if i % 9 == 0 else scene for i, scene in enumerate(scenes(0, 90, 0.4))]
    found = audited(real, scenes(1, 70, 0.1), permutations=0)
    rows = found["influences"]
    read = [i for i, result in enumerate(real) if result]
    assert [row["image"] for row in rows if row["role"] == "real"] == read
    assert [row["image"] for row in rows if row["role"] == "generated"] == list(range(70))
    assert {(row["role"], row["key"]) for row in rows} == {("real", "ka"), ("generated", "kb")}
    variance = 0.0
    for role in ("real", "generated"):
        pulls = np.array([row["influence"] for row in rows if row["role"] == role])
        assert abs(pulls.mean()) < pulls.std() / len(pulls)  # 0 but for the N - 1 of the covariance
        variance += pulls.var() / len(pulls)
    assert found["fsd"][0]["delta_se"] == pytest.approx(variance**0.5, rel=1e-4)


def test_an_influence_is_how_the_distance_changes_with_an_image_s_weight(audited):
    """Repeating one image changes the distance by about its influence over the number of images."""
    real, generated = scenes(0, 400, 0.4), scenes(1, 400, 0.1)
    pulls = [row["influence"] for row in audited(real, generated, permutations=0)["influences"] if row["role"] == "generated"]
    before = frechet_from_rows(areas(real), areas(generated)).value
    for i in (int(np.argmax(pulls)), int(np.argmin(pulls))):
        after = frechet_from_rows(areas(real), areas([*generated, generated[i]])).value
        assert (after - before) * 401 == pytest.approx(pulls[i], rel=0.1, abs=0.5)


@pytest.mark.parametrize("sizes", [(200, 200), (200, 70), (45, 160)])
def test_a_p_value_is_the_smallest_there_is_for_another_world_and_not_for_the_same(audited, sizes):
    """Equal numbers permute the groups, unequal ones blocks of equally many images."""
    n, m = sizes
    row = audited(scenes(0, n, 0.9), scenes(1, m, 0.0), permutations=39)["fsd"][0]
    assert (row["p_value"], row["permutations"]) == (1 / 40, 39)


def test_q_values_are_adjusted_over_the_generators_of_a_real_source_as_by_statsmodels(store, pictures, run):
    """One generator is another world, two are the same one, and one has no images to be tested on."""
    made = {"ka": scenes(0, 120, 0.4), "kb": scenes(1, 120, 0.4), "kc": scenes(2, 90, 0.0), "kd": scenes(3, 75, 0.45)}
    for key, scene in made.items():
        pictures(store, key, scene, block=64)
    pictures(store, "ke", [{1: 100}, None])
    generators = [("generated", key, key, 0, len(made[key])) for key in ("kb", "kc", "kd")]
    run(store, "r1", [("real", "photos", "ka", 0, 120), *generators, ("generated", "ke", "ke", 0, 2)])
    rows = materialise(store, "r1", Decide(permutations=39))["fsd"].to_pylist()
    assert [row["generator"] for row in rows] == ["kb", "kc", "kd"]
    expected = multipletests([row["p_value"] for row in rows], method="holm")[1]
    assert [row["q_value"] for row in rows] == pytest.approx(expected)
    assert (rows[1]["p_value"], rows[1]["q_value"]) == (1 / 40, pytest.approx(least(39, 3)))
    assert {row["q_value"] for row in materialise(store, "r1", Decide(permutations=0))["fsd"].to_pylist()} == {None}


@pytest.mark.parametrize("sizes", [(100, 100), (100, 45)])
def test_a_p_value_of_no_difference_is_not_small(audited, sizes):
    n, m = sizes
    both = scenes(0, n + m, 0.4)
    row = audited(both[:n], both[n:], permutations=39)["fsd"][0]
    assert 0.05 < row["p_value"] <= 1 and (row["p_value"] * 40) % 1 == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("n", "person"), [(60, 0.4), (300, 0.0)])
def test_the_correction_lies_in_its_interval_and_says_when_it_is_most_of_the_distance(audited, n, person):
    row = audited(scenes(0, n, 0.4), scenes(1, n, person), permutations=0)["fsd"][0]
    assert row["corrected_low"] <= max(0.0, row["corrected"]) < row["corrected_high"]
    assert row["corrected"] < row["fsd"] and row["corrected_se"] > 0
    assert row["mostly_bias"] == (person > 0.1) == (row["corrected_low"] == 0)


def test_a_resolution_floor_is_the_distance_of_the_images_that_both_hold(store, pictures, run):
    real, control = scenes(0, 20, 0.4), scenes(5, 12, 0.4)
    control[3] = None
    pictures(store, "ka", real)
    pictures(store, "kb", control)
    run(store, "r1", [("real", "photos", "ka", 0, 20), ("resized_real", "small", "kb", 0, 12)])
    a, b = (read_counts(store, result, [*CLASSES, 5]) for result in sources_of(store, "r1"))
    used = [i for i in range(12) if i != 3]
    expected = frechet_from_rows(areas([real[i] for i in used]), areas([control[i] for i in used])).value
    assert resolution_floor(a, b, CLASSES) == pytest.approx(expected, rel=1e-9)
    pictures(store, "kc", [{1: 100}])
    run(store, "r2", [("control", "small", "kc", 0, 1)])
    assert resolution_floor(a, read_counts(store, sources_of(store, "r2")[0], [*CLASSES, 5]), CLASSES) is None


def clustered(store, run, made, digests, clusters):
    """A run whose real images have these digests and clusters, beside as many independent generated ones."""
    places = dict.fromkeys(("x_sum", "y_sum", "x_min", "y_min", "x_max", "y_max"), 0)
    sides = {"ka": (made[0], digests, clusters), "kb": (made[1], [f"g{i}" for i in range(len(made[1]))], [None] * len(made[1]))}
    for key, (pictures, names, of) in sides.items():
        images = [
            {"key": key, "image": i, "name": str(i), "digest": names[i], "cluster": of[i], "status": "ok", "pixels": 100}
            for i in range(len(pictures))
        ]
        held = [
            {"key": key, "image": i, "class_id": c, "pixels": n, **places} for i, p in enumerate(pictures) for c, n in p.items()
        ]
        write_block(store, key, 0, len(images) - 1, IMAGES.from_rows(images), CLASS_PIXELS.from_rows(held), {})
    run(store, "r1", [("real", "photos", "ka", 0, len(made[0])), ("generated", "gan", "kb", 0, len(made[1]))])
    return materialise(store, "r1", Decide())["fsd"].to_pylist()[0]


def test_repeated_images_count_once_in_the_interval_and_are_not_exchanged_one_by_one(store, run):
    unique = scenes(0, 200, 0.4)
    repeated = [*unique, *(unique[i % 100] for i in range(900))]
    digests = [f"r{i % 200 if i < 200 else (i - 200) % 100}" for i in range(1100)]
    row = clustered(store, run, (repeated, scenes(1, 1100, 0.4)), digests, [None] * 1100)
    assert row["p_value"] is None and row["withheld"] is None
    assert row["corrected_low"] == 0.0 < row["corrected_high"]  # both sides are drawn from one world


def test_too_few_clusters_have_no_interval_and_the_row_says_so(store, run):
    made = (scenes(0, 400, 0.4), scenes(1, 400, 0.4))
    row = clustered(store, run, made, [f"r{i}" for i in range(400)], [f"video {i // 25}" for i in range(400)])
    assert row["corrected"] is not None and row["corrected_low"] is None is row["corrected_high"]
    assert row["withheld"] == "the images of 'photos' are worth 16 clusters, and 20 are needed"


def test_the_same_images_on_both_sides_have_no_interval_below_zero(audited):
    made = scenes(0, 300, 0.4)
    row = audited(made, made, permutations=0)["fsd"][0]
    assert row["corrected"] < 0 and row["corrected_low"] is None and "share images" in row["withheld"]
