"""Each way in which a store can be wrong is found, named and of its kind; a sound one has no problem."""

from __future__ import annotations

import os

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ganaudit import keys
from ganaudit.errors import RequestError
from ganaudit.maintenance.compact import compact
from ganaudit.maintenance.verify import verify
from ganaudit.records import catalog, schema
from ganaudit.records.store import Store


def kinds(store: Store, deep: bool = False) -> set[str]:
    return {problem.kind for problem in verify(store, deep).problems}


def rewritten(path, change, metadata=None):
    table = pq.read_table(path)
    changed = change(table)
    pq.write_table(changed.replace_schema_metadata(metadata or table.schema.metadata), path)


def column(name, change):
    def changed(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(name)
        return table.set_column(place, table.schema.field(name), change(table[name]))

    return changed


@pytest.mark.parametrize("compacted", [False, True])
def test_a_sound_store_has_no_problem_and_every_file_is_looked_at(filled, compacted):
    if compacted:
        compact(filled, grace=0.0)
    catalog.build(filled)
    checked = verify(filled, deep=True)
    assert (checked.problems, checked.sound) == ((), True)
    there = [path for part in ("records", "findings") for path in (filled.path / part).rglob("*.parquet")]
    assert checked.files == len([path for path in there if not path.name.startswith("epoch-")])


SHARD = ("images", "ka", 4, 7)
PIXELS = ("class_pixels", "ka", 4, 7)
ONE, SURE = pa.scalar(1, pa.int32()), pa.scalar(1, pa.float32())
OF_ANOTHER = {"ganaudit.schema_version": "1", "ganaudit.recipe": "kb"}


def rewrite(change, metadata=None):
    return lambda path: rewritten(path, change, metadata)


@pytest.mark.parametrize(
    ("where", "change", "kind", "deep"),
    [
        (SHARD, lambda path: path.write_bytes(path.read_bytes()[:-20]), "torn", False),
        (SHARD, lambda path: path.write_bytes(b""), "torn", False),
        (SHARD, lambda path: pq.write_table(pa.table({"a": [1]}), path), "foreign", False),
        (SHARD, rewrite(lambda t: t, {"ganaudit.schema_version": "2"}), "schema", False),
        (SHARD, rewrite(lambda t: t.drop_columns(["digest"])), "schema", False),
        (SHARD, rewrite(lambda t: t, OF_ANOTHER), "digest", False),
        (SHARD, rewrite(lambda t: t.slice(1)), "inconsistent", False),
        (SHARD, rewrite(column("image", lambda c: pc.add(c, 4))), "misplaced", False),
        (SHARD, rewrite(column("key", lambda c: pa.array(["kb"] * len(c)))), "misplaced", False),
        (SHARD, rewrite(column("confidence", lambda c: pc.add(c, SURE))), "range", False),
        (PIXELS, lambda path: path.unlink(), "missing", False),
        (SHARD, lambda path: path.unlink(), "missing", False),
        (PIXELS, rewrite(column("pixels", pc.negate)), "range", False),
        (PIXELS, rewrite(lambda t: t.take(list(range(len(t)))[::-1])), "unsorted", True),
        (PIXELS, rewrite(column("pixels", lambda c: pc.add(c, ONE))), "inconsistent", True),
        (PIXELS, rewrite(column("image", lambda c: pa.array([4] * len(c)))), "inconsistent", True),
    ],
)  # fmt: skip
def test_a_wrong_shard(filled, where, change, kind, deep):
    change(filled.shard(*where))
    checked = verify(filled, deep)
    named = [problem for problem in checked.problems if problem.kind == kind]
    assert named and not checked.sound
    assert any("key=ka" in result.path and result.sentence for result in named)
    if deep:
        assert kind not in kinds(filled)  # footers and statistics alone do not show it


def test_shards_of_an_older_ganaudit_are_sound_and_have_no_hashes(filled):
    for path in list(filled.files("images")):
        rewrite(lambda t: t.drop_columns(["phash"]))(path)
    checked = verify(filled, deep=True)
    assert checked.sound and {problem.kind for problem in checked.problems} == {"older"}
    assert catalog.query(filled, "SELECT count(phash), count(*) > 20 FROM images").to_pandas().iloc[0].tolist() == [0, True]


INVERTED = [table.name for table in schema.shards_of("inversions").beside]
FOREIGN = pa.table({"a": [1]})
THIRD = pa.scalar(90, pa.int64())


@pytest.mark.parametrize(
    ("table", "change", "kind", "deep"),
    [
        *((name, lambda path: path.unlink(), "missing", False) for name in INVERTED),
        ("inversions", lambda path: path.unlink(), "missing", False),
        *((name, lambda path: path.write_bytes(path.read_bytes()[:-20]), "torn", False) for name in ("inversions", *INVERTED)),
        *((name, lambda path: pq.write_table(FOREIGN, path), "foreign", False) for name in ("inversions", *INVERTED)),
        *((name, rewrite(lambda t: t, OF_ANOTHER), "digest", False) for name in ("inversions", *INVERTED)),
        ("inversions", rewrite(lambda t: t.slice(1)), "inconsistent", False),
        *((name, rewrite(column("image", lambda c: pc.add(c, THIRD))), "misplaced", True) for name in INVERTED),
        ("inversion_latents", rewrite(lambda t: t.slice(1)), "inconsistent", True),
    ],
)  # fmt: skip
def test_a_wrong_shard_of_inversions(filled, table, change, kind, deep):
    path = filled.shard(table, "k2", 0, 1)
    change(path)
    checked = verify(filled, deep)
    assert not checked.sound
    (named,) = (problem for problem in checked.problems if problem.kind == kind)
    assert "key=k2" in named.path and named.sentence
    assert path.name in named.path or table == "inversions"  # where nothing says that it was there, its folder
    if deep:
        assert verify(filled).sound


def _beforehand(store, table):
    """One shard of what inversion needs before it searches: two images of the key k9."""
    own = {"key": "k9", "generator_key": "kc", "method": "layerwise"}
    picture = {"picture": b"RIFF", "label_map": b"PNG", "confidence_map": b"PNG"}
    rows = {
        "inversion_targets": [{"key": "k9", "sample": "heldout", "image": i, "weight": 1.0, **picture} for i in (3, 8)],
        "inversion_calibrations": [{**own, "image": i, "size": 0.5, "gain": 0.1} for i in (0, 1)],
        "inversion_precisions": [{**own, "precision": "float32", "images": 0, "seconds": 0.1}],
    }[table]
    store.write_shard(table, "k9", 0, 1, {table: schema.RECORDS[table].from_rows(rows)}, {"recipe": "k9"})


@pytest.mark.parametrize(
    ("table", "change", "kind"),
    [
        ("inversion_targets", lambda path: path.write_bytes(path.read_bytes()[:-20]), "torn"),
        ("inversion_targets", rewrite(lambda t: t.slice(1)), "inconsistent"),
        ("inversion_targets", rewrite(lambda t: t, OF_ANOTHER), "digest"),
        ("inversion_targets", rewrite(lambda t: t.drop_columns(["label_map"])), "schema"),
        ("inversion_calibrations", rewrite(lambda t: t.slice(1)), "inconsistent"),
        ("inversion_calibrations", rewrite(column("image", lambda c: pc.add(c, THIRD))), "misplaced"),
    ],
)  # fmt: skip
def test_a_wrong_shard_of_what_inversion_needs_beforehand(filled, table, change, kind):
    _beforehand(filled, table)
    assert verify(filled, deep=True).sound
    change(filled.shard(table, "k9", 0, 1))
    checked = verify(filled)
    assert not checked.sound and any(problem.kind == kind and "key=k9" in problem.path for problem in checked.problems)


def test_inversions_of_an_older_ganaudit_are_noted_read_as_far_as_they_go_and_left_as_they_are(filled):
    for block in ((0, 1), (2, 2)):
        for name, column in (*((name, "weighted_class") for name in INVERTED), ("inversions", "targets_key")):
            rewrite(lambda t, column=column: t.drop_columns([column]))(filled.shard(name, "k1", *block))
    checked = verify(filled, deep=True)
    assert checked.sound and {problem.kind for problem in checked.problems} == {"older"}
    assert {result.key for result in compact(filled, grace=0.0)} == {"ka", "kb", "kc", "k2"}
    rows = catalog.query(filled, "SELECT key, targets_key FROM inversions ORDER BY ALL").to_pylist()
    assert [row["key"] for row in rows] == ["k1"] * 3 + ["k2"] * 3 and {row["targets_key"] for row in rows} == {None}
    confused = catalog.query(filled, "SELECT DISTINCT weighted_class FROM inversion_confusion").to_pylist()
    assert confused == [{"weighted_class": None}]


def test_inversions_of_no_finished_run_may_be_unfinished_and_a_leftover_of_them_is_told(filled):
    filled.shard("inversions", "k1", 2, 2).unlink()  # its sisters were written before it
    assert [problem.kind for problem in verify(filled).problems] == ["missing"]  # the run r1 says that it used it
    for path in filled.folder("run_keys").glob("run=r1/*"):
        path.unlink()
    assert verify(filled, deep=True).sound
    _beforehand(filled, "inversion_precisions")
    filled.shard("inversion_precisions", "k9", 0, 1).write_bytes(b"PAR1")
    (filled.folder("inversion_curves") / "key=k1" / "curves.txt").write_text("")
    assert sorted((problem.kind, problem.path.split("/")[2]) for problem in verify(filled).problems) == [
        ("foreign", "inversion_curves"), ("torn", "inversion_precisions")
    ]  # fmt: skip


def test_a_part_with_wrong_pixels(filled):
    compact(filled, grace=0.0)
    path = next(path for path in filled.files("class_pixels") if path.name.startswith("part-"))
    path.write_bytes(path.read_bytes()[:-9])
    assert "torn" in kinds(filled)


def test_a_recipe_that_is_not_its_keys(filled):
    recipe = {"kind": "folder", "size": [64, 64], "resize": 0.5}
    key = keys.source_key(recipe)
    filled.write_source({"key": key, "kind": "folder", "recipe": keys.canonical(recipe), "digests": "{}"})
    older = keys.source_key(recipe, 1)  # of a ganaudit whose records held less
    filled.write_source({"key": older, "kind": "folder", "recipe": keys.canonical(recipe), "digests": "{}"})
    assert verify(filled).sound and older != key
    changed = keys.canonical({**recipe, "resize": 0.25})
    rewritten(filled.source(key), column("recipe", lambda c: pa.array([changed])))
    assert kinds(filled) == {"digest"}


@pytest.mark.parametrize("name", ["class_stats", "fsd", "dropped_classes"])
def test_a_finding_that_a_finished_run_should_have(filled, name):
    filled.finding("r2", name).unlink()
    assert [(problem.kind, problem.path) for problem in verify(filled).problems] == [
        ("missing", f"findings/v1/run=r2/{name}.parquet")
    ]


def test_a_run_that_did_not_finish_may_lack_what_it_would_have_made(filled, run):
    run(filled, "r3", [("real", "photos", "ka", 0, 100)], status="failed", hour=3)
    assert verify(filled).sound


def test_leftovers_are_notes_and_foreign_files_are_not(filled):
    left = filled.temporary / "shard-000000000-000000003-1-aa.tmp"
    left.write_bytes(b"PAR1")
    assert verify(filled).problems == ()  # it may be being written
    os.utime(left, (1, 1))
    assert (kinds(filled), verify(filled).sound) == ({"leftover"}, True)
    (filled.folder("images") / "key=ka" / "copy of shard.parquet").write_bytes(b"PAR1")
    assert (kinds(filled), verify(filled).sound) == ({"leftover", "foreign"}, False)


def test_replaced_files_are_a_note(filled):
    compact(filled)
    assert (kinds(filled), verify(filled, deep=True).sound) == ({"waiting"}, True)


def test_a_damaged_manifest_is_named(filled):
    compact(filled, grace=0.0)
    filled.manifest_file("kb").write_text("{")
    assert any(problem.kind == "torn" and "manifests/key=kb" in problem.path for problem in verify(filled).problems)


def test_no_store_is_a_sentence(tmp_path):
    with pytest.raises(RequestError, match="there is no store"):
        verify(Store(tmp_path / "nowhere"))


def remade_as_a_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda path: path.write_text("{"), "torn"),
        (lambda path: path.write_bytes(b""), "torn"),
        (lambda path: path.write_bytes(bytes(range(256))), "torn"),
        (lambda path: path.write_text("[1]"), "torn"),
        (lambda path: path.write_text('{"schema_version": null}'), "torn"),
        (lambda path: path.write_text('{"schema_version": Infinity}'), "torn"),
        (lambda path: path.write_text('{"schema_version": -1}'), "torn"),
        (lambda path: path.write_text('{"schema_version": true}'), "torn"),
        (lambda path: path.write_text("[" * 100_000), "torn"),
        (lambda path: path.unlink(), "missing"),
        (remade_as_a_folder, "missing"),
    ],
)
def test_a_wrong_marker_is_a_problem_and_everything_else_is_looked_at(filled, change, kind):
    change(filled.marker)
    filled.shard("images", "ka", 4, 7).write_bytes(b"PAR1")
    checked = verify(filled)
    assert not checked.sound
    assert [problem.kind for problem in checked.problems if problem.path == "ganaudit.json"] == [kind]
    assert any("key=ka" in problem.path for problem in checked.problems)
    (said,) = (problem.sentence for problem in checked.problems if problem.path == "ganaudit.json")
    assert '{"schema_version": 1}' in said


