"""Degenerate sources: a clear word each, never NaN in a table, never an exception out of a routine of linear algebra."""

from __future__ import annotations

import math
import tempfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from written import write_block

from ganaudit.errors import AuditError, RequestError
from ganaudit.records import catalog
from ganaudit.records.schema import FINDINGS
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASS_PIXELS, IMAGES
from ganaudit.spec import Decide, Slice
from ganaudit.studies.census.classes import check_slices, empty_slices
from ganaudit.studies.census.findings import materialise

FEW = Decide(permutations=9)
SKY, TREE, VOID = {1: 100}, {2: 100}, {0: 100}
MIXED = [{1: 60, 2: 40}, {1: 80, 3: 20}, {1: 90, 2: 5, 3: 5}, {0: 10, 1: 90}]


@pytest.fixture
def found(store, pictures, run):
    """`found(real, generated)` is every finding of a run of these pictures, as lists of rows."""

    def call(real, *generated, decide=FEW, size=100, **asked):
        sources = [("real", "photos", "kf", 0, len(real))]
        pictures(store, "kf", real, size=size, block=1024)
        for place, made in enumerate(generated):
            pictures(store, f"k{place}", made, size=size, block=1024)
            sources.append(("generated", f"gan {place}", f"k{place}", 0, len(made)))
        run(store, "r1", sources)
        tables = materialise(store, "r1", decide, **asked)
        return {name: table.to_pylist() for name, table in tables.items()}

    return call


def check(tables):
    """Every table is there, and every number in it is one."""
    assert set(tables) == set(FINDINGS)
    for name, rows in tables.items():
        for row in rows:
            wrong = [column for column, value in row.items() if isinstance(value, float) and not math.isfinite(value)]
            assert not wrong, (name, wrong)
    for row in tables["fsd"]:
        assert (row["fsd"] >= 0 and row["p_value"] is None) or 0 < row["p_value"] <= 1


def verdicts(tables, measure="presence", generator="gan 0"):
    rows = tables["dropped_classes"]
    return {r["class"]: r["verdict"] for r in rows if (r["measure"], r["generator"]) == (measure, generator)}


CASES = {
    "the least that can be compared": ([SKY, TREE], [SKY, TREE]),
    "the least, all alike": ([SKY, SKY], [SKY, SKY]),
    "one class only, the same on both sides": ([SKY] * 60, [SKY] * 60),
    "one class only, another on each side": ([SKY] * 60, [TREE] * 60),
    "a constant generator": (MIXED * 20, [MIXED[0]] * 60),
    "a constant real side": ([MIXED[0]] * 60, MIXED * 20),
    "both constant": ([MIXED[0]] * 60, [MIXED[1]] * 60),
    "a generator of nothing but void": (MIXED * 20, [VOID] * 60),
    "three against a thousand": (MIXED[:3], MIXED * 250),
    "a thousand against three": (MIXED * 250, MIXED[:3]),
    "two against five": (MIXED[:2], [*MIXED, SKY]),
    "one image in a thousand has a class": ([SKY] * 999 + [TREE], [SKY] * 1000),
    "images without any class row": ([*MIXED * 5, *[{}] * 5], [{}] * 20),
}


@pytest.mark.parametrize("name", CASES)
def test_degenerate_sources_have_findings_without_nan(found, name):
    real, generated = CASES[name]
    tables = found(real, generated, MIXED * 10)
    check(tables)
    assert [row["generator"] for row in tables["fsd"]] == ["gan 0", "gan 1"]
    assert len(tables["comparison"]) == 1 and len(tables["ranks"]) <= 2


def test_a_generator_of_one_class_drops_the_others(found):
    tables = found([{1: 50, 2: 50}] * 200, [SKY] * 200)
    check(tables)
    assert verdicts(tables) == {
        "sky": "equivalent", "tree": "dropped", "person": "not testable", "ghost": "not testable", "brick": "not testable",
    }  # fmt: skip


def test_a_class_that_no_real_image_has_is_invented(found):
    assert verdicts(found([SKY] * 200, [{1: 50, 2: 50}] * 200))["tree"] == "invented"


def test_nothing_is_testable_with_two_images(found):
    assert set(verdicts(found([SKY, TREE], [SKY, SKY])).values()) == {"not testable"}


def test_identical_constant_sources_have_distance_0_and_no_doubt_is_a_verdict(found):
    tables = found([SKY] * 60, [SKY] * 60, [SKY] * 60)
    check(tables)
    assert [row["fsd"] for row in tables["fsd"]] == [0, 0]
    assert tables["comparison"][0]["verdict"] == "cannot be told apart"


