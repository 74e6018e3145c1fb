"""`ganaudit calibrate` from the command line: resumed, repeated, refused."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pyarrow.parquet as pq

import flows.calibrate
from flows.commands import calibrate


def test_a_calibration_is_made_once_and_made_whole(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(calibrate, "QUICK_SCENES", 2_048)
    monkeypatch.setattr(flows.calibrate, "_workers", lambda: 1)  # each is a process that imports everything
    store, out = tmp_path / "store", tmp_path / "docs"
    command = ("calibrate", "--quick", "--only", "pairs", "--store", store)
    first = cli(*command, "--json", "--out", out)
    assert first.code == 0, first.err
    answer = json.loads(first.out)
    assert [pool["name"] for pool in answer["pools"]] == ["village", "heavy tails", "one dominant", "two modes"]
    assert answer["pools"][0]["images"] == 2_048
    assert [row["property"] for row in answer["calibration"]][-1] == "called dropped"
    replicates = {pool["name"]: max(row["replicates"] for row in answer["calibration"] if row["world"] == pool["name"])
                  for pool in answer["pools"]}  # fmt: skip
    assert replicates == {"village": 100, "heavy tails": 50, "one dominant": 50, "two modes": 50}
    assert "ganaudit calibrate --only pairs --quick" in (out / "calibration.md").read_text()
    files = sorted((store / "records/v1/calibrations").rglob("*.parquet"))
    assert len(files) == 10
    lost = pq.read_table(files[0])
    kept = files[1].stat().st_mtime_ns
    files[0].unlink()
    monkeypatch.setattr(flows.calibrate, "processes", ThreadPoolExecutor)
    second = cli(*command)
    assert second.code == 0 and "properties are as wanted" in second.out
    assert pq.read_table(files[0]) == lost and files[1].stat().st_mtime_ns == kept
    rows = cli("sql", "SELECT count(DISTINCT replicate) AS n FROM calibrations", "--store", store, "--json")
    assert json.loads(rows.out) == [{"n": 100}]


def test_wrong_requests_are_told_at_once(cli, tmp_path):
    wrong = cli("calibrate", "--only", "everything", "--store", tmp_path / "store")
    assert wrong.code == 2 and "no such scenario; there are distance, ratios" in wrong.err
    nowhere = cli("calibrate", "--world", "flat", "--store", tmp_path / "store")
    assert nowhere.code == 2 and "village, heavy tails, one dominant, two modes" in nowhere.err
    both = cli("calibrate", "--world", "village", "--run", "r1", "--store", tmp_path / "store")
    assert both.code == 2 and "give one of them" in both.err
    missing = cli("calibrate", "--run", "r1", "--store", tmp_path / "store")
    assert missing.code == 2 and "there is no store" in missing.err
