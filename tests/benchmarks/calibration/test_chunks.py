"""Chunks: pure functions of pool, case and number, with keys of what they measure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.calibration import chunks as room
from benchmarks.calibration.cases import OpenedCase
from benchmarks.calibration.chunks import Chunk, case_key, chunks, make_cases, make_chunk, replicates_of
from benchmarks.calibration.pool import BLOCK, PoolSource, make_block, missing_blocks, open_pool
from benchmarks.calibration.scenarios import SCENARIOS, cases_of, check_scenario
from ganaudit.errors import RequestError
from ganaudit.records.tables import CALIBRATIONS

SMALL = PoolSource(scenes=BLOCK)


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name != "village"])
def test_replicates_do_not_hang_on_which_came_before(village, scenario):
    case = replace(cases_of(village, SMALL, scenario)[0], real_images=1_000, generated_images=1_000)
    opened = OpenedCase(case, village, village)
    together = replicates_of(opened, range(3))
    assert together == [row for number in range(3) for row in replicates_of(opened, range(number, number + 1))]
    assert {row["replicate"] for row in together} == {0, 1, 2}
    CALIBRATIONS.from_rows({"key": "k0", "pool": "k0", **row} for row in together)


def test_a_chunk_that_is_made_again_is_the_same_file(store, monkeypatch):
    monkeypatch.setattr(room, "CHUNK", 4)
    source = PoolSource(scenes=64)
    open_pool(store, source)
    for block in missing_blocks(store, source):
        make_block(block)
    case, key = make_cases(store, source, "pairs")[0]
    make_chunk(Chunk(store.path, source, case, key, 1))
    path = store.calibration(key, 1)
    rows = store.read(CALIBRATIONS, path)
    assert set(rows["replicate"].to_pylist()) == {4, 5, 6, 7}
    before = path.stat().st_mtime_ns
    make_chunk(Chunk(store.path, source, case, key, 1))
    assert path.stat().st_mtime_ns == before
    path.unlink()
    make_chunk(Chunk(store.path, source, case, key, 1))
    assert store.read(CALIBRATIONS, path) == rows


def test_the_key_changes_with_pool_case_and_code(village, monkeypatch):
    result, other = cases_of(village, SMALL, "boundary")[:2]
    keys = {case_key(village, village, result), case_key(village, village, other)}
    keys.add(case_key(replace(village, key="k1"), village, result))
    monkeypatch.setattr(room, "code_digest", lambda: "changed")
    keys.add(case_key(village, village, result))
    assert len(keys) == 4


def test_comments_and_docstrings_are_not_code(tmp_path):
    def tree(text):
        path = tmp_path / "code.py"
        path.write_text(text)
        return room._tree(path)

    plain = tree("def f(x):\n    return x + 1\n")
    assert tree('"""Doc."""\ndef f(x):  # why\n    """Doc."""\n\n    return (x + 1)\n') == plain
    assert tree("def f(x):\n    return x + 2\n") != plain


def test_replicates_are_rounded_up_to_chunks():
    assert [chunks(n, "village") for n in (1, room.CHUNK, room.CHUNK + 1)] == [1, 1, 2]
    assert chunks(8 * room.CHUNK, "heavy tails") < chunks(8 * room.CHUNK, "village") == 8


def test_a_scenario_that_does_not_exist_is_refused(village):
    with pytest.raises(RequestError, match="there is no such scenario; there are distance"):
        cases_of(village, SMALL, "ratio")
    (only,) = cases_of(village, SMALL, "boundary: all at increased, 10,000 v 10,000")
    assert (only.scenario, only.label) == ("boundary", "all at increased, 10,000 v 10,000")
    with pytest.raises(RequestError, match="there is no such case; there are zero, 300 v 300; mild"):
        cases_of(village, SMALL, "distance: none")
    for scenario in SCENARIOS:
        for case in cases_of(village, SMALL, scenario):
            check_scenario(f"{scenario}: {case.label}")
    with pytest.raises(RequestError, match="there is no such case; there are"):
        check_scenario("planner: none")  # before half a million scenes are rendered for it
