"""Benches that are run by hand still run: every one is imported, and those that make records make a few."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pyarrow.parquet as pq
import pytest
from torch import nn

import benchmarks
from benchmarks import decoding, findings, near_duplicates, real_sizes, store
from ganaudit.maintenance.verify import verify
from ganaudit.records.store import Store
from ganaudit.records.tables import IMAGES

ROOMS = [each.name for each in pkgutil.walk_packages(benchmarks.__path__, "benchmarks.") if not each.name.endswith("__main__")]


@pytest.mark.parametrize("name", ROOMS)
def test_every_bench_can_be_imported(name):
    assert importlib.import_module(name).__doc__


def images_in(made: Store) -> int:
    return sum(pq.read_metadata(path).num_rows for path in made.files(IMAGES.name))


def test_decoding_in_this_process(capsys):
    decoding.main(["--images", "4", "--side", "32", "--readers", "0"])
    first, memory, decoded = capsys.readouterr().out.splitlines()
    assert first.startswith("4 photos of 32 pixels") and memory.startswith("in memory: ")
    assert re.match(r"0 readers: [\d,]+ images a second, \d+% of memory's by the clock", decoded)


class OneLayer(nn.Conv2d):
    """Instead of torchvision's network."""

    def __init__(self) -> None:
        super().__init__(3, real_sizes.CLASSES, 1)


def test_a_block_of_a_real_size_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(real_sizes, "Logits", OneLayer)
    case = real_sizes.Case("dcgan", 64, 2)
    real_sizes.ours(tmp_path, case, 32)()
    assert images_in(Store(tmp_path / case.name)) == 2


def test_a_store_before_and_after_compact(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(store, "best", lambda work: f"{work() is None}")
    monkeypatch.setattr(store, "BLOCK", 64)
    monkeypatch.setattr(store, "QUERIES", dict(list(store.QUERIES.items())[:1]))
    store.million(tmp_path / "store", 128)
    said = capsys.readouterr().out
    assert "answers are the same: True" in said and said.count("problems: []") == 2


def test_a_store_of_many_findings(tmp_path):
    made = findings.fill(tmp_path, 40, 8, 6)
    wrong = {each.kind for each in verify(made, deep=True).problems}
    assert images_in(made) == 80 and wrong == {"missing"}  # what a source is, and findings


def test_what_hashes_cost_and_which_images_they_find(monkeypatch, capsys):
    monkeypatch.setattr(near_duplicates, "_best", lambda work: work() is None or 1.0)
    monkeypatch.setattr(near_duplicates, "BATCH", 2)
    monkeypatch.setattr(near_duplicates, "ALTERED", 2)
    monkeypatch.setattr(near_duplicates, "APART", 8)
    for part in ("cost", "altered", "chance"):
        near_duplicates.PARTS[part]()
    assert len(capsys.readouterr().out.splitlines()) == 2 + 1 + len(near_duplicates.ALTERATIONS) + 3
