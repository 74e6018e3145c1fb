"""A store looked after from the command line: what each command says, its exit code, and that answers stay the same."""

from __future__ import annotations

import json

import ganaudit
from ganaudit.records import leases
from ganaudit.records.store import Store


def test_a_store_is_verified_compacted_and_pruned(toy, cli, tmp_path):
    audit = ganaudit.load(toy(decide={"permutations": 0}))
    first, second = ganaudit.audit(audit).run, ganaudit.audit(audit).run
    path = tmp_path / "store"
    at = ("--store", path)

    def answers():
        asked = f"SELECT source, class, count(*), sum(percent) FROM run_class_pixels('{second}') GROUP BY ALL ORDER BY ALL"
        return cli("sql", asked, "--format", "csv", *at).out

    def runs():
        return {row["run"] for row in json.loads(cli("runs", "--json", *at).out)}

    before = answers()
    assert before.count("\n") > 4 and cli("verify", *at).out.endswith(": sound\n")
    compacted = json.loads(cli("compact", "--grace", "0", "--json", *at).out)
    assert [result["blocks"] for result in compacted] == [2, 2] and all(result["removed"] >= 4 for result in compacted)
    assert answers() == before and cli("verify", "--deep", *at).code == 0
    assert cli("compact", "--grace", "0", *at).out == "nothing to compact in 2 keys\n"
    (path / "ganaudit.json").rename(path / "elsewhere.json")
    unmarked = cli("verify", *at)
    assert unmarked.code == 3 and "missing: ganaudit.json: " in unmarked.out
    assert "`ganaudit verify` says" in cli("runs", *at).err
    (path / "ganaudit.json").write_text("{")
    assert cli("verify", *at).code == 3 and cli("verify", "--store", tmp_path / "nowhere").code == 2
    (path / "elsewhere.json").replace(path / "ganaudit.json")

    with leases.taken(Store(path), leases.of_run("another")):
        busy = cli("prune", "--run", first, "--yes", *at)
    assert busy.code == 2 and "is in use by the run another; nothing was removed" in busy.err
    assert cli("prune", "--run", first, "--keep", "1", "--yes", *at).code == 2
    assert "there is no run 'nobody'" in cli("prune", "--run", "nobody", "--yes", *at).err
    told = cli("prune", "--run", first, *at)
    assert told.out.startswith(f"run {first}\nWould remove 1 run, 0 keys, ") and "; 1 run stays. With --yes" in told.out
    assert runs() == {first, second}
    done = cli("prune", "--run", first, "--yes", *at)
    assert done.code == 0 and "Removed 1 run, 0 keys, " in done.out
    assert runs() == {second} and answers() == before
    last = cli("prune", "--run", second, *at).out
    assert "Would remove 1 run, 2 keys, " in last and "; 0 runs stay" in last

    torn = next(path.glob("records/v1/class_pixels/key=*/part-*.parquet"))
    torn.write_bytes(torn.read_bytes()[:-20])
    found = cli("verify", *at)
    assert found.code == 3 and found.out.startswith("torn: ") and torn.name in found.out
    assert found.out.endswith(": not sound\n")
