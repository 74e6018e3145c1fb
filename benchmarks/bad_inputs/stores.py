"""Stores that are damaged: `run` and `report` name the file in a sentence, and `verify` finds it and exits with 3."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import ganaudit
from benchmarks.bad_input import BadInput, command
from benchmarks.bad_inputs.models import audit_of
from ganaudit.records.store import Store


def damaged(title: str, damage: Callable[[Store], Path], code: int = 1, *contains: str, deep: bool = False) -> BadInput:
    """A store in which a run is done and then a file is damaged: the same audit again."""

    def call(folder: Path) -> tuple[int, str]:
        spec = audit_of(folder, "", decide={"permutations": 0})
        done = ganaudit.audit(spec)
        path = damage(Store(done.store))
        code, said = command("verify", "--store", done.store, *(["--deep"] if deep else []))
        assert code == 3, f"verify exits with {code}: {said}"
        code, said = command("report", done.run, "--store", done.store)
        assert code in (0, 1) and len(said.splitlines()) <= 1, f"report exits with {code}: {said}"
        try:
            ganaudit.audit(spec)
        except ganaudit.GanauditError as error:
            assert path.name in str(error) and "verify" in str(error), error
            raise
        return 0, ""

    return BadInput(f"a store with {title}", call, contains, code, quick=False)


def marker(title: str, content: bytes | None, *contains: str) -> BadInput:
    """A marker of a store that `verify` finds wrong."""

    def call(folder: Path) -> tuple[int, str]:
        store = Store(folder / "s").open_for_writing()
        path = store.path / "ganaudit.json"
        path.unlink() if content is None else path.write_bytes(content)
        return command("verify", "--store", store.path)

    return BadInput(f"a marker that is {title}", call, contains, code=3)


def torn_sources(folder: Path) -> tuple[int, str]:
    """What a run's sources were, torn: `runs` reads them too."""
    done = ganaudit.audit(audit_of(folder, "", decide={"permutations": 0}))
    path = Store(done.store).run_sources(done.run)
    path.write_bytes(path.read_bytes()[:-20])
    return command("runs", "--store", done.store)


def _first(store: Store, table: str) -> Path:
    return sorted(store.files(table))[0]


def _changed(table: str, change: Callable[[bytes], bytes]) -> Callable[[Store], Path]:
    def damage(store: Store) -> Path:
        path = _first(store, table)
        path.write_bytes(change(path.read_bytes()))
        return path

    return damage


def _flipped(table: str, column: str, bit: int = 0) -> Callable[[Store], Path]:
    """One bit of the values of a column."""

    def damage(store: Store) -> Path:
        path = _first(store, table)
        group = pq.ParquetFile(path).metadata.row_group(0)
        chunk = next(group.column(place) for place in range(group.num_columns) if group.column(place).path_in_schema == column)
        data = bytearray(path.read_bytes())
        data[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 1 << bit
        path.write_bytes(data)
        return path

    return damage


def _swapped(store: Store) -> Path:
    one, two = sorted(store.files("class_pixels"))[:2]
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    return one


def _foreign(store: Store) -> Path:
    path = _first(store, "class_pixels")
    pq.write_table(pa.table({"a": [1]}), path)
    return path


CASES = [
    BadInput("runs of a store with torn sources", torn_sources, ("sources.parquet is damaged",), 1, quick=False),
    damaged("a flipped bit in class_pixels", _flipped("class_pixels", "pixels"), deep=True),
    damaged("a flipped bit in images", _flipped("images", "image", 3), deep=True),
    damaged("swapped blocks", _swapped), damaged("a foreign file named like a shard", _foreign),
    damaged("a torn shard", _changed("class_pixels", lambda data: data[:-20])),
    damaged("an empty shard", _changed("images", lambda data: b"")),
    damaged("a shard of text", _changed("class_pixels", lambda data: b"key,image\n")),
    marker("half a mapping", b"{"), marker("empty", b""), marker("binary", bytes(range(256))), marker("a list", b"[1]"),
    marker("of a version in words", b'{"schema_version": "one"}'), marker("without a version", b"{}"),
    marker("deeply nested", b"[" * 100_000),
]  # fmt: skip
