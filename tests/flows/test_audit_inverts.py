"""An audit with an `invert:` section as a flow: the library's records, a task for each generator, retries, a wrong layer."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
import tasks.invert
import torch
from safetensors.torch import save_file

from flows.audit import run as run_flow
from ganaudit import report
from ganaudit.auditing.run import audit as without_prefect
from ganaudit.errors import AuditError
from ganaudit.generators.networks.progan import progan
from ganaudit.spec import load

TABLES = ("inversions", "inversion_curves", "inversion_confusion", "inversion_classes", "inversion_latents")
FINDINGS = ("inversion_summary", "photo_verdicts", "omissions", "generalisation")


@pytest.fixture
def inverting(toy, tmp_path):
    """`inverting(steps=2, …)` writes an audit that inverts in two tiny generators; a third is images alone."""
    generators = [{"name": "even", "kind": "toy:generator"}]
    for seed, name in enumerate(("first", "second")):
        torch.manual_seed(seed)
        save_file(progan(4, 4, ((3,),)).state_dict(), tmp_path / f"{name}.safetensors", {"kind": "progan"})
        generators.append({"name": name, "kind": "progan", "weights": f"{name}.safetensors"})

    def write(**changes):
        asked = {"images": 6, "own": 8, "masked": 2, "methods": ["latent"], "steps": 2, "perceptual": "none", "batch": 16}
        return toy(
            generators=generators, sample={"count": 24, "batch": 8}, decide={"permutations": 0}, invert=asked | changes,
            real={"name": "photos", "kind": "toy:photos", "options": {"images": 40}, "heldout": 16},
        )  # fmt: skip

    return write


def records(store):
    """Every record of inversions, but for the time that it took, by table."""
    found = {}
    for name in TABLES:
        rows = [
            row for path in sorted((store / "records/v1" / name).rglob("*.parquet")) for row in pq.read_table(path).to_pylist()
        ]
        found[name] = [{key: value for key, value in row.items() if key != "seconds"} for row in rows]
    return found


def test_the_flow_inverts_as_the_library_does_and_a_fault_that_passes_is_tried_again(inverting, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "render", lambda _: "")  # of no concern here
    audit = inverting()
    expected = without_prefect(load(audit, tmp_path / "expected"))
    real, tried, seen = tasks.invert.make_inversions, [], []

    def faulty(todo):
        tried.append(todo.name)
        if tried.count("first") == 1 and todo.name == "first":
            raise OSError("the disk is away")
        return real(todo)

    monkeypatch.setattr(tasks.invert, "make_inversions", faulty)
    monkeypatch.setattr(tasks.invert.invert, "retry_delay_seconds", 0)
    found = run_flow(audit, watch=lambda so_far: seen.append(tuple(so_far.inverting)))
    assert sorted(tried) == ["even", "first", "first", "second"] and found.status == "done"
    assert seen[-1] == () and ("even", "first", "second") in seen
    assert found.notes == expected.notes and "'even' is not inverted" in " ".join(found.notes)
    inverted = records(found.store)
    assert inverted == records(expected.store) and all(inverted.values())
    for name in FINDINGS:
        table = found.findings[name].drop_columns("run")
        assert table.num_rows and table == expected.findings[name].drop_columns("run")


def test_a_layer_that_does_not_exist_is_told_before_an_image_is_parsed(inverting, cli, tmp_path):
    said = cli("run", inverting(layer="layer7"))
    assert (said.code, said.out) == (2, "")
    told = "invert.layer: 'first': layer 'layer7' does not exist; this generator has layer1, layer2"
    assert told in " ".join(said.err.split())
    assert not list((tmp_path / "store").rglob("*.parquet"))


def test_a_fault_of_the_audit_is_not_tried_again(inverting, monkeypatch):
    tried = []

    def broken(todo):
        tried.append(todo.name)
        raise AuditError("no own sample could be inverted")

    monkeypatch.setattr(tasks.invert, "make_inversions", broken)
    with pytest.raises(AuditError, match="no own sample could be inverted"):
        run_flow(inverting())
    assert tried and len(tried) == len(set(tried))
