"""What a look at an audit's files tells, before anything is opened: of every kind, in the sentence that opening has."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from pyarrow import parquet

from ganaudit import kinds, spec
from ganaudit.context import Context
from ganaudit.datasets.index import Member
from ganaudit.datasets.packed import Format, check_not_empty
from ganaudit.errors import RequestError
from ganaudit.fetching.wanted import check_files
from tests.shared.stored_files import as_folder, as_lmdb, as_parquet, as_tar, as_zip, encoded

PLACES = ("real", "heldout", "train", "truth", "generators", "reconstructions", "parser", "second_parser")
VILLAGE = {"name": "v", "kind": "village", "count": 64}
BUILDERS = {"folder": as_folder, "zip": as_zip, "tar": as_tar, "parquet": as_parquet, "lmdb": as_lmdb}


def audit(folder: Path, place: str, part: dict[str, Any]) -> spec.AuditSpec:
    """One with this part at a place, and else of what ships."""
    said: dict[str, Any] = {
        "name": "a", "folder": str(folder), "parser": {"kind": "unet", "weights": "builtin:village"}, "real": VILLAGE,
        "generators": [{"name": "g", "kind": "dcgan", "weights": "builtin:village-wgan-gp"}],
    }  # fmt: skip
    held: dict[str, Any] = {"name": "h", "kind": "village", "count": 64}
    if place == "train":
        said |= {"heldout": held, "invert": {"train": part}}
    elif place == "reconstructions":
        theirs = [{"generator": "g", "images": part}]
        said |= {"heldout": held, "invert": {"methods": ["reconstructions"], "reconstructions": theirs}}
    else:
        said[place] = [part] if place == "generators" else part
    return spec.parse(said)


def paths_of(kind: kinds.Kind) -> list[str]:
    """Its options that are paths."""
    types = {name: field.annotation for name, field in kind.options.model_fields.items()}
    return [name for name, each in types.items() if Path in (each, *get_args(each))]


STORED = [(name, key) for name in kinds.names("datasets") for key in paths_of(kinds.find("datasets", name))]
WEIGHTS = [
    (place, name) for place, registry in (("generators", "generators"), ("parser", "parsers"), ("second_parser", "parsers"))
    for name in kinds.names(registry) if name != kinds.OWN and "weights" in kinds.find(registry, name).options.model_fields
]  # fmt: skip


def test_every_kind_of_stored_images_is_among_these():
    assert {name for name, _ in STORED} == set(kinds.names("datasets")) - {"village", kinds.OWN}


@pytest.mark.parametrize(("name", "key"), STORED)
def test_a_path_that_does_not_exist_is_told_of_every_kind(tmp_path, name, key):
    (tmp_path / "there").touch()
    part = {"name": "some", "kind": name, "path": "there", key: "no such place"}
    with pytest.raises(RequestError, match=rf"^{key} of 'some': there is no folder {tmp_path}/no such place: correct"):
        check_files(audit(tmp_path, "generators", part))


@pytest.mark.parametrize("place", PLACES[:6])
def test_and_of_a_source_in_every_role(tmp_path, place):
    kind = {"truth": "masks"}.get(place, "folder")
    with pytest.raises(RequestError, match=r"^path of 'some': there is no folder .*/none"):
        check_files(audit(tmp_path, place, {"name": "some", "kind": kind, "path": "none"}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="holds no images: it has no files at all"):
        check_files(audit(tmp_path, place, {"name": "some", "kind": kind, "path": "empty"}))


@pytest.mark.parametrize(("place", "name"), WEIGHTS)
def test_weights_that_are_not_there_are_told_of_every_kind(tmp_path, place, name):
    registry = "generators" if place == "generators" else "parsers"
    fields = kinds.find(registry, name).options.model_fields
    further = {key: value for key, value in {"name": "g", "concepts": ["a"]}.items() if key in fields}
    for weights, sentence in (("none here.pth", "do not exist"), ("builtin:vilage", "there are no built-in weights 'vilage'"),
                              (f"hf://a/b@{'0' * 40}", "is not on this machine")):  # fmt: skip
        with pytest.raises(RequestError, match=sentence):
            check_files(audit(tmp_path, place, {"kind": name, "weights": weights, **further}))


@pytest.mark.parametrize("name", BUILDERS)
def test_no_images_are_told_in_the_sentence_of_opening_and_a_first_one_is_enough(tmp_path, name):
    asked = []
    for folder, files in (("none in it", {} if name == "lmdb" else {"a b.txt": b""}), ("one in it", {"a b.png": encoded(1)})):
        (tmp_path / folder).mkdir()
        kind, path = BUILDERS[name](files, tmp_path / folder)
        if kind == "parquet" and folder == "none in it":  # every row is an image
            parquet.write_table(parquet.read_table(path).slice(0, 0), path)
        asked.append(audit(tmp_path, "generators", {"name": "some", "kind": kind, "path": str(path), "resize": 8}))
    with pytest.raises(RequestError, match="holds no images") as looked:
        check_files(asked[0])
    with pytest.raises(RequestError) as opened:
        kinds.find("datasets", name).open(asked[0].generators[0], Context(tmp_path))
    assert str(looked.value) == str(opened.value)
    check_files(asked[1])


def test_label_maps_in_an_archive_without_images_are_told(tmp_path):
    as_folder({"a.png": encoded(1)}, tmp_path)
    as_zip({"a.txt": b""}, tmp_path)
    part = {"name": "some", "kind": "masks", "path": "folder", "labels": "x.zip"}
    with pytest.raises(RequestError, match=r"x\.zip holds no images, but 1 other file\b"):
        check_files(audit(tmp_path, "real", part))


def test_an_array_without_images_and_a_table_and_a_list_without_names_are_told(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((0, 8, 8, 3), np.uint8))
    (tmp_path / "x.csv").write_text("path\n")
    as_folder({"a.png": encoded(1)}, tmp_path)
    (tmp_path / "list.txt").write_text("\n")
    for part, sentence in (
        ({"kind": "npy", "path": "x.npy"}, "holds no images"), ({"kind": "csv", "path": "x.csv"}, "names no images"),
        ({"kind": "folder", "path": "folder", "list": "list.txt"}, "names no images"),
        ({"kind": "folder", "path": "folder", "label": {"csv": "no.csv", "column": "a"}}, r"label\.csv of 'some': there is no"),
    ):  # fmt: skip
        with pytest.raises(RequestError, match=sentence):
            check_files(audit(tmp_path, "real", {"name": "some", **part}))


def test_a_pattern_and_the_name_of_a_column_are_no_missing_folders(tmp_path):
    (tmp_path / "parts of it").mkdir()
    as_zip({"a.png": encoded(1)}, tmp_path / "parts of it")
    as_parquet({"a.png": encoded(1)}, tmp_path)
    check_files(audit(tmp_path, "real", {"name": "some", "kind": "zip", "path": "parts of it/*.zip"}))
    with pytest.raises(RequestError, match=r"there is no file or folder .*/parts of it/\*\.ZIP"):
        check_files(audit(tmp_path, "real", {"name": "some", "kind": "zip", "path": "parts of it/*.ZIP"}))
    with pytest.raises(RequestError, match="has no column 'scene'"):
        check_files(audit(tmp_path, "real", {"name": "some", "kind": "parquet", "path": "x.parquet", "labels": "scene"}))


def test_a_look_at_packed_files_goes_no_farther_than_the_first_image(tmp_path):
    met: list[tuple[str, int]] = []

    def scan(path, number, found):
        for place in itertools.count():
            met.append((path.name, place))
            yield Member(f"{place}.png", 1, None, number)

    for name in "ab":
        (tmp_path / name).touch()
    check_not_empty(Format("endless", scan, lambda path, member: b""), [tmp_path / "a", tmp_path / "b"])
    assert met == [("a", 0)]


def test_a_look_imports_no_torch():
    asks = "import sys; from ganaudit import spec; from ganaudit.fetching.wanted import check_files; "
    asks += f"check_files(spec.parse({audit(Path(), 'real', VILLAGE).model_dump(mode='json', exclude_unset=True)!r})); "
    subprocess.run([sys.executable, "-c", asks + "assert 'torch' not in sys.modules"], check=True)
