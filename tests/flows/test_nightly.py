"""The flow of a schedule: how a night ends, and what its state says."""

from __future__ import annotations

import pytest

from flows.nightly import nightly
from ganaudit.records import catalog


def night(toy, shift=0.0, **parameters):
    """The state of a night with a generator that is so much brighter."""
    generators = [{"name": "even", "kind": "toy:generator", "options": {"shift": shift}}]
    audit = toy(generators=generators, sample={"count": 1024, "batch": 512}, decide={"permutations": 0})
    return nightly(str(audit), return_state=True, **parameters)


def runs(store):
    return catalog.query(store, "SELECT run, status FROM runs ORDER BY started").to_pylist()


def test_a_night_is_failed_on_a_regression_and_on_nothing_else(toy, tmp_path, monkeypatch):
    first = night(toy)
    store = tmp_path / "store"
    accepted = runs(store)[0]["run"]
    assert first.is_completed() and first.message.startswith(f"{accepted}: even ") and "of 3 classes" in first.message
    assert first.message.endswith("report.html")

    assert night(toy, baseline=accepted, fail_on="dropped,farther").is_completed()
    worse = night(toy, -6.0, baseline=accepted, fail_on="dropped,farther")
    assert worse.is_failed() and worse.message.startswith(f"{runs(store)[-1]['run']}: worse than {accepted}: even: ")
    assert "bright dropped (presence)" in worse.message and "even: farther from the real images" in worse.message
    assert night(toy, -6.0, baseline=accepted).is_completed()  # nothing to fail on
    alone = night(toy, -6.0, fail_on="dropped")
    assert alone.is_failed() and "dropped is met: even: " in alone.message

    monkeypatch.chdir(tmp_path)
    assert nightly("audit.yaml", "elsewhere", return_state=True).is_completed()
    assert [row["status"] for row in runs(tmp_path / "elsewhere")] == ["done"]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"fail_on": "droped"}, "did you mean 'dropped'?"),
        ({"fail_on": "farther"}, "fail_on farther needs a baseline"),
        ({"baseline": "nothing"}, "there is no run 'nothing'"),
        ({"audit": "nowhere.yaml"}, "audit file nowhere.yaml does not exist"),
    ],
)
def test_what_is_wrong_with_a_night_is_its_message_before_anything_runs(toy, tmp_path, parameters, said):
    state = nightly(**{"audit": str(toy()), **parameters}, return_state=True)
    assert state.is_failed() and said in state.message and "\n" not in state.message
    assert not (tmp_path / "store/records/v1/images").exists()
