"""What an audit says of the folders that its images lie in, and of images that stand on both sides: check, run and report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pillow

import ganaudit
from ganaudit import report
from ganaudit import spec as specs
from ganaudit.auditing.check import check
from ganaudit.auditing.run import report_data
from ganaudit.records import catalog
from ganaudit.records.store import Store

HERE = Path(__file__).parents[1]


def photos(folder: Path, count: int, first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        pillow.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def spec(store, real, generated, **parts):
    return specs.parse({
        "name": "n", "folder": str(HERE), "store": str(store), "parser": {"kind": "tiny_models:Brightness"},
        "real": {"name": "photos", "kind": "folder", "path": str(real)}, "decide": {"permutations": 0},
        "generators": [{"name": "ours", "kind": "folder", "path": str(generated)}], **parts,
    })  # fmt: skip


def test_two_plain_folders_have_nothing_to_be_told(tmp_path):
    asked = spec(tmp_path / "s", photos(tmp_path / "a", 12), photos(tmp_path / "b", 12, 100))
    assert not any("bfloat16" not in note for note in check(asked).notes) and ganaudit.audit(asked).notes == ()


def test_what_was_left_out_is_said_by_check_by_the_run_and_by_the_report_however_late(tmp_path):
    real = photos(tmp_path / "a", 12)
    (real / "x.heic").write_bytes(b"x")
    photos(real / "@eaDir", 3)
    photos(real / "masks", 2, 200)
    asked = spec(tmp_path / "s", real, photos(tmp_path / "b", 12, 100))
    found = ganaudit.audit(asked)
    for notes in (check(asked).notes, found.notes, report_data(Store(found.store), found.run).notes):
        told = " ".join(notes)
        assert "'photos': 14 images were taken (14 .png), left out were 1 .heic" in told and "'@eaDir'" in told
        assert "2 of its images" in told and "masks/200.png" in told and told.count("@eaDir") == 1 and "'ours'" not in told
    (real / "x.heic").unlink()
    page = report.render(report_data(Store(found.store), found.run))
    assert "@eaDir" in page and ".heic" in page


def test_a_note_of_many_lines_or_markup_stays_text(tmp_path):
    real = photos(tmp_path / "a", 12)
    (real / "<b>\n.<i>x").write_bytes(b"x")
    photos(real / "masks <i>x\n", 1, 200)
    found = ganaudit.audit(spec(tmp_path / "s", real, photos(tmp_path / "b", 12, 100)))
    assert all(note.isprintable() for note in found.notes) and "masks <i>x\\\\n" in found.notes[1]
    assert "<i>x" not in found.report.read_text(encoding="utf-8")


@pytest.mark.parametrize("shared", [12, 3])
def test_images_on_both_sides_are_told(tmp_path, shared):
    real, generated = photos(tmp_path / "a", 12), photos(tmp_path / "b", 12 - shared, 100)
    photos(generated, shared)
    found = ganaudit.audit(spec(tmp_path / "s", real, generated))
    number = "All 12" if shared == 12 else "3 of the 12"
    assert [note for note in found.notes if f"{number} images of 'ours' are also among the real images 'photos'" in note]
    assert f"{number} images of" in found.report.read_text(encoding="utf-8")


def test_a_slice_by_the_folder_that_images_lie_in_holds_images(tmp_path):
    for side, first in (("a", 0), ("b", 100)):
        photos(tmp_path / side / "dusk", 10, first)
        photos(tmp_path / side, 10, first + 50)
    asked = spec(tmp_path / "s", tmp_path / "a", tmp_path / "b", slices={"dusk": "label = 'dusk'"})
    found = ganaudit.audit(asked)
    rows = found.table("dropped_in_slices")
    assert set(rows["slice"]) == {"dusk"}
    with catalog.of_run(Store(found.store), found.run) as connection:
        statement = "SELECT role, label, count(*) FROM run_images(?) GROUP BY ALL ORDER BY ALL"
        assert connection.execute(statement, [found.run]).fetchall() == [
            ("generated", "dusk", 10), ("generated", None, 10), ("real", "dusk", 10), ("real", None, 10),
        ]  # fmt: skip


def test_one_size_is_suggested_for_the_label_maps_of_both_sides(tmp_path):
    for side, size in (("a", (6, 9)), ("b", (4, 5))):
        for number in range(4):
            photos(tmp_path / side, 1, number)
            labels = np.random.default_rng(number).integers(1, 3, size).astype(np.uint8)
            pillow.fromarray(labels).save(tmp_path / side / f"{number}.labels.png")
    parts = {"name": "n", "store": str(tmp_path / "s"), "parser": {"kind": "masks", "classes": ["a", "b"]}}
    sides = [{"name": f"side {name}", "kind": "masks", "path": str(tmp_path / name)} for name in "ab"]
    with pytest.raises(ganaudit.RequestError, match=r"`size: \[4, 5\]` in 'side a' and 'side b'"):
        ganaudit.audit(specs.parse({**parts, "real": sides[0], "generators": [sides[1]]}))
    sized = [{**side, "size": [4, 5]} for side in sides]
    assert ganaudit.audit(specs.parse({**parts, "real": sized[0], "generators": [sized[1]]})).status == "done"


OWN = '''
import numpy as np
from ganaudit import Image

class Own:
    def __init__(self, fault): self.fault = fault
    def __len__(self): return 30
    def recipe(self): return {"own": 1, "fault": self.fault}
    def image(self, index):
        pixels = np.full((8, 8, 3), index * 8, np.uint8)
        if index % 3 != 1:
            return Image(pixels, f"n{index}")
        return {"none": lambda: None, "name": lambda: Image(pixels, index), "surrogate": lambda: Image(pixels, "\\udce9"),
                "nul": lambda: Image(pixels, "a\\0b"), "empty": lambda: Image(pixels[:0], "x"),
                "float": lambda: Image(pixels / 255.0, "x"), "index": lambda: [][index], "disk": lambda: open("/no/such/file"),
                "exit": lambda: exit(0), "label": lambda: Image(pixels, "x", label=3)}[self.fault]()
'''


@pytest.mark.parametrize(("fault", "lost"), [
    ("none", 10), ("name", 10), ("surrogate", 0), ("nul", 0), ("empty", 10), ("float", 10), ("index", 10), ("disk", 10),
    ("exit", 10), ("label", 10),
])  # fmt: skip
def test_an_own_collection_with_faults_is_audited_and_every_image_is_a_row(tmp_path, fault, lost):
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "models.py").write_text((HERE / "tiny_models.py").read_text())
    asked = specs.parse({
        "name": "n", "folder": str(tmp_path), "store": "s", "parser": {"kind": "models:Brightness"},
        "real": {"name": "real", "kind": "own:Own", "options": {"fault": fault}}, "decide": {"permutations": 0},
        "generators": [{"name": "g", "kind": "models:Noise"}], "sample": {"count": 40},
    })  # fmt: skip
    found = ganaudit.audit(asked)
    assert (found.exit_code, found.quarantined) == (3 if lost else 0, lost)
    with catalog.of_run(Store(found.store), found.run) as connection:
        statement = "SELECT count(*), count(error), bool_and(error LIKE '%image%') FROM run_images(?) WHERE role = 'real'"
        assert connection.execute(statement, [found.run]).fetchone()[:2] == (30, lost)
