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
from ganaudit.auditing.report_data import report_data
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


def test_what_was_left_out_is_said_by_check_by_the_run_and_by_the_report_however_late(tmp_path, drawn):
    real = photos(tmp_path / "a", 12)
    (real / "x.heic").write_bytes(b"x")
    photos(real / "@eaDir", 3)
    photos(real / "masks <i>\n", 2, 200)
    asked = spec(tmp_path / "s", real, photos(tmp_path / "b", 12, 100))
    result = ganaudit.audit(asked)
    for notes in (check(asked).notes, result.notes, report_data(Store(result.store), result.run).notes):
        told = " ".join(notes)
        assert "'photos': 14 images were taken (14 .png), left out were 1 .heic" in told and "'@eaDir'" in told
        assert "2 of its images" in told and "masks <i>\\\\n/200.png" in told and told.isprintable()
        assert told.count("@eaDir") == 1 and "'ours'" not in told
    (real / "x.heic").unlink()
    page = report.render(report_data(Store(result.store), result.run))
    assert "@eaDir" in page and ".heic" in page and "<i>" not in page


def test_permutations_that_are_too_few_are_told_by_check_by_the_run_and_by_the_report(tmp_path, drawn):
    asked = spec(tmp_path / "s", photos(tmp_path / "a", 40), photos(tmp_path / "b", 40, 100), decide={"permutations": 9})
    result = ganaudit.audit(asked)
    assert result.table("fsd")["q_value"].notna().all()
    for notes in (check(asked).notes, result.notes, report_data(Store(result.store), result.run).notes):
        assert sum(note.startswith("9 permutations cannot tell any of one generator") for note in notes) == 1
        assert "`decide: {permutations: 19}` would do." in " ".join(notes)
    assert "not settled (9 permutations can say no less than p = 0.1; 19 would do)" in result.report.read_text()


def test_images_on_both_sides_are_told(tmp_path, drawn):
    real, generated = photos(tmp_path / "a", 12), photos(tmp_path / "b", 9, 100)
    photos(generated, 3)
    result = ganaudit.audit(spec(tmp_path / "s", real, generated))
    assert [note for note in result.notes if "3 of the 12 images of 'ours' are also among the real images 'photos'" in note]
    assert "3 of the 12 images of" in result.report.read_text(encoding="utf-8")


def test_a_slice_by_the_folder_that_images_lie_in_holds_images(tmp_path):
    for side, first in (("a", 0), ("b", 100)):
        photos(tmp_path / side / "dusk", 10, first)
        photos(tmp_path / side, 10, first + 50)
    asked = spec(tmp_path / "s", tmp_path / "a", tmp_path / "b", slices={"dusk": "label = 'dusk'"})
    result = ganaudit.audit(asked)
    rows = result.table("dropped_in_slices")
    assert set(rows["slice"]) == {"dusk"}
    with catalog.of_run(Store(result.store), result.run) as connection:
        statement = "SELECT role, label, count(*) FROM run_images(?) GROUP BY ALL ORDER BY ALL"
        assert connection.execute(statement, [result.run]).fetchall() == [
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


OWN = """
import numpy as np
from ganaudit import Image

GOOD = np.full((8, 8, 3), 9, np.uint8)
FAULTS = [
    lambda: None, lambda: Image(GOOD, 7), lambda: Image(GOOD[:0], "x"), lambda: Image(GOOD / 255.0, "x"), lambda: [][7],
    lambda: open("/no/such/file"), lambda: exit(0), lambda: Image(GOOD, "x", label=3), lambda: Image(GOOD[..., 0], "x"),
    lambda: Image(GOOD, "\\udce9"), lambda: Image(GOOD, "a\\0b"), lambda: Image(GOOD, "a\\nb" * 10**6),
]

class Own:
    def __len__(self): return 30
    def recipe(self): return {"own": 1}
    def image(self, index):
        return FAULTS[index - 10]() if 10 <= index < 22 else Image(GOOD + index, f"n{index}")
"""


def test_an_own_collection_with_faults_is_audited_and_every_image_is_a_row(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "models.py").write_text((HERE / "tiny_models.py").read_text())
    asked = specs.parse({
        "name": "n", "folder": str(tmp_path), "store": "s", "parser": {"kind": "models:Brightness"},
        "real": {"name": "real", "kind": "own:Own"}, "decide": {"permutations": 0},
        "generators": [{"name": "g", "kind": "models:Noise"}], "sample": {"count": 40},
    })  # fmt: skip
    result = ganaudit.audit(asked)
    assert (result.exit_code, result.quarantined) == (3, 9)
    with catalog.of_run(Store(result.store), result.run) as connection:
        statement = "SELECT image, name, error FROM run_images(?) WHERE role = 'real' ORDER BY image"
        rows = connection.execute(statement, [result.run]).fetchall()
    assert [image for image, _, _ in rows] == list(range(30))
    assert [image for image, _, error in rows if error is not None] == list(range(10, 19))
    assert all(f"image {image}" in error for image, _, error in rows if error is not None)
    assert [name for _, name, _ in rows][18:21] == ["image 18", "\\udce9", "a\\x00b"] and len(rows[21][1]) <= 1000


UNIT = """
from models import Noise

class Unit(Noise):
    def run(self, state, after=None, upto=None):
        state = super().run(state)
        return {**state, "image": (state["image"] + 1.0) / 2.0}
"""


def test_images_in_0_to_1_are_noted_by_check_and_run_alike_and_an_unknown_finding_gets_the_nearest(tmp_path):
    (tmp_path / "own.py").write_text(UNIT)
    (tmp_path / "models.py").write_text((HERE / "tiny_models.py").read_text())
    asked = specs.parse({
        "name": "n", "folder": str(tmp_path), "store": "s", "parser": {"kind": "models:Brightness"},
        "real": {"name": "real", "kind": "models:Ramp", "options": {"images": 20}}, "decide": {"permutations": 0},
        "generators": [{"name": name, "kind": "own:Unit", "options": {"light": light}} for name,
            light in (("a", 0.0), ("b", 0.1))],
        "sample": {"count": 40},
    })  # fmt: skip
    result = ganaudit.audit(asked)
    for notes in (check(asked).notes, result.notes):
        said = [note for note in notes if "look like [0, 1]" in note]
        assert [note[:3] for note in said] == ["'a'", "'b'"]
    with pytest.raises(ganaudit.RequestError, match=r"no finding 'fds'.*fsd"):
        result.table("fds")