def test_a_file_in_the_place_of_a_folder_is_a_problem(tmp_path):
    store = Store(tmp_path / "store").open_for_writing()
    (store.path / "records").write_bytes(b"")
    assert [(problem.kind, problem.path) for problem in verify(store).problems] == [("foreign", "records")]


def test_a_newer_store_is_not_wrong_but_not_ours_to_judge(filled):
    filled.marker.write_text('{"schema_version": 9}')
    with pytest.raises(RequestError, match="upgrade ganaudit"):
        verify(filled)


def test_a_torn_row_of_the_newest_run_is_a_problem_among_others(filled):
    next(iter(sorted((filled.folder("runs") / "run=r2").glob("finished.parquet")))).write_bytes(b"PAR1")
    assert [problem.path for problem in verify(filled).problems if problem.kind == "torn"] == [
        "records/v1/runs/run=r2/finished.parquet"
    ]


def test_two_blocks_of_the_same_images_are_a_problem(filled):
    rewritten(filled.shard("images", "ka", 4, 7), lambda table: table.slice(0, 2))
    for table in ("images", "class_pixels"):
        filled.shard(table, "ka", 4, 7).rename(filled.shard(table, "ka", 4, 5))
        os.link(filled.shard(table, "ka", 0, 3), filled.shard(table, "ka", 2, 3))
    assert {
        problem.path for problem in verify(filled).problems if problem.kind == "inconsistent" and "as well" in problem.sentence
    } == {"records/v1/images/key=ka/shard-000000002-000000003.parquet"}
