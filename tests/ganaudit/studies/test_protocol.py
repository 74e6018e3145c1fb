"""A further study is a folder of its own and its name in STUDIES: driven, recorded, queried, verified, compacted and pruned."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

TABLES = """
from ganaudit.records.columns import FLOAT, GENERATOR, IMAGE, KEY, OF_KEY, RUN, BYTE8, Column, Shards, Table

LARGEST = Column("pixels", BYTE8, "Pixels of its largest class.")
AREAS = Table("largest_areas", "image", (KEY, IMAGE, LARGEST), ("image",), OF_KEY)
MEANS = Table("largest_area", "generator", (RUN, GENERATOR, Column("pixels", FLOAT, "Mean over its images.")))
RECORDS, FINDINGS, SHARDS = (AREAS,), (MEANS,), (Shards((), AREAS),)
"""
STUDY = """
from dataclasses import dataclass, replace
from typing import ClassVar
from ganaudit.keys import source_key
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASS_PIXELS, RUN_KEYS
from ganaudit.studies.protocol import Stage, UsedKey
from ganaudit.studies.largest.tables import AREAS, MEANS

@dataclass(frozen=True)
class Shard:
    spec: object
    source: str
    source_key: str
    key: str
    first: int
    last: int
    study: ClassVar[str] = "largest"
    group = property(lambda self: self.source)
    images = property(lambda self: self.last - self.first + 1)
    label = property(lambda self: f"largest {self.source} {self.first}")

@dataclass(frozen=True)
class Done:
    images: int
    quarantined: int = 0

class Largest:
    name = "largest"
    stage_names = ("measuring",)
    def asked(self, spec): return True
    def roles(self, spec, opened): return ()
    def validate(self, spec, parser, opened): pass
    def check(self, plan, store): return ["the largest areas cost nothing"]
    def keep(self, plan, store, findings): pass
    def stages(self, plan, store):
        shards, keys = [], []
        for source in (one for one in plan.sources if one.role == "generated"):
            key = source_key({"largest": 1, "of": source.key})
            done = store.finished_blocks(key, AREAS.name)
            shards += [Shard(plan.spec, source.name, source.key, key, *b) for b in source.blocks if b not in done]
            keys.append(UsedKey(AREAS.name, source.name, source.role, key, 0, source.count, {"of": source.key}))
        yield Stage("measuring", shards, keys, ["areas are of the parser's classes"])
    def work(self, shard):
        store = Store(shard.spec.path(shard.spec.store))
        held = store.read_block(CLASS_PIXELS, shard.source_key, (shard.first, shard.last), ["image", "pixels"]).to_pylist()
        rows = [{"key": shard.key, "image": image, "pixels": max(r["pixels"] for r in held if r["image"] == image)}
                for image in range(shard.first, shard.last + 1)]
        tables = {AREAS.name: AREAS.from_rows(rows)}
        store.write_shard(AREAS.name, shard.key, shard.first, shard.last, tables, {"recipe": shard.key})
        return Done(shard.images)
    def findings(self, store, run):
        rows = []
        for used in (one for one in store.of_run(RUN_KEYS, run) if one["study"] == self.name):
            files = store.files_of(AREAS.name, used["key"], mark=AREAS.name)
            pixels = [p for file in files for p in store.read(AREAS, file, ["pixels"])["pixels"].to_pylist()]
            rows.append({"run": run, "generator": used["source"], "pixels": sum(pixels) / len(pixels)})
        found = MEANS.from_rows(rows)
        store.write_finding(run, MEANS.name, found)
        return {MEANS.name: found}

STUDY = Largest()
"""
SCRIPT = """
import json, sys
import ganaudit.studies
ganaudit.studies.STUDIES += ("largest",)
ganaudit.studies.__path__.append(sys.argv[1])
import ganaudit
from ganaudit.auditing.check import check
from ganaudit.maintenance.compact import compact
from ganaudit.maintenance.prune import prune
from ganaudit.maintenance.verify import verify
from ganaudit.records import catalog
spec = ganaudit.parse(json.loads(sys.argv[2]))
said = check(spec).notes
first, again = ganaudit.audit(spec), ganaudit.audit(spec)
store = ganaudit.Store(first.store)
compact(store, grace=0.0)
removed = prune(store, runs=[first.run])
rows = catalog.query(store, "SELECT a.*, count(*) AS images FROM largest_area AS a, largest_areas GROUP BY ALL")
print(json.dumps({
    "said": said, "notes": first.notes, "worked": [dict(first.worked), dict(again.worked)], "rows": rows.to_pylist(),
    "sound": verify(store, deep=True).sound, "removed": removed.keys,
}))
"""


def test_a_study_is_a_folder_and_its_name(tmp_path):
    folder = tmp_path / "further" / "largest"
    folder.mkdir(parents=True)
    for name, text in (("__init__", ""), ("tables", TABLES), ("study", STUDY)):
        (folder / f"{name}.py").write_text(text)
    asked = {
        "name": "n", "folder": str(Path(__file__).parents[1]), "store": str(tmp_path / "store"),
        "parser": {"kind": "tiny_models:Brightness"},
        "real": {"name": "real", "kind": "tiny_models:Ramp", "options": {"images": 100}},
        "generators": [{"name": "gan", "kind": "tiny_models:Noise"}], "sample": {"count": 200},
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder.parent), json.dumps(asked)], capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "the largest areas cost nothing" in told["said"] and "areas are of the parser's classes" in told["notes"]
    first, again = told["worked"]
    assert first["measuring"] == 256 and again == {}
    (row,) = told["rows"]
    assert row["generator"] == "gan" and row["pixels"] > 0 and row["images"] == 256
    assert told["sound"] and told["removed"] == []
