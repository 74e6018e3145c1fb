"""What somebody else's inverter made of held-out photos: paired by name, counted by brute force, said without a control."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganaudit import spec as specs
from ganaudit.auditing.run import audit
from ganaudit.datasets.protocol import Image as Picture
from ganaudit.errors import ImageError, RequestError
from ganaudit.maintenance.verify import verify
from ganaudit.records import catalog
from ganaudit.records.store import Store
from ganaudit.studies.inversion.pairing import PROBED, Collection

SIDE, PHOTOS = 8, 30
MISSING, DAMAGED, WIDE, TWICE = "p/3", "p/4", "p/5", "p/6"
"""Photos whose reconstructions cannot be used, each for its own reason."""


def blotted(rng):
    """Middle grey with a dark rectangle that may be small."""
    pixels = np.full((SIDE, SIDE, 3), 128, np.uint8)
    height, width = rng.integers(3, 7, 2)
    pixels[:height, :width] = 20
    return pixels


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photos as JPEG's names but lossless bytes, reconstructions that lose every second dark rectangle."""
    folder, rng = tmp_path_factory.mktemp("reconstructed"), np.random.default_rng(0)
    for number in range(40):
        save(folder / f"real/{number}.png", blotted(rng))
        save(folder / f"samples/{number}.png", blotted(rng))
    for number in range(PHOTOS):
        photo = blotted(rng)
        save(folder / f"held/p/{number}.bmp", photo)
        save(folder / f"e4e/p/{number}.png", photo if number % 2 else np.full_like(photo, 128))
    (folder / f"e4e/{MISSING}.png").unlink()
    (folder / f"e4e/{DAMAGED}.png").write_bytes(b"\x89PNG nothing")
    save(folder / f"e4e/{WIDE}.png", np.zeros((SIDE, 2 * SIDE, 3), np.uint8))
    save(folder / f"e4e/{TWICE}.bmp", np.zeros((SIDE, SIDE, 3), np.uint8))
    return folder


def asked(folder, **invert):
    return specs.parse({
        "name": "n", "folder": str(Path(__file__).parents[2]), "store": str(folder / "store"),
        "parser": {"kind": "tiny_models:Brightness"},
        "real": {"name": "real", "kind": "folder", "path": str(folder / "real")},
        "heldout": {"name": "held", "kind": "folder", "path": str(folder / "held")},
        "generators": [{"name": "samples", "kind": "folder", "path": str(folder / "samples")}],
        "sample": {"batch": 16}, "decide": {"permutations": 0}, "run": {"workers": 1, "device": "cpu"},
        "invert": {
            "images": PHOTOS, "batch": 16, "methods": ["reconstructions"],
            "reconstructions": [
                {"generator": "samples", "images": {"name": "e4e", "kind": "folder", "path": str(folder / "e4e")}}
            ],
        } | invert,
    })  # fmt: skip


@pytest.fixture(scope="module")
def done(folder):
    return audit(asked(folder))


def rows(done, statement):
    return catalog.query(Store(done.store), statement).to_pylist()


def test_recalls_are_those_counted_by_hand_and_photos_without_a_usable_reconstruction_say_why(folder, done):
    errors = dict(catalog_row(done, "SELECT name, error FROM inversions JOIN held USING (image) WHERE status = 'quarantined'"))
    assert errors.keys() == {f"{name}.bmp" for name in (MISSING, DAMAGED, WIDE, TWICE)}
    assert "no reconstruction" in errors[f"{MISSING}.bmp"] and "PNG" in errors[f"{DAMAGED}.bmp"]
    assert "8 x 16" in errors[f"{WIDE}.bmp"] and "several" in errors[f"{TWICE}.bmp"]
    verdicts = {(row["name"], row["class"]): row for row in done.findings["photo_verdicts"].to_pylist()}
    expected = {}
    for number in range(PHOTOS):
        name = f"p/{number}.bmp"
        dark = np.asarray(Image.open(folder / "held" / name))[..., 0] < 100
        recall = None if name in errors else float(number % 2)
        lost = "search inconclusive" if recall is None else "recovered" if recall else "not testable"
        expected[name] = (int(dark.sum()), recall, "not testable" if dark.sum() < 12 else lost)
    found = {name: verdicts[name, "dark"] for name in expected}
    assert {n: (row["target_pixels"], row["recall"], row["verdict"]) for n, row in found.items()} == expected
    assert {row["method"] for row in found.values()} == {"e4e"}


