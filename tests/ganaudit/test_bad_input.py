"""Bad input from end to end: nothing is lost, everything is counted, and each error says what would be right."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pillow

import ganaudit
from ganaudit import spec as specs
from ganaudit.auditing import run as audit
from ganaudit.auditing.plan import plan
from ganaudit.errors import AuditError, RequestError
from ganaudit.records import catalog
from ganaudit.records.store import Store
from ganaudit.studies.census import work as blocks
from ganaudit.studies.census.blocks import missing

HERE = Path(__file__).parent
NOISE = {"name": "g", "kind": "tiny_models:Noise"}
RAMP = {"name": "real", "kind": "tiny_models:Ramp", "options": {"images": 20}}


def spec(store, *generators, real=RAMP, **parts):
    return specs.parse({"name": "n", "folder": str(HERE), "store": str(store), "parser": {"kind": "tiny_models:Brightness"},
                        "real": real, "generators": list(generators or [NOISE]), "sample": {"count": 50}, **parts})  # fmt: skip


def encoded(image, kind="PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def mixed_folder(folder: Path) -> set[str]:
    """Images of every odd kind, all of one grey but the turned one; returns the names of those that cannot be read."""
    grey = pillow.new("L", (8, 8), 180)
    turned = np.zeros((8, 8, 3), np.uint8)
    turned[:, 4:] = 255
    exif = pillow.Exif()
    exif[0x0112] = 3  # by half a turn
    files = {
        "good.png": encoded(grey.convert("RGB")), "grey.png": encoded(grey), "palette.png": encoded(grey.convert("P")),
        "deep.png": encoded(pillow.fromarray(np.full((8, 8), 180 * 257, np.uint16))), "rgba.png": encoded(grey.convert("RGBA")),
        "cmyk.jpg": encoded(grey.convert("RGB").convert("CMYK"), "JPEG"), "wide.png": encoded(grey.resize((20_000, 8))),
        "turned.jpg": encoded(pillow.fromarray(turned), "JPEG", quality=100, exif=exif),
        "deeper/ünicode 'x\".png": encoded(grey),
        "empty.png": b"", "text.jpg": b"no image at all", "torn.png": encoded(grey)[:50],
        "torn.jpg": encoded(pillow.fromarray(turned).resize((64, 64)), "JPEG")[:400],
    }  # fmt: skip
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return {"empty.png", "text.jpg", "torn.png", "torn.jpg"}


def test_a_folder_of_odd_images_is_audited_and_those_that_cannot_be_read_are_rows_with_their_reason(tmp_path):
    bad = mixed_folder(tmp_path / "photos")
    result = ganaudit.audit(spec(tmp_path / "s", real={"name": "real", "kind": "folder", "path": str(tmp_path / "photos")}))
    assert (result.status, result.exit_code, result.quarantined) == ("set aside", 3, len(bad))
    assert set(result.table("fsd")["real_images"]) == {13 - len(bad)}
    with catalog.connect(Store(result.store)) as connection:
        listed = connection.execute(
            "SELECT name, status, error FROM run_images(?) WHERE source = 'real'", [result.run]
        ).fetchall()
        counted = connection.execute(
            "SELECT i.name, c.class_id, c.pixels, c.x_max FROM run_images(?) i JOIN class_pixels c USING (key, image) "
            "WHERE i.source = 'real'", [result.run],
        ).fetchall()  # fmt: skip
    rows = {name: (status, error) for name, status, error in listed}
    assert {name for name, (status, _) in rows.items() if status != "ok"} == bad and len(rows) == 13
    assert all(name.split("/")[-1] in error for name, (_, error) in rows.items() if name in bad)
    assert "empty" in rows["empty.png"][1] and "not an image" in rows["text.jpg"][1] and "truncated" in rows["torn.jpg"][1]
    seen = {}
    for name, class_id, pixels, x_max in counted:
        seen.setdefault(name, {})[class_id] = (pixels, x_max)
    assert seen.pop("turned.jpg") == {1: (32, 7), 3: (32, 3)}  # the bright half is on the left once it is turned
    assert set(seen) == set(rows) - bad - {"turned.jpg"}
    assert all(classes == {3: (64, 7)} for classes in seen.values())


@pytest.mark.parametrize("make, reason", [
    (lambda folder: folder.mkdir(), "no image"), (lambda folder: folder.write_text("x"), "is a file, not a folder"),
    (lambda folder: None, "photos"),
])  # fmt: skip
def test_a_folder_that_is_empty_missing_or_a_file_is_an_error(tmp_path, make, reason):
    make(tmp_path / "photos")
    with pytest.raises(RequestError, match=reason):
        ganaudit.audit(spec(tmp_path / "s", real={"name": "r", "kind": "folder", "path": str(tmp_path / "photos")}))


def test_names_with_spaces_quotes_slashes_and_letters_of_any_script_go_through_everything(tmp_path, drawn):
    names = ["it's", 'quo"te', "a/b\\c", "Größe 漢字 🏘", "x; DROP TABLE runs; --"]
    generators = [{**NOISE, "name": name, "options": {"light": 0.1 * k}} for k, name in enumerate(names[1:])]
    store = tmp_path / 'st\'ore "ü" 1'
    result = ganaudit.audit(spec(store, *generators, real={**RAMP, "name": names[0]}, name="nächtlich / 'a'"))
    assert set(result.table("fsd")["generator"]) == set(names[1:]) and set(result.table("fsd")["real"]) == {names[0]}
    assert len(result.table("comparison")) == 6
    with catalog.connect(Store(store)) as connection:
        assert connection.execute("SELECT audit FROM runs").fetchall() == [("nächtlich / 'a'",)]
        assert connection.execute("SELECT count(*) FROM run_images(?) WHERE source = ?", [result.run, names[1]]).fetchone() == (
            50,
        )
    page = result.report.read_text(encoding="utf-8")
    assert "Größe 漢字 🏘" in page and "it&#39;s" in page


def test_markup_in_a_name_is_text_in_the_report(tmp_path, drawn):
    result = ganaudit.audit(spec(tmp_path, {**NOISE, "name": "<script>alert(1)</script>"}))
    assert "<script>alert(1)" not in result.report.read_text(encoding="utf-8")


# stores


def test_a_store_of_a_newer_schema_is_left_alone(tmp_path):
    (tmp_path / "ganaudit.json").write_text('{"schema_version": 2}')
    with pytest.raises(RequestError, match="schema version 2 and this ganaudit knows 1; upgrade"):
        ganaudit.audit(spec(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["ganaudit.json"]


def test_a_store_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RequestError):
        ganaudit.audit(spec(tmp_path / "file" / "store"))


@pytest.mark.parametrize("code, error, reason", [
    (errno.EROFS, RequestError, "store"), (errno.EACCES, RequestError, "store"), (errno.ENOSPC, AuditError, "full|space"),
])  # fmt: skip
def test_a_store_that_is_read_only_or_full_says_so_and_the_block_is_not_done(tmp_path, monkeypatch, code, error, reason):
    asked = spec(tmp_path)
    planned, store = audit.prepared(asked)
    tasks = missing(planned, store)

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch, pytest.raises(error, match=reason):
        patch.setattr(os, "link", refuse)
        patch.setattr(os, "fsync", refuse)
        blocks.make_block(tasks[0])
    assert not list(store.files("images")) and not list(store.temporary.iterdir())
    blocks.make_block(tasks[0])
    assert len(list(store.files("images"))) == 1


def test_a_damaged_shard_is_named_with_what_to_do(tmp_path):
    asked = spec(tmp_path)
    ganaudit.audit(asked)
    shard = next(iter(Store(tmp_path).files("class_pixels")))
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(AuditError, match=r"is damaged .*delete it and .*run the audit again.*ganaudit verify"):
        ganaudit.audit(asked)


# weights


def test_a_pickle_named_in_an_audit_file_is_refused_before_anything_is_written(tmp_path):
    import pickle

    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    (tmp_path / "g.pt").write_bytes(pickle.dumps(Hostile(), protocol=2))
    for kind in ("dcgan", "progan"):
        with pytest.raises(RequestError, match="are refused"):
            plan(spec(tmp_path / "s", {"name": "g", "kind": kind, "weights": str(tmp_path / "g.pt")}))
    with pytest.raises(RequestError, match="are refused"):
        plan(spec(tmp_path / "s", parser={"kind": "unet", "weights": str(tmp_path / "g.pt")}))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("weights, sha256, reason", [
    ("builtin:village", None, "not the weights of a dcgan|another architecture"), ("builtin:nope", None, "no built-in weights"),
    ("builtin:village-progan", None, "dcgan|another architecture"), ("builtin:village-wgan-gp", "0" * 64, "SHA-256"),
    ("missing.safetensors", None, "do not exist"),
])  # fmt: skip
def test_weights_that_do_not_fit_are_refused(tmp_path, weights, sha256, reason):
    with pytest.raises(RequestError, match=reason):
        plan(spec(tmp_path, {"name": "g", "kind": "dcgan", "weights": weights, "sha256": sha256}))
