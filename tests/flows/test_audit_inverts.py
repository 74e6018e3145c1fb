"""An audit with an `invert:` section as a flow: the library's records on threads and Dask, retries, a wrong layer."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
import torch
from distributed import Client
from safetensors.torch import save_file

from flows import dask_runner
from flows.audit import run as run_flow
from ganaudit import devices, report
from ganaudit.auditing.run import audit as without_prefect
from ganaudit.errors import AuditError
from ganaudit.generators.networks.progan import progan
from ganaudit.spec import load
from ganaudit.studies.inversion.searching import SearchShard
from ganaudit.studies.inversion.study import STUDY
from tasks.work import work

TABLES = (
    "inversion_targets", "inversions", "inversion_curves", "inversion_confusion", "inversion_classes",
    "inversion_latents",
)  # fmt: skip
FINDINGS = ("inversion_summary", "photo_verdicts", "omissions", "generalisation")


@pytest.fixture(autouse=True)
def lower_precision(monkeypatch):
    """Searches compute in bfloat16 whatever machine this is."""
    monkeypatch.setattr(devices, "has_bfloat16", lambda _: True)


@pytest.fixture
def inverting(toy, tmp_path):
    """`inverting(steps=2, …)` writes an audit that inverts in two tiny generators; a third is images alone."""
    generators = [{"name": "even", "kind": "toy:generator"}]
    for seed, name in enumerate(("first", "second")):
        torch.manual_seed(seed)
        save_file(progan(4, 4, ((3,),)).state_dict(), tmp_path / f"{name}.safetensors", {"kind": "progan"})
        generators.append({"name": name, "kind": "progan", "weights": f"{name}.safetensors"})

    def write(run=None, **changes):
        asked = {"images": 6, "own": 8, "masked": 2, "methods": ["latent"], "steps": 2, "perceptual": "none", "batch": 4}
        return toy(
            generators=generators, sample={"count": 24, "batch": 8}, decide={"permutations": 0}, invert=asked | changes,
            real={"name": "photos", "kind": "toy:photos", "options": {"images": 60}, "heldout": 30}, run=run or {"workers": 2},
        )  # fmt: skip

    return write


@pytest.fixture(scope="module")
def cluster(server):
    """Two workers of this machine."""
    with dask_runner.local_cluster(2, "cpu") as running, Client(running, set_as_default=False) as client:
        yield client


def records(store):
    """Every record of inversions, but for the time that it took, by table."""
    result = {}
    for name in TABLES:
        paths = sorted((store / "records/v1" / name).rglob("shard-*.parquet"))
        rows = [row for path in paths for row in pq.read_table(path).to_pylist()]
        result[name] = [{key: value for key, value in row.items() if key not in ("seconds", "change")} for row in rows]
    return result


def test_the_flow_inverts_as_the_library_does_and_a_fault_that_passes_is_tried_again(inverting, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "render", lambda _: "")  # of no concern here
    audit = inverting()
    expected = without_prefect(load(audit, tmp_path / "expected"))
    real, tried, seen = STUDY.work, [], []

    def faulty(shard):
        if isinstance(shard, SearchShard):
            tried.append(shard.label)
            if len(tried) == 1:
                raise OSError("the disk is away")
        return real(shard)

    monkeypatch.setattr(STUDY, "work", faulty, raising=False)
    monkeypatch.setattr(work, "retry_delay_seconds", 0)
    result = run_flow(audit, watch=lambda so_far: seen.append((so_far.stage, tuple(so_far.groups))))
    assert len(tried) == len(set(tried)) + 1 and result.status == "done"
    assert {label.split()[0] for label in tried} == {"first", "second"} and len(set(tried)) > 4  # in batches, not generators
    assert ("inverting", ("first", "second")) in seen
    assert result.notes == expected.notes and "'even' is not inverted" in " ".join(result.notes)
    inverted = records(result.store)
    assert inverted == records(expected.store) and all(inverted.values())
    for name in FINDINGS:
        table = result.findings[name].drop_columns("run")
        assert table.num_rows and table == expected.findings[name].drop_columns("run")


def test_on_dask_the_rows_are_those_of_one_thread(inverting, cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "render", lambda _: "")
    audit = inverting(run={"runner": "dask", "address": cluster.scheduler.address, "workers": 2})
    result = run_flow(audit)
    alone = without_prefect(load(inverting(run={"workers": 1}), tmp_path / "alone"))
    assert records(result.store) == records(alone.store) and result.status == "done"
    assert not sum(run_flow(audit).worked.values())


def test_a_layer_that_does_not_exist_is_told_before_an_image_is_parsed(inverting, cli, tmp_path):
    said = cli("run", inverting(layer="layer7"))
    assert (said.code, said.out) == (2, "")
    told = "invert.layer: 'first': layer 'layer7' does not exist; this generator has layer1, layer2"
    assert told in " ".join(said.err.split())
    assert not list((tmp_path / "store").rglob("*.parquet"))


def test_a_fault_of_the_audit_is_not_tried_again(inverting, monkeypatch):
    real, tried = STUDY.work, []

    def broken(shard):
        if not isinstance(shard, SearchShard):
            return real(shard)
        tried.append(shard.label)
        raise AuditError("no photo could be inverted")

    monkeypatch.setattr(STUDY, "work", broken, raising=False)
    with pytest.raises(AuditError, match="no photo could be inverted"):
        run_flow(inverting())
    assert tried and len(tried) == len(set(tried))