def catalog_row(done, statement):
    named = f"WITH held AS (SELECT image, name FROM run_images('{done.run}') WHERE role = 'heldout') "
    return [tuple(row.values()) for row in rows(done, named + statement)]


def test_denominators_and_what_cannot_be_said_without_a_control(done):
    (summary,) = done.findings["inversion_summary"].to_pylist()
    assert (summary["images"], summary["failed"], summary["layer"]) == (PHOTOS, 4, "unknown")
    dark = next(row for row in done.findings["omissions"].to_pylist() if row["class"] == "dark")
    assert dark["verdict"] == ("made" if dark["images"] >= 20 else "not testable")
    assert (dark["control"], dark["control_images"]) == (None, 0)
    pixels = rows(done, "SELECT sum(pixels)::int AS n FROM inversion_confusion GROUP BY image")
    assert [row["n"] for row in pixels] == [SIDE * SIDE] * (PHOTOS - 4)
    (note,) = [note for note in done.notes if "e4e" in note]
    assert "no control" in note and "1 there is none" in note.replace("of ", "")
    assert not any("is not inverted" in note for note in done.notes)
    page = done.report.read_text(encoding="utf-8")
    assert "somebody else" in page and "<code>e4e</code>" in page


def test_a_second_run_parses_nothing_and_free_numbers_beyond_a_quarter_are_no_evidence(folder, done):
    again = asked(folder)
    assert not +Counter(audit(again).worked)
    freed = again.invert.reconstructions[0].model_copy(update={"free": 49})
    free = again.model_copy(update={"invert": again.invert.model_copy(update={"reconstructions": (freed,)})})
    found = audit(free).findings
    assert {row["verdict"] for row in found["photo_verdicts"].to_pylist()} == {"not testable", "search inconclusive"}
    (layer,) = found["inversion_by_layer"].to_pylist()
    assert layer["ratio"] == pytest.approx(49 / (3 * SIDE * SIDE)) and not layer["evidential"]
    assert verify(Store(done.store), deep=True).sound


def theirs(**changes):
    return {"generator": "samples", "images": {"name": "e4e", "kind": "folder", "path": "e4e"}} | changes


@pytest.mark.parametrize(("invert", "said"), [
    ({"reconstructions": []}, "both, or neither"),
    ({"methods": ["latent"]}, "both, or neither"),
    ({"reconstructions": [theirs(generator="sample")]}, "did you mean 'samples'"),
    ({"reconstructions": [theirs(), theirs()]}, "'e4e'"),
    ({"reconstructions": [theirs(images={"name": "latent", "kind": "folder", "path": "e4e"})]}, "name of their inverter"),
    ({"reconstructions": [theirs(images={"name": "v", "kind": "village"})]}, "cannot be paired"),
])  # fmt: skip
def test_a_wrong_request_is_one_sentence(folder, invert, said):
    with pytest.raises(RequestError) as error:
        audit(asked(folder, **invert))
    assert said in str(error.value)


def test_reconstructions_of_other_names_are_refused_with_one_of_each(folder, tmp_path):
    save(tmp_path / "out/recon-1.png", np.zeros((SIDE, SIDE, 3), np.uint8))
    other = theirs(images={"name": "e4e", "kind": "folder", "path": str(tmp_path / "out")})
    with pytest.raises(RequestError, match=r"(?s)'p/\d+\.bmp'.*'recon-1\.png'"):
        audit(asked(folder, reconstructions=[other]))


def test_where_none_of_the_first_can_be_read_their_size_is_not_known_and_the_photo_says_so():
    class Late(list[str]):
        def name(self, index):
            return f"{self[index]}.png"

        def image(self, index):
            if index < PROBED:
                raise ImageError("it is damaged")
            return Picture(np.zeros((8, 8, 3), np.uint8), self.name(index))

    collection = Collection(Late(map(str, range(PROBED + 1))), "theirs")
    with pytest.raises(ImageError, match=f"none of the first {PROBED} of 'theirs' can be read"):
        collection.pixels(f"{PROBED}.jpg", (8, 8))
