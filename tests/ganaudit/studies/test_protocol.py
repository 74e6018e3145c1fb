"""A further study is a folder of its own and its name in STUDIES: from driving it to its report and pruning."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from report_tables import build

from flows.terminal import findings_text
from ganaudit.auditing.run import Audit
from ganaudit.report import render
from ganaudit.studies import STUDIES, protocol

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
from ganaudit.studies.protocol import Checked, Stage, UsedKey
from ganaudit.studies.largest.section.section import LargestSection
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
    section = LargestSection()
    def asked(self, spec): return True
    def roles(self, spec, opened): return ()
    def validate(self, spec, parser, opened): pass
    def check(self, plan, store, detect): return Checked(["the largest areas cost nothing"])
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
SECTION = """
from matplotlib.figure import Figure
from ganaudit.report.data import rows
from ganaudit.report.drawing import DrawnFigure
from ganaudit.studies.section import Part, Parts, Section, Table, Text, View

class LargestSection(Section):
    columns = ("largest",)
    def notes(self, store, run, spec, findings): return [f"{spec.name}: areas are in pixels."]
    def kept(self, store, run, findings): return "what was kept"
    def view(self, data):
        means = {row["generator"]: row["pixels"] for row in rows(data.findings, "largest_area")}
        def parts(encoded, shown):
            values = {"means": means, "kept": data.kept["largest"]}
            return Parts({name: Part("top.html.j2", {"mean": mean}) for name, mean in means.items()},
                         [Part("areas.html.j2", values)], [Part("more.html.j2", {})])
        return View(taken=100, parts=parts)
    def generator_figures(self, data, generator): yield f"largest-{generator}", DrawnFigure(Figure(), "nothing")
    def figures(self, data): yield "largest", DrawnFigure(Figure(), "nothing")
    def headline(self, findings, generator): return "has a largest class"
    def cells(self, findings, generator): return [str(rows(findings, "largest_area", generator)[0]["pixels"])]
    def table(self, findings): return [{"generator": "gan", "largest": "in full"}]
    def summary(self, findings): yield [Text("largest areas:"), Table(rows(findings, "largest_area"), "none")]
    def details(self, findings): yield [Table([], "no further areas")]
"""
TEMPLATES = {
    "top": '<p class="largest">{{ mean|number }}</p>',
    "areas": '{% import "pieces.html.j2" as piece with context %}<section id="areas">{{ piece.word("largest") }} {{ kept }}'
    "{% for name, mean in means.items() %} of {{ name }}{% endfor %}</section>",
    "more": '<section id="more">of {{ data.audit }}</section>',
}
SCRIPT = """
import json, sys
from types import SimpleNamespace
sys.modules["prefect"] = None
import ganaudit.studies
ganaudit.studies.STUDIES += ("largest",)
ganaudit.studies.__path__.append(sys.argv[1])
import ganaudit
sys.modules["prefect.artifacts"] = SimpleNamespace(create_link_artifact=None, create_table_artifact=None)
from flows.artifacts import findings_table
from flows.terminal import findings_text
from ganaudit.auditing.check import check
from ganaudit.auditing.report_data import report_data
from ganaudit.maintenance.compact import compact
from ganaudit.maintenance.prune import prune
from ganaudit.maintenance.verify import verify
from ganaudit.records import catalog
from ganaudit.report import figures
spec = ganaudit.parse(json.loads(sys.argv[2]))
said = check(spec).notes
first, again = ganaudit.audit(spec), ganaudit.audit(spec)
store = ganaudit.Store(first.store)
shown = {
    "page": first.report.read_text(), "terminal": findings_text(first), "table": findings_table(first), "repr": repr(first),
    "notebook": first._repr_html_(),
    "figures": [file.stem for file in figures(report_data(store, first.run), first.store / "figures", ["svg"])],
}
compact(store, grace=0.0)
removed = prune(store, runs=[first.run])
rows = catalog.query(store, "SELECT a.*, count(*) AS images FROM largest_area AS a, largest_areas GROUP BY ALL")
print(json.dumps({
    "said": said, "notes": first.notes, "worked": [dict(first.worked), dict(again.worked)], "rows": rows.to_pylist(),
    "sound": verify(store, deep=True).sound, "removed": removed.keys, "shown": shown,
}))
"""


def test_a_study_is_a_folder_and_its_name_and_runs_where_prefect_cannot_be_imported(tmp_path):
    folder = tmp_path / "further" / "largest"
    (folder / "section").mkdir(parents=True)
    files = {"__init__": "", "tables": TABLES, "study": STUDY, "section/__init__": "", "section/section": SECTION}
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    for name, text in TEMPLATES.items():
        (folder / "section" / f"{name}.html.j2").write_text(text)
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
    assert "n: areas are in pixels." in told["notes"]
    _is_shown(told["shown"], row["pixels"])


def _is_shown(shown, pixels):
    """The section stands wherever a person reads of the run, after those of the studies before it."""
    page = shown["page"]
    order = [
        '<p class="largest">',
        'id="generator-1"',
        'id="areas"',
        'id="fsd"',
        'id="parser"',
        '<section id="more">of n</section>',
    ]
    places = [page.index(piece) for piece in order]
    assert places == sorted(places)
    assert "largest</span> what was kept of gan</section>" in page and "n: areas are in pixels." in page
    assert shown["terminal"].index("largest areas:") < shown["terminal"].index("no further areas")
    (row,) = shown["table"]
    assert row["generator"] == "gan" and row["largest"] == "in full" and "FSD" in row
    assert "; has a largest class" in shown["repr"] and "<th>largest</th>" in shown["notebook"]
    assert f"<td>{pixels}</td>" in shown["notebook"]
    stems = shown["figures"]
    assert stems.index("parts-gan") < stems.index("largest-gan") < stems.index("fsd") < stems.index("largest")


def test_a_study_without_a_section_shows_nothing(monkeypatch):
    data = build(generators={"progan": {}}, pictures=0)
    result = Audit("r", "done", Path("store"), Path("report.html"), data.findings, 0)
    before = render(data), findings_text(result), repr(result), result._repr_html_()
    monkeypatch.setattr(protocol, "STUDIES", (*STUDIES, "bare"))
    known = protocol.study
    monkeypatch.setattr(protocol, "study", lambda name: SimpleNamespace() if name == "bare" else known(name))
    assert list(protocol.sections()) == [*STUDIES, "bare"]
    assert (render(data), findings_text(result), repr(result), result._repr_html_()) == before