def test_images_of_one_cluster_are_one_observation(store, run):
    """All real images are of one scene: there are no groups to leave out, and that is no failure."""
    for key, cluster in (("kf", "scene"), ("k0", None)):
        write_clustered(store, key, [cluster] * 60)
    run(store, "r1", [("real", "photos", "kf", 0, 60), ("generated", "gan 0", "k0", 0, 60)])
    tables = {name: table.to_pylist() for name, table in materialise(store, "r1", FEW).items()}
    check(tables)
    assert tables["fsd"][0]["corrected"] is None and tables["fsd"][0]["mostly_bias"] is None
    assert set(verdicts(tables).values()) == {"not testable"}


def test_a_class_in_every_image_of_a_few_clusters_was_seen_a_few_times(store, run):
    write_clustered(store, "kf", ["a", "b", "c"] * 200)
    write_clustered(store, "k0", [None] * 600)
    run(store, "r1", [("real", "photos", "kf", 0, 600), ("generated", "gan 0", "k0", 0, 600)])
    decide = Decide(permutations=9, presence=0.1)
    tables = {name: table.to_pylist() for name, table in materialise(store, "r1", decide).items()}
    check(tables)
    assert set(verdicts(tables).values()) <= {"not testable", "inconclusive"}


def write_clustered(store, key, clusters):
    rng = np.random.default_rng(len(clusters))
    images, pixels = [], []
    for image, cluster in enumerate(clusters):
        base = {"key": key, "image": image}
        images.append(
            {**base, "name": str(image), "digest": f"{key}{image}", "cluster": cluster, "pixels": 100, "status": "ok"}
        )
        places = dict.fromkeys(("x_sum", "y_sum", "x_min", "y_min", "x_max", "y_max"), 0)
        held = int(rng.integers(10, 90))
        pixels += [{**base, **places, "class_id": result, "pixels": n} for result, n in ((1, held), (2, 100 - held))]
    write_block(store, key, 0, len(clusters) - 1, IMAGES.from_rows(images), CLASS_PIXELS.from_rows(pixels), {})


def test_a_parser_of_one_class(store, pictures, run):
    result = [{"class_id": 0, "name": "void", "head": "object"}, {"class_id": 1, "name": "sky", "head": "object"}]
    pictures(store, "kf", [{0: 40, 1: 60}, SKY] * 30)
    pictures(store, "k0", [{0: 40, 1: 60}, VOID] * 30)
    store.write_classes("p1", result)
    run(store, "r1", [("real", "photos", "kf", 0, 60), ("generated", "gan 0", "k0", 0, 60)], parser="p1")
    tables = {name: table.to_pylist() for name, table in materialise(store, "r1", FEW).items()}
    check(tables)
    assert verdicts(tables) == {"sky": "reduced"} and tables["dropped_pairs"] == []


def test_label_maps_too_wide_for_64_bits(found):
    size = 2**31 - 1
    tables = found([{1: size - i, 2: i} for i in range(60)], [{1: size}] * 60, size=size)
    check(tables)


def test_no_permutations_are_no_p_value(found):
    assert found(MIXED * 5, MIXED * 5, decide=Decide(permutations=0))["fsd"][0]["p_value"] is None


# refused, by name


@pytest.mark.parametrize("nothing", [VOID, {}])
def test_real_images_without_any_class(found, nothing):
    with pytest.raises(AuditError, match="no image of 'photos' holds any class of the parser"):
        found([nothing] * 20, MIXED * 5)


@pytest.mark.parametrize("real", [[None] * 20, [*[None] * 19, SKY]])
def test_real_images_that_were_all_set_aside(found, real):
    with pytest.raises(AuditError, match=r"[01] of the 20 images of 'photos' could be read, and a comparison needs 2"):
        found(real, MIXED * 5)


@pytest.mark.parametrize("generated", [[None] * 20, [*[None] * 19, SKY]])
def test_a_generator_whose_images_were_all_set_aside_is_in_no_table(found, generated):
    tables = found(MIXED * 5, generated, MIXED * 5)
    check(tables)
    for name in ("fsd", "class_stats", "dropped_classes", "ranks", "influences", "fsd_curve"):
        assert {row["generator"] for row in tables[name]} == {"gan 1"}
    assert tables["comparison"] == []


def test_no_generator_that_can_be_compared(found):
    tables = found(MIXED * 5, [None] * 9)
    check(tables)
    assert not any(rows for name, rows in tables.items() if name != "near_duplicate_counts")


def test_an_unknown_class_in_a_group(found):
    with pytest.raises(RequestError, match=r"groups\.alive: the parser has no class 'dog'; it has .*person"):
        found(MIXED * 5, MIXED * 5, groups={"alive": ["person", "dog"]})


def test_a_wrong_condition_of_a_slice(found):
    with pytest.raises(RequestError, match=r"slices\.dusk: .labels = 1. is no condition on the columns of images"):
        found(MIXED * 5, MIXED * 5, slices={"dusk": Slice(real="labels = 1")})


