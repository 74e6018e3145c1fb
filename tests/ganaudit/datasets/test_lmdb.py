"""Images in an LMDB, also while another process writes to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from stored_files import (
    FILES,
    as_lmdb,
    opened,
)

from ganaudit.datasets import lmdb as lmdb_kind
from ganaudit.datasets.packed import Gone
from ganaudit.errors import ImageError, RequestError

WRITER = """
import lmdb, sys
with lmdb.open(sys.argv[1], map_size=2**20) as environment, environment.begin(write=True) as transaction:
    transaction.put(b"new.png", b"x")
"""


def write_elsewhere(path: Path) -> None:
    """Another process writes: one process opens a database once."""
    subprocess.run([sys.executable, "-c", WRITER, str(path)], check=True)


def test_an_lmdb_that_changes_after_it_was_listed(tmp_path):
    kind, path = as_lmdb(FILES, tmp_path)
    dataset = opened(kind, path)
    write_elsewhere(path)
    with pytest.raises(ImageError, match=r"data\.mdb, which changed"):
        dataset.image(0)
    assert len(opened(kind, path)) == len(FILES) + 1


def test_an_lmdb_that_is_written_to_meanwhile_is_refused(tmp_path):
    _, path = as_lmdb(FILES, tmp_path)
    members = lmdb_kind.scan(path / "data.mdb", 0, Gone())
    next(members)
    write_elsewhere(path)
    with pytest.raises(RequestError, match=r"data\.mdb was written to while it was read"):
        next(members)


def test_without_the_package_lmdb_one_sentence_says_so(tmp_path, monkeypatch):
    kind, path = as_lmdb(FILES, tmp_path)
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(RequestError, match=r"pip install 'ganaudit\[lmdb\]'"):
        opened(kind, path)


def test_keys_that_are_no_images(tmp_path):
    kind, path = as_lmdb({**FILES, "length": b"6"}, tmp_path)
    assert len(opened(kind, path)) == len(FILES)
