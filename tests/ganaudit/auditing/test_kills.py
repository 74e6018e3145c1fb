"""A run that is killed at random instants and started again: the same rows, nothing twice, no half block seen by a query."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_killed_at_random_instants_and_started_again_the_rows_are_those_of_a_run_left_alone():
    command = [sys.executable, "-m", "benchmarks.kills", "--kills", "3", "--longest", "1.5"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=220)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["kills"] >= 2 and result["kills"] + result["ended before its kill"] == 3
    assert result["last run"] == "done"
    assert result["runs"].pop("interrupted", 0) <= 3  # one that was killed before it began has no row
    assert result["runs"] == {"done": 1 + result["ended before its kill"]}
    assert result["rows"]["images"] > 0 and result["rows"]["inversions"] > 0
    assert result["same rows as a run left alone"] is True
    for name in ("finished shards that went", "wrong answers meanwhile", "problems"):
        assert not result[name], name
