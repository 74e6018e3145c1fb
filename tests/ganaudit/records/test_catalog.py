"""The catalog: SQL over a store, whatever the store's path, whoever writes to it meanwhile."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ganaudit.errors import AuditError, RequestError
from ganaudit.records import catalog, schema, views
from ganaudit.records.store import Store
from ganaudit.records.used import sources_of

SOURCES = [("real", "photos", "ka", 0, 3), ("generated", "gan", "kb", 0, 2)]
ODD = ["it's [br]ack {a,b}", "ünï-日本 $x%41#&=;", "[!a]", ']x[ q"', "st*r", "a**b", "qu?st"]


@pytest.fixture
def filled(store, pictures, run):
    pictures(store, "ka", [{1: 60, 2: 40}, None, {1: 100}])
    pictures(store, "kb", [{1: 100}, {1: 90, 2: 10}])
    run(store, "r1", SOURCES)
    return store


def column(store: Store, statement: str) -> list[object]:
    return catalog.query(store, statement).column(0).to_pylist()


def test_every_table_of_an_empty_store_is_an_empty_view_with_its_types(store):
    for table in (schema.RECORDS | schema.FINDINGS).values():
        rows = catalog.query(store, f"FROM {table.name}")
        assert rows.num_rows == 0
        assert rows.column_names == table.arrow.names
        assert rows.schema.types == [column.type for column in table.columns]
    for view in ("audited_images", "audited_class_pixels", "latest_runs", "class_statistics('r1', 0.1)"):
        assert catalog.query(store, f"FROM {view}").num_rows == 0


def test_views_hold_what_was_written(filled):
    assert column(filled, "SELECT count(*) FROM images") == [5]
    assert column(filled, "SELECT sum(pixels) FROM class_pixels") == [400]
    assert column(filled, "SELECT key FROM images WHERE status = 'quarantined'") == ["ka"]
    types = catalog.query(filled, "FROM class_pixels").schema
    assert (types.field("class_id").type, types.field("pixels").type) == (pa.int16(), pa.int32())


@pytest.mark.parametrize("name", ODD)
def test_any_path(tmp_path, name, pictures, run):
    decoy = Store(tmp_path / "stXr").open_for_writing()
    pictures(decoy, "kc", [{1: 100}] * 7)
    store = Store(tmp_path / name).open_for_writing()
    assert column(store, "SELECT count(*) FROM images") == [0]
    pictures(store, "ka", [{1: 60, 2: 40}, None, {1: 100}])
    run(store, "r1", SOURCES[:1])
    assert column(store, "SELECT count(*) FROM audited_images") == [3]
    with duckdb.connect(str(catalog.build(store)), read_only=True) as other:
        assert other.execute("SELECT count(*) FROM run_images('r1')").fetchall() == [(3,)]


def test_the_file_opens_from_another_folder_under_another_name_and_read_only(filled, tmp_path, monkeypatch):
    path = shutil.copy(catalog.build(filled), tmp_path / "mine.duckdb")
    monkeypatch.chdir(tmp_path)
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM audited_images").fetchall() == [(5,)]
        assert connection.execute("SELECT source FROM class_presence('r1', 1) LIMIT 1").fetchall() == [("photos",)]
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            connection.execute("CREATE TABLE t (a INTEGER)")


def test_the_file_is_in_a_format_that_older_clients_open(filled):
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{catalog.build(filled)}' AS c (READ_ONLY)")
        (tags,) = connection.execute("SELECT tags FROM duckdb_databases() WHERE database_name = 'c'").fetchone()
    assert tags["storage_version"].startswith("v1.4")


def test_a_connection_does_not_write(filled):
    with pytest.raises(RequestError, match="read-only"):
        catalog.query(filled, "CREATE TABLE t (a INTEGER)")


def test_a_new_run_is_seen_and_an_unchanged_store_keeps_its_catalog(filled, run):
    time.sleep(0.02)  # a catalog as old as the newest file, by a clock of coarse ticks, is not trusted
    assert column(filled, "SELECT run FROM runs") == ["r1"]
    made = filled.catalog.stat().st_ino
    assert column(filled, "SELECT run FROM runs") == ["r1"]
    assert filled.catalog.stat().st_ino == made
    run(filled, "r2", SOURCES, hour=1)
    assert sorted(column(filled, "SELECT run FROM runs")) == ["r1", "r2"]


def test_first_rows_are_seen_although_the_catalog_was_made_before_there_were_any(store, pictures, run):
    run(store, "r1", SOURCES, finished=False)
    with catalog.connect(store) as held:
        assert held.execute("SELECT count(*) FROM images").fetchall() == [(0,)]
        pictures(store, "ka", [{1: 100}])
        assert column(store, "SELECT count(*) FROM images") == [1]


def test_a_store_that_was_moved_gets_a_catalog_of_its_new_place(filled, tmp_path):
    catalog.build(filled)
    moved = Store(shutil.move(filled.path, tmp_path / "elsewhere"))
    assert column(moved, "SELECT count(*) FROM images") == [5]
    assert column(moved, "SELECT store FROM about") == [str(moved.path)]


def test_a_damaged_catalog_is_made_anew(filled):
    catalog.build(filled).write_bytes(b"not a database")
    future = filled.catalog.stat().st_mtime + 1000
    os.utime(filled.catalog, (future, future))
    assert column(filled, "SELECT count(*) FROM images") == [5]


def test_a_store_that_cannot_be_written_to_is_still_read(filled, monkeypatch):
    def read_only(*_: object) -> None:
        raise RequestError("the store cannot be written to")

    monkeypatch.setattr(catalog, "_build", read_only)
    assert column(filled, "SELECT count(*) FROM images") == [5]
    assert not filled.catalog.exists()


def test_readers_go_on_while_it_is_built_again_and_again(filled):
    with ThreadPoolExecutor(2) as pool:
        builds = [pool.submit(catalog.build, filled) for _ in range(6)]
        for _ in range(4):
            assert column(filled, "SELECT count(*) FROM audited_images") == [5]
        assert {build.result() for build in builds} == {filled.catalog}
    assert list(filled.temporary.iterdir()) == []


def test_it_opens_read_only_while_another_build_has_its_file_open(filled, monkeypatch):
    catalog.build(filled)
    create = views.create

    def in_the_middle(connection, store, *rest):
        create(connection, store, *rest)
        code = "import duckdb, sys; print(duckdb.connect(sys.argv[1], read_only=True).sql('FROM fsd').fetchall())"
        other = subprocess.run([sys.executable, "-c", code, store.catalog], capture_output=True, text=True)
        assert (other.stdout, other.stderr) == ("[]\n", "")

    monkeypatch.setattr(views, "create", in_the_middle)
    catalog.build(filled)


def test_without_room_for_temporary_files_the_store_can_be_asked_all_the_same(filled, tmp_path, monkeypatch):
    filled.shard("class_pixels", "kb", 0, 1).write_bytes(b"")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    catalog._blank.cache_clear()
    assert column(filled, "SELECT count(*) FROM audited_images") == [5]
    assert column(filled, "SELECT store FROM about") == [str(filled.path)]
    with pytest.raises(AuditError, match="damaged"):
        column(filled, "SELECT count(*) FROM class_pixels")


def test_a_long_query_prints_nothing_among_the_answer(filled):
    """DuckDB shows progress after two seconds, on whatever stdout is."""
    with catalog.connect(filled) as of_file, catalog.in_memory(filled) as alone:
        for connection in (of_file, alone):
            assert connection.sql("SELECT current_setting('enable_progress_bar')").fetchall() == [(False,)]


def test_no_store_is_a_sentence(tmp_path):
    with pytest.raises(RequestError, match="there is no store at"):
        catalog.query(Store(tmp_path / "nowhere"), "SELECT 1")


@pytest.mark.parametrize("statement", ["SELECT nothing FROM images", "SELEC 1", "FROM nowhere", "SELECT 'a'::INTEGER"])
def test_a_wrong_statement_says_what_is_wrong(filled, statement):
    with pytest.raises(RequestError, match="Error: "):
        catalog.query(filled, statement)


def test_a_statement_without_rows(filled):
    assert catalog.query(filled, "SET threads = 1").num_rows == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        lambda path: path.write_bytes(b""),
        lambda path: pq.write_table(pa.table({"a": [1]}), path),
        lambda path: path.write_bytes(path.read_bytes()[:8] + b"x" * 72 + path.read_bytes()[80:]),
    ],
    ids=["torn", "empty", "foreign", "scrambled"],
)
@pytest.mark.parametrize("key", ["ka", "kb"])
def test_a_damaged_shard_is_named_by_a_query(filled, damage, key):
    path = filled.shard("images", key, 0, 2 if key == "ka" else 1)
    damage(path)
    with pytest.raises(AuditError, match=f"{path} is damaged or was not written by ganaudit"):
        catalog.query(filled, "SELECT * FROM images")


def test_a_damaged_finding_of_a_run_spoils_no_question_about_others(filled, run):
    run(filled, "r1", [("real", "photos", "ka", 0, 3)])
    run(filled, "r2", [("real", "photos", "kb", 0, 2)])
    damaged = filled.finding("r2", "fsd")
    damaged.parent.mkdir(parents=True, exist_ok=True)
    damaged.write_bytes(b"not a Parquet file")
    with catalog.of_run(filled, "r1") as connection:
        assert connection.sql("SELECT count(*) FROM fsd").fetchall() == [(0,)]
    assert column(filled, "SELECT run FROM runs ORDER BY run") == ["r1", "r2"]
    for asked in ("count(*) FROM fsd", "* FROM fsd WHERE generator = 'a'", "r.run FROM runs AS r JOIN fsd AS f USING (run)",
                  "1 FROM fsd WHERE fsd > 0.5 AND run = 'r1'", "run FROM fsd GROUP BY run", "max(fsd) FROM fsd"):  # fmt: skip
        with pytest.raises(AuditError, match=f"{damaged} is damaged"):
            catalog.query(filled, f"SELECT {asked}")


def test_inside_kept_a_runs_catalog_is_made_anew_only_where_other_files_are_there(filled, run, pictures, monkeypatch):
    run(filled, "r8", [("real", "photos", "ka", 0, 3)], finished=False)
    run(filled, "r9", [("real", "photos", "kb", 0, 2)])
    made, create = [], views.create
    monkeypatch.setattr(views, "create", lambda *rest, **named: made.append(1) or create(*rest, **named))

    def images(name):
        with catalog.of_run(filled, name) as connection, catalog.of_run(filled, name) as other:
            rows = connection.execute("SELECT image FROM run_images(?) WHERE status = 'ok'", [name])
            assert other.sql("SELECT count(*) FROM run_sources").fetchall() == [(1,)]
            return len(rows.fetchall())

    with catalog.kept():
        assert [images("r8"), images("r8"), len(made)] == [2, 2, 1]
        with catalog.kept():
            assert [images("r8"), len(made)] == [2, 1]
        run(filled, "r8", [("real", "photos", "ka", 0, 3)])
        assert [images("r8"), len(made)] == [2, 1]
        pictures(filled, "ka", [{1: 100}])  # one more file
        assert [images("r8"), images("r9"), images("r9"), len(made)] == [3, 2, 2, 3]
    assert [images("r9"), len(made)] == [2, 5]


def test_an_empty_file_is_no_table_without_rows(filled):
    path = filled.shard("images", "ka", 0, 2)
    path.write_bytes(b"")
    for asked in ("count(*) FROM images", "* FROM images WHERE status = 'ok'", "key FROM images WHERE key = 'kb'"):
        with pytest.raises(AuditError, match=f"{path} is damaged"):
            catalog.query(filled, f"SELECT {asked}")
        with pytest.raises(AuditError, match=f"{path} is damaged"), catalog.in_memory(filled) as connection:
            connection.sql(f"SELECT {asked}").fetchall()


def test_a_damaged_source_of_a_run_spoils_no_other_run(filled, run):
    run(filled, "r8", [("real", "photos", "ka", 0, 3)])
    run(filled, "r9", [("real", "photos", "kb", 0, 2)])
    filled.source("kb").parent.mkdir(parents=True)
    filled.source("kb").write_bytes(b"not a Parquet file")
    with catalog.of_run(filled, "r8") as connection:
        assert connection.sql("SELECT count(*) FROM run_images('r8')").fetchall() == [(3,)]
        assert connection.sql("SELECT count(*) FROM sources WHERE key = 'kb'").fetchall() == [(0,)]


def test_a_temporary_file_of_a_killed_writer_is_not_read(filled):
    (filled.temporary / "shard-000000000-000000002-1-aa.tmp").write_bytes(b"PAR1")
    assert column(filled, "SELECT count(*) FROM images") == [5]


def test_a_role_of_an_older_run_has_its_name_of_today(store, pictures, run):
    pictures(store, "ka", [{1: 60, 2: 40}])
    run(store, "r1", [("real", "photos", "ka", 0, 1), ("control", "photos at 8 px", "ka", 0, 1)])
    roles = catalog.query(store, "SELECT role FROM run_sources ORDER BY role").to_pylist()
    assert [row["role"] for row in roles] == ["real", "resized_real"]
    assert [source.role for source in sources_of(store, "r1")] == ["real", "resized_real"]


def test_an_instance_is_used_again_also_in_a_process_that_is_forked_and_is_idle_without_threads(filled):
    def counted():
        with catalog.in_memory(filled) as connection:
            return connection.execute("SELECT count(*) FROM images").fetchall()

    def threads():
        return len(os.listdir("/proc/self/task"))

    with catalog._instance() as instance:
        pass
    idle = threads()
    assert counted() == [(5,)] and catalog._IDLE[-1] is instance and threads() == idle
    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(20)  # it would wait for threads that are not there
        os._exit(0 if counted() == [(5,)] else 1)
    assert os.waitpid(child, 0) == (child, 0)
    with catalog._instance() as inside, catalog._instance() as another:
        assert inside is instance and another is not instance
        assert threads() > idle
