"""The findings of a run, from hand-made records."""

import math

import numpy as np
import pyarrow.parquet as pq
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from ganaudit.errors import AuditError, RequestError
from ganaudit.records import catalog, schema
from ganaudit.records.store import Store
from ganaudit.records.tables import RUN_SOURCES, RUNS
from ganaudit.spec import Decide
from ganaudit.statistics.frechet import frechet_from_rows
from ganaudit.studies.census import distances
from ganaudit.studies.census.findings import materialise

OBJECTS = range(5)
"""The classes of the first head, with void; class 5 is of another head."""


def scenes(seed, n, person=0.4):
    """Random pictures of 100 pixels: void, sky, tree, perhaps a person; some of the sky is brick as well."""
    rng, made = np.random.default_rng(seed), []
    for _ in range(n):
        weights = [0.1, 1, 0.5, rng.random() < person]
        held = rng.multinomial(100, np.array(weights) / sum(weights))
        made.append({i: int(value) for i, value in enumerate(held) if value} | {5: 7})
    return made


def areas(pictures):
    return np.array([[picture.get(i, 0) for i in OBJECTS] for picture in pictures], float)


@pytest.fixture
def made():
    return {"ka": scenes(1, 30), "kb": scenes(2, 21, person=0.0), "kc": scenes(3, 25)}


@pytest.fixture
def filled(store, pictures, run, made):
    made["ka"][4] = None
    for key, scene in made.items():
        pictures(store, key, scene, block=8)
    sources = [("real", "photos", "ka", 3, 22), ("heldout", "kept", "ka", 25, 5)]
    run(store, "r1", [*sources, ("generated", "zeta", "kb", 0, 20), ("generated", "alpha", "kc", 2, 21)])
    return store


@pytest.fixture
def used(made):
    real = [picture for picture in made["ka"][3:25] if picture]
    return {"photos": real, "zeta": made["kb"][:20], "alpha": made["kc"][2:23]}


def test_distances_are_those_of_the_rows(filled, used):
    result = materialise(filled, "r1")["fsd"].to_pylist()
    assert [(row["real"], row["generator"]) for row in result] == [("photos", "zeta"), ("photos", "alpha")]
    for row in result:
        expected = frechet_from_rows(areas(used["photos"]), areas(used[row["generator"]]))
        assert row["fsd"] == pytest.approx(expected.value, rel=1e-9)
        assert row["mean_part"] == pytest.approx(expected.mean_part, rel=1e-9)
        assert row["covariance_part"] == pytest.approx(expected.covariance_part, rel=1e-9)
        assert (row["real_images"], row["generated_images"]) == (21, len(used[row["generator"]]))


def test_comparison_is_of_the_corrected_distances_in_the_order_of_the_audit_file(filled):
    findings = materialise(filled, "r1")
    (row,) = findings["comparison"].to_pylist()
    assert (row["run"], row["real"], row["generator_a"], row["generator_b"]) == ("r1", "photos", "zeta", "alpha")
    zeta, alpha = findings["fsd"]["corrected"].to_pylist()
    assert row["difference"] == pytest.approx(zeta - alpha, rel=1e-6)
    assert row["difference_low"] < row["difference"] < row["difference_high"]
    ranks = {result["generator"]: result["rank"] for result in findings["ranks"].to_pylist()}
    assert ranks == ({"zeta": 1, "alpha": 2} if zeta < alpha else {"zeta": 2, "alpha": 1})


def test_class_stats_are_the_macros_and_those_of_a_plain_mean(filled, used):
    result = materialise(filled, "r1", Decide(presence=6))["class_stats"]
    assert result.to_pylist() == catalog.query(filled, "FROM class_statistics('r1', 6)").to_pylist()
    assert set(result["class"].to_pylist()) == {"sky", "tree", "person", "ghost", "brick"}
    for row in result.to_pylist():
        if row["class_id"] in OBJECTS:
            real, generated = (areas(used[row[side]])[:, row["class_id"]] for side in ("real", "generator"))
            assert (row["real_area"], row["generated_area"]) == pytest.approx((real.mean(), generated.mean()))
            assert row["generated_presence"] == pytest.approx((generated >= 6).mean())
    person = next(r for r in result.to_pylist() if (r["class"], r["generator"]) == ("person", "zeta"))
    assert (person["presence_ratio"], person["area_ratio"], person["size_ratio"]) == (0, 0, None)


def test_findings_are_files_and_views(filled):
    findings = materialise(filled, "r1")
    for name, rows in findings.items():
        file = filled.path / "findings/v1/run=r1" / f"{name}.parquet"
        assert pq.read_schema(file).metadata[b"ganaudit.schema_version"] == b"1"
        assert catalog.query(filled, f"FROM {name}").to_pylist() == rows.to_pylist()
        assert rows.schema.names == schema.FINDINGS[name].arrow.names


def test_findings_made_again_take_the_place_of_the_old(filled):
    materialise(filled, "r1", Decide(presence=5))
    materialise(filled, "r1", Decide(presence=50))
    assert set(catalog.query(filled, "FROM class_stats")["presence_threshold"].to_pylist()) == {50.0}


def test_the_same_findings_whatever_the_blocks(filled, store, pictures, run, made, tmp_path):
    other = Store(tmp_path / "other").open_for_writing()
    for key, scene in reversed(made.items()):
        pictures(other, key, scene, block=30)
    names = ("role", "source", "key", "first", "count")
    sources = store.read(RUN_SOURCES, store.run_sources("r1")).to_pylist()
    run(other, "r1", [tuple(row[name] for name in names) for row in sources])
    result, two = materialise(filled, "r1"), materialise(other, "r1")
    assert all(result[name].equals(two[name]) for name in result)


