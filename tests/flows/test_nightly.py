"""The flow of a schedule: how a night ends, and what its state says."""

from __future__ import annotations

import logging

import pytest
from prefect.client.orchestration import get_client
from prefect.engine import handle_engine_signals
from prefect.flow_engine import run_flow
from prefect.logging import get_logger

from flows.nightly import nightly
from ganaudit.records import catalog
from ganaudit.records.store import Store


def night(toy, shift=0.0, **parameters):
    """The state of a night with a generator that is so much brighter."""
    generators = [{"name": "even", "kind": "toy:generator", "options": {"shift": shift}}]
    audit = toy(generators=generators, sample={"count": 1024, "batch": 512}, decide={"permutations": 0})
    return nightly(audit.name, "kept", return_state=True, **parameters)


def test_a_night_is_failed_on_a_regression_and_on_nothing_else(toy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # relative paths start from the working directory
    first = night(toy)
    accepted = catalog.query(Store("kept"), "SELECT run FROM runs").to_pylist()[0]["run"]
    assert first.is_completed() and first.message.startswith(f"{accepted}: even ") and "3 classes" in first.message
    assert first.message.endswith(str(tmp_path / f"kept/findings/v1/run={accepted}/report.html"))

    assert night(toy, baseline=accepted, fail_on="dropped,farther").is_completed()
    worse = night(toy, -6.0, baseline=accepted, fail_on="dropped,farther")
    assert worse.is_failed() and f": worse than {accepted}: even: " in worse.message and "\n" not in worse.message
    assert "bright dropped (presence)" in worse.message and "even: farther from the real images" in worse.message


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"fail_on": "droped"}, "did you mean 'dropped'?"),
        ({"fail_on": "farther"}, "fail_on farther needs a baseline"),
        ({"baseline": "nothing"}, "there is no store"),
        ({"audit": "nowhere.yaml"}, "audit file nowhere.yaml does not exist"),
    ],
)
def test_what_is_wrong_with_a_night_is_its_message_before_anything_runs(toy, tmp_path, parameters, said):
    state = nightly(**{"audit": str(toy()), **parameters}, return_state=True)
    assert state.is_failed() and said in state.message and "\n" not in state.message
    assert not (tmp_path / "store/records/v1/images").exists()


def test_a_wrong_path_is_one_sentence_in_the_state_that_the_server_keeps(toy, tmp_path):
    real = {"name": "photos", "kind": "folder", "path": "moved away"}
    told = nightly(str(toy(real=real)), return_state=True)
    with get_client(sync_client=True) as client:
        kept = client.read_flow_run(told.state_details.flow_run_id).state
    assert kept.is_failed() and "\n" not in kept.message
    assert f"there is no folder {tmp_path / 'moved away'}" in kept.message


class Told(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def test_a_failed_night_of_a_deployment_is_one_sentence_in_its_log(toy, caplog):
    """As the process that Prefect starts for a flow run calls it, and ends: no traceback."""
    told = Told()
    for name in ("engine", "flow_runs"):
        logger = get_logger(name)
        caplog.set_level(logging.INFO, logger.name)
        logger.addHandler(told)
    try:
        with pytest.raises(SystemExit), handle_engine_signals():
            run_flow(nightly, parameters={"audit": "nowhere.yaml"}, error_logger=get_logger("flow_runs"))
    finally:
        for name in ("engine", "flow_runs"):
            get_logger(name).removeHandler(told)
    assert [line for line in told.lines if "audit file nowhere.yaml does not exist" in line]
    assert not any("Traceback" in line for line in told.lines)
