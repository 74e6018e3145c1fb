"""An audit with an `invert:` section as a flow: the library's records, retries, a wrong layer."""

from __future__ import annotations

import pytest

from flows.audit import run as run_flow
from ganaudit import devices, report
from ganaudit.auditing.run import audit as without_prefect
from ganaudit.errors import AuditError
from ganaudit.spec import load
from ganaudit.studies.inversion.searching import SearchShard
from ganaudit.studies.inversion.study import STUDY
from tasks.work import work

FINDINGS = ("inversion_summary", "photo_verdicts", "omissions", "generalisation")


@pytest.fixture(autouse=True)
def lower_precision(monkeypatch):
    """Searches compute in bfloat16 whatever machine this is."""
    monkeypatch.setattr(devices, "has_bfloat16", lambda _: True)


def test_the_flow_inverts_as_the_library_does_and_a_fault_that_passes_is_tried_again(
    inverting, inverted, tmp_path, monkeypatch
):
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
    made = inverted(result.store)
    assert made == inverted(expected.store) and all(made.values())
    for name in FINDINGS:
        table = result.findings[name].drop_columns("run")
        assert table.num_rows and table == expected.findings[name].drop_columns("run")


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