def test_no_number_in_a_finding_is_nan_or_infinite(store, pictures, run):
    pictures(store, "ka", [{1: 100}, {1: 100}])
    run(store, "r1", [("real", "photos", "ka", 0, 2), ("generated", "gan", "ka", 0, 2)])
    findings = materialise(store, "r1")
    for rows in findings.values():
        for row in rows.to_pylist():
            assert all(math.isfinite(value) for value in row.values() if isinstance(value, float))
    assert findings["fsd"].to_pylist()[0]["fsd"] == 0
    assert findings["fsd"].to_pylist()[0]["floor"] is None


def test_the_floor_is_about_what_another_sample_of_the_same_images_is_away(store, pictures, run):
    """The mean plain distance of fresh pairs of samples, drawn as the real images were."""
    pictures(store, "ka", scenes(1, 400), block=1024)
    pictures(store, "kb", scenes(2, 200), block=1024)
    run(store, "r1", [("real", "photos", "ka", 0, 400), ("generated", "gan", "kb", 0, 200)])
    fresh = [frechet_from_rows(areas(scenes(10 + i, 400)), areas(scenes(100 + i, 200))).value for i in range(20)]
    assert materialise(store, "r1", Decide(permutations=0))["fsd"]["floor"].to_pylist() == pytest.approx(
        [np.mean(fresh)], rel=0.5
    )


# what cannot be compared


@pytest.mark.parametrize(("readable", "said"), [([], "0 of the 2"), ([{1: 100}], "1 of the 3")])
def test_real_images_that_were_set_aside(store, pictures, run, readable, said):
    pictures(store, "ka", [None, None, *readable])
    pictures(store, "kb", [{1: 100}, {2: 100}])
    run(store, "r1", [("real", "broken", "ka", 0, 2 + len(readable)), ("generated", "whole", "kb", 0, 2)])
    with pytest.raises(AuditError, match=f"{said} images of 'broken' could be read, and a comparison needs 2"):
        materialise(store, "r1")


@pytest.mark.parametrize("readable", [[], [{1: 100}]])
def test_a_generator_whose_images_were_set_aside_is_in_no_finding(store, pictures, run, readable):
    pictures(store, "ka", [None, None, *readable])
    pictures(store, "kb", [{1: 100}, {2: 100}])
    broken = ("generated", "broken", "ka", 0, 2 + len(readable))
    run(store, "r1", [("real", "photos", "kb", 0, 2), broken, ("generated", "whole", "kb", 0, 2)])
    run(store, "r2", [("real", "photos", "kb", 0, 2), broken])
    findings = materialise(store, "r1")
    for name in ("class_stats", "fsd", "fsd_by_class", "dropped_classes", "influences"):
        assert set(findings[name]["generator"].to_pylist()) == {"whole"}
    assert findings["comparison"].num_rows == 0
    assert not any(rows.num_rows for name, rows in materialise(store, "r2").items() if name != "near_duplicate_counts")


def test_a_source_without_records(store, pictures, run):
    pictures(store, "kb", [{1: 100}, {2: 100}])
    run(store, "r1", [("real", "photos", "ka", 0, 9), ("generated", "gan", "kb", 0, 2)])
    with pytest.raises(AuditError, match="0 of the 9 images of 'photos'"):
        materialise(store, "r1")


def test_a_block_set_aside_is_in_no_denominator(store, pictures, run):
    pictures(store, "ka", [{1: 100}, {2: 100}, {1: 100}, {1: 100}], block=2)
    store.shard("images", "ka", 0, 1).unlink()
    run(store, "r1", [("real", "photos", "ka", 0, 4), ("generated", "gan", "ka", 0, 4)])
    findings = materialise(store, "r1")
    assert findings["fsd"]["real_images"].to_pylist() == [2]
    assert findings["class_stats"]["real_area"].to_pylist()[:2] == [100.0, 0.0]


def test_label_maps_of_different_sizes(store, pictures, run):
    pictures(store, "ka", [{1: 100}] * 2)
    pictures(store, "kb", [{1: 64}] * 2, size=64)
    run(store, "r1", [("real", "photos", "ka", 0, 2), ("generated", "gan", "kb", 0, 2)])
    with pytest.raises(RequestError, match=r"different sizes cannot be compared; .*'photos' 100, 'gan' 64"):
        materialise(store, "r1")


def test_different_parsers(store, pictures, run):
    pictures(store, "ka", [{1: 100}] * 2)
    base = {"key": "ka", "first": 0, "count": 2}
    run(store, "r0", [])
    row = store.read(RUNS, next(store.files("runs"))).to_pylist()[0]
    sides = [
        {**base, "role": "real", "source": "photos", "parser_key": "p0"},
        {**base, "role": "generated", "source": "gan", "parser_key": "p1"},
    ]
    store.start_run({**row, "run": "r1"}, sides)
    with pytest.raises(RequestError, match="'photos' and 'gan' were not all parsed by the same parser"):
        materialise(store, "r1")


def test_a_run_that_is_not_there(store):
    with pytest.raises(RequestError, match="there is no run 'r9' in"):
        materialise(store, "r9")


def test_numeric_libraries_start_no_threads_of_their_own(filled, monkeypatch):
    """On small matrices they wait for each other: twenty times as long where another program has a core."""
    seen = []
    monkeypatch.setattr(distances, "adjusted", lambda rows, real=distances.adjusted: (seen.append(threads()), real(rows))[1])

    def threads():
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    with threadpool_limits(2, "blas"):
        materialise(filled, "r1")
        assert (seen, threads()) == ([{1}], {2})
