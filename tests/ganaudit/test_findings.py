"""The findings of a run, from hand-made records."""

import math

import numpy as np
import pyarrow.parquet as pq
import pytest

from ganaudit import findings
from ganaudit.errors import AuditError, RequestError
from ganaudit.findings import materialise
from ganaudit.records import catalog, schema
from ganaudit.records.store import Store
from ganaudit.statistics.frechet import floor, frechet_from_rows

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
    found = materialise(filled, "r1")["fsd"].to_pylist()
    assert [(row["real"], row["generator"]) for row in found] == [("photos", "zeta"), ("photos", "alpha")]
    for row in found:
        expected = frechet_from_rows(areas(used["photos"]), areas(used[row["generator"]]))
        assert row["fsd"] == pytest.approx(expected.value, rel=1e-9)
        assert row["mean_part"] == pytest.approx(expected.mean_part, rel=1e-9)
        assert row["covariance_part"] == pytest.approx(expected.covariance_part, rel=1e-9)
        assert (row["real_images"], row["generated_images"]) == (21, len(used[row["generator"]]))
        counts = areas(used["photos"]).astype(int)
        assert row["floor"] == pytest.approx(floor(counts, 100, 21, row["generated_images"], findings.FLOOR_SEED))


def test_comparison_is_the_plain_difference_in_the_order_of_the_audit_file(filled):
    found = materialise(filled, "r1")
    zeta, alpha = found["fsd"]["fsd"].to_pylist()
    assert found["comparison"].to_pylist() == [
        {"run": "r1", "real": "photos", "generator_a": "zeta", "generator_b": "alpha", "difference": zeta - alpha}
    ]


def test_class_stats_are_the_macros_and_those_of_a_plain_mean(filled, used):
    found = materialise(filled, "r1", presence=6)["class_stats"]
    assert found.to_pylist() == catalog.query(filled, "FROM class_statistics('r1', 6)").to_pylist()
    assert set(found["class"].to_pylist()) == {"sky", "tree", "person", "ghost", "brick"}
    for row in found.to_pylist():
        if row["class_id"] in OBJECTS:
            real, generated = (areas(used[row[side]])[:, row["class_id"]] for side in ("real", "generator"))
            assert (row["real_area"], row["generated_area"]) == pytest.approx((real.mean(), generated.mean()))
            assert row["generated_presence"] == pytest.approx((generated >= 6).mean())
    person = next(r for r in found.to_pylist() if (r["class"], r["generator"]) == ("person", "zeta"))
    assert (person["presence_ratio"], person["area_ratio"], person["size_ratio"]) == (0, 0, None)


def test_findings_are_files_and_views(filled):
    found = materialise(filled, "r1")
    for name, rows in found.items():
        file = filled.path / "findings/v1/run=r1" / f"{name}.parquet"
        assert pq.read_schema(file).metadata[b"ganaudit.schema_version"] == b"1"
        assert catalog.query(filled, f"FROM {name}").to_pylist() == rows.to_pylist()
        assert rows.schema.names == schema.FINDINGS[name].arrow.names


def test_findings_made_again_take_the_place_of_the_old(filled):
    materialise(filled, "r1", presence=5)
    materialise(filled, "r1", presence=50)
    assert set(catalog.query(filled, "FROM class_stats")["presence_threshold"].to_pylist()) == {50.0}


def test_the_same_findings_whatever_the_blocks(filled, store, pictures, run, made, tmp_path):
    other = Store(tmp_path / "other").open_for_writing()
    for key, scene in reversed(made.items()):
        pictures(other, key, scene, block=30)
    names = ("role", "source", "key", "first", "count")
    sources = store.read(schema.RUN_SOURCES, store.run_sources("r1")).to_pylist()
    run(other, "r1", [tuple(row[name] for name in names) for row in sources])
    one, two = materialise(filled, "r1"), materialise(other, "r1")
    assert all(one[name].equals(two[name]) for name in one)


def test_no_number_in_a_finding_is_nan_or_infinite(store, pictures, run):
    pictures(store, "ka", [{1: 100}, {1: 100}])
    run(store, "r1", [("real", "photos", "ka", 0, 2), ("generated", "gan", "ka", 0, 2)])
    found = materialise(store, "r1")
    for rows in found.values():
        for row in rows.to_pylist():
            assert all(math.isfinite(value) for value in row.values() if isinstance(value, float))
    assert found["fsd"].to_pylist()[0]["fsd"] == 0
    assert found["fsd"].to_pylist()[0]["floor"] is None


def test_the_floor_looks_at_a_bounded_number_of_images(filled, monkeypatch):
    whole = materialise(filled, "r1")["fsd"]["floor"].to_pylist()
    monkeypatch.setattr(findings, "FLOOR_IMAGES", 12)
    part = materialise(filled, "r1")["fsd"]["floor"].to_pylist()
    assert part != whole and part == pytest.approx(whole, rel=0.8)


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
    for name, rows in materialise(store, "r1").items():
        if name == "comparison":
            assert rows.num_rows == 0
        else:
            assert set(rows["generator"].to_pylist()) == {"whole"}
    assert [rows.num_rows for rows in materialise(store, "r2").values()] == [0, 0, 0]


def test_a_source_without_records(store, pictures, run):
    pictures(store, "kb", [{1: 100}, {2: 100}])
    run(store, "r1", [("real", "photos", "ka", 0, 9), ("generated", "gan", "kb", 0, 2)])
    with pytest.raises(AuditError, match="0 of the 9 images of 'photos'"):
        materialise(store, "r1")


def test_a_block_set_aside_is_in_no_denominator(store, pictures, run):
    pictures(store, "ka", [{1: 100}, {2: 100}, {1: 100}, {1: 100}], block=2)
    store.shard("images", "ka", 0, 1).unlink()
    run(store, "r1", [("real", "photos", "ka", 0, 4), ("generated", "gan", "ka", 0, 4)])
    found = materialise(store, "r1")
    assert found["fsd"]["real_images"].to_pylist() == [2]
    assert found["class_stats"]["real_area"].to_pylist()[:2] == [100.0, 0.0]


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
    row = store.read(schema.RUNS, next(store.files("runs"))).to_pylist()[0]
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


@pytest.mark.parametrize("presence", [-0.1, 100, math.nan])
def test_a_threshold_that_is_no_percentage(filled, presence):
    with pytest.raises(RequestError, match="the presence threshold is"):
        materialise(filled, "r1", presence)