def test_a_slice_without_images_has_no_rows(found):
    tables = found(MIXED * 5, MIXED * 5, slices={"dusk": Slice(real="label = 'dusk'"), "all": Slice()})
    check(tables)
    assert {row["slice"] for row in tables["dropped_in_slices"]} == {"all"}


EMPTY = {
    "no label at all": (Slice(real="label = 'dusk'"), ["no image of 'photos'", "have no label"]),
    "nothing of that name": (Slice(real="name LIKE 'harbour/%'"), ["no image of 'photos' of 20"]),
    "one image": (Slice(real="image = 3"), ["one image of 'photos'"]),
    "the generated side": (Slice(generated="image > 99"), ["no image of 'gan 0'"]),
    "both sides": (Slice(real="label = 'x'", generated="label = 'x'"), ["no image of 'photos'", "no image of 'gan 0'"]),
    "a class that no image holds": (Slice(real="holds('ghost')"), ["no image of 'photos'"]),
    "nobody": (Slice(real="false"), ["no image of 'photos'"]),
}


@pytest.mark.parametrize("name", EMPTY)
def test_a_slice_that_nothing_is_in_is_told(found, store, name):
    part, said = EMPTY[name]
    slices = {name: part, "all": Slice(), "some": Slice(real="image < 9", generated="holds('sky')")}
    tables = found(MIXED * 5, MIXED * 5, slices=slices)
    judged = {(row["generator"], row["slice"]) for row in tables["dropped_in_slices"]}
    with catalog.of_run(store, "r1") as connection:
        notes = list(empty_slices(connection, "r1", slices, judged))
    assert len(notes) == (2 if name == "both sides" else 1)
    assert all(word in " ".join(notes) for word in said) and all(f"'{name}'" in note for note in notes)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("holds('persn')", "no class 'persn', did you mean 'person'"),
        ("image < 3 OR NOT HOLDS ( 'dog', 50 )", "no class 'dog'"),
        ("holds('it''s')", "no class"),
        ("holds(person)", "is no condition"),
        ("labels = 1", "is no condition"),
    ],
)
def test_a_condition_that_cannot_be_asked_is_refused_beforehand(store, condition, said):
    names = {0: "void", 1: "sky", 3: "person"}
    with pytest.raises(RequestError, match=said):
        check_slices({"odd": Slice(real=condition)}, store, names)
    check_slices({"fine": Slice(real="holds('person') AND NOT holds('sky', 10)")}, store, names)


@pytest.mark.parametrize("asked", ["inversions", "AUDITED_images", "catalog.fsd", '"runs"'])
def test_a_condition_that_asks_a_table_which_is_empty_inside_a_run_is_refused(store, asked):
    for condition in (
        f"image IN (SELECT image FROM {asked})",
        f"EXISTS (SELECT 1 FROM class_pixels JOIN {asked} USING (image))",
    ):
        with pytest.raises(
            RequestError, match=r"slices.odd: the table .+ cannot be asked here; there are class_pixels, classes,"
        ):
            check_slices({"odd": Slice(generated=condition)}, store)
    check_slices({"fine": Slice(real="image IN (SELECT image FROM class_pixels) AND name <> 'from runs'")}, store)


def torn(path):
    path.write_bytes(path.read_bytes()[:100])


def of_a_newer_schema(path):
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"ganaudit.schema_version": b"99"}), path)


def without_a_column(path):
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["pixels"]), path)


def not_ours(path):
    pq.write_table(pa.table({"a": [1]}), path)


@pytest.mark.parametrize("harm", [torn, of_a_newer_schema, without_a_column, not_ours])
@pytest.mark.parametrize("table", ["images", "class_pixels"])
def test_records_of_another_schema_are_named(found, store, harm, table):
    found(MIXED * 5, MIXED * 5)
    path = store.shard(table, "k0", 0, 19)
    harm(path)
    with pytest.raises(AuditError, match="damaged or was not written by ganaudit") as raised:
        materialise(store, "r1", FEW)
    assert str(path) in str(raised.value)


# any small store at all

pixels = st.dictionaries(st.integers(0, 4), st.integers(0, 25), max_size=5)
image = st.none() | pixels.map(lambda held: {one: n for one, n in held.items() if n})
source = st.lists(image, min_size=1, max_size=12) | st.builds(lambda one, n: [one] * n, image, st.integers(1, 60))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(real=source, one=source, other=source)
def test_any_small_store_has_findings_or_one_clear_word(pictures, run, real, one, other):
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder).open_for_writing()
        for key, made in (("kf", real), ("k0", one), ("k1", other)):
            pictures(store, key, made, block=1024)
        sources = [("real", "photos", "kf", 0, len(real)), ("generated", "gan 0", "k0", 0, len(one))]
        run(store, "r1", [*sources, ("generated", "gan 1", "k1", 0, len(other))])
        try:
            tables = materialise(store, "r1", FEW)
        except AuditError as error:
            assert "photos" in str(error)
            return
        check({name: table.to_pylist() for name, table in tables.items()})
