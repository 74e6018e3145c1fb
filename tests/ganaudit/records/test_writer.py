"""A Parquet file exists whole or not at all, whoever writes it and whatever goes wrong."""

import errno
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ganaudit.errors import AuditError, RequestError
from ganaudit.records import writer
from ganaudit.records.tables import CLASSES

FOOTER = {"recipe": "abc", "code": "1.0", "device": "cpu", "torch": "2", "batch": "64"}


def rows(name: str = "sky", n: int = 3) -> pa.Table:
    return CLASSES.from_rows({"parser_key": "p0", "class_id": n - i, "name": name, "head": "object"} for i in range(n))


def write(folder: Path, table: pa.Table, replace: bool = False) -> bool:
    return writer.write(table, CLASSES, folder / "t/key=p0/classes.parquet", folder / "tmp", FOOTER, replace=replace)


def read(folder: Path) -> pa.Table:
    return pq.ParquetFile(folder / "t/key=p0/classes.parquet").read()


def temporary(folder: Path) -> list[Path]:
    return list((folder / "tmp").iterdir())


def test_rows_are_sorted_compressed_and_signed(tmp_path):
    assert write(tmp_path, rows().take([2, 0, 1]))
    file = pq.ParquetFile(tmp_path / "t/key=p0/classes.parquet")
    assert file.read()["class_id"].to_pylist() == [1, 2, 3]
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    footer = {key.decode(): value.decode() for key, value in file.schema_arrow.metadata.items()}
    assert footer == {f"ganaudit.{key}": value for key, value in FOOTER.items()} | {"ganaudit.schema_version": "1"}
    assert temporary(tmp_path) == []


def test_the_first_writer_wins_and_the_second_is_no_error(tmp_path):
    assert write(tmp_path, rows("first"))
    assert not write(tmp_path, rows("second"))
    assert read(tmp_path)["name"].to_pylist() == ["first"] * 3
    assert temporary(tmp_path) == []


def test_replace_puts_the_new_file_in_place_of_the_old(tmp_path):
    write(tmp_path, rows("first"))
    assert write(tmp_path, rows("second"), replace=True)
    assert read(tmp_path)["name"].to_pylist() == ["second"] * 3


def test_without_links_the_file_is_renamed_and_an_existing_one_still_stands(tmp_path, monkeypatch):
    def no_links(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "link", no_links)
    assert write(tmp_path, rows("first"))
    assert not write(tmp_path, rows("second"))
    assert read(tmp_path)["name"].to_pylist() == ["first"] * 3
    assert temporary(tmp_path) == []


def test_many_threads_write_one_file(tmp_path):
    start = threading.Barrier(8)

    def one(name: str) -> bool:
        start.wait()
        return write(tmp_path, rows(name, 200))

    with ThreadPoolExecutor(8) as pool:
        stands = list(pool.map(one, [f"writer {i}" for i in range(8)]))
    assert stands.count(True) == 1
    assert set(read(tmp_path)["name"].to_pylist()) == {f"writer {stands.index(True)}"}
    assert temporary(tmp_path) == []


WRITING = """
import sys
from pathlib import Path
from ganaudit.records import writer
from ganaudit.records.tables import CLASSES
rows = CLASSES.from_rows({"parser_key": "p1", "class_id": i, "name": str(i), "head": "object"} for i in range(3))
for i in range(20):
    writer.write(rows, CLASSES, Path(sys.argv[1]) / f"t/classes-{i}.parquet", Path(sys.argv[1]) / "tmp", {})
"""


def test_two_processes_write_the_same_files(tmp_path):
    processes = [subprocess.Popen([sys.executable, "-c", WRITING, str(tmp_path)]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(list((tmp_path / "t").iterdir())) == 20
    assert all(pq.read_table(path).num_rows == 3 for path in (tmp_path / "t").iterdir())
    assert temporary(tmp_path) == []


@pytest.mark.parametrize(
    ("code", "error", "sentence"),
    [
        (errno.ENOSPC, AuditError, "the disk is full: .*classes.parquet.*free some space and run the audit again"),
        (errno.EDQUOT, AuditError, "the disk is full"),
        (errno.EROFS, RequestError, "cannot be written to: .* choose another folder with --store"),
        (errno.EACCES, RequestError, "cannot be written to"),
        (errno.EIO, AuditError, "could not be written: Input/output error"),
    ],
)
@pytest.mark.parametrize("call", ["fsync", "link"])
def test_what_goes_wrong_is_a_sentence_and_leaves_nothing(tmp_path, monkeypatch, code, error, sentence, call):
    def fails(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, fails)
    with pytest.raises(error, match=sentence):
        write(tmp_path, rows())
    assert temporary(tmp_path) == []
    assert not (tmp_path / "t/key=p0/classes.parquet").exists()


def test_a_file_where_a_folder_belongs(tmp_path):
    (tmp_path / "t").write_text("not a folder")
    with pytest.raises(RequestError, match="a file is in the way"):
        write(tmp_path, rows())


def test_an_unfinished_file_is_never_where_a_query_would_find_it(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.extend(path for path in tmp_path.rglob("*") if path.is_file()))
    write(tmp_path, rows())
    assert seen and seen[0].parent == tmp_path / "tmp" and seen[0].suffix != ".parquet"
