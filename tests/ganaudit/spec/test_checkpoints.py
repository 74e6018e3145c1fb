"""A pattern of weights becomes one generator for each file, in the order of training steps, or one sentence."""

from __future__ import annotations

import errno
import itertools
import json
import os
import random
import re
from glob import glob
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from ganaudit.errors import RequestError
from ganaudit.spec import AuditSpec, checkpoints, load, parse
from ganaudit.spec.checkpoints import expanded, steps_of


def asked(folder, weights="ckpt/*.safetensors", **more):
    return {
        "name": "a", "folder": str(folder), "parser": {"kind": "unet", "weights": "builtin:village"},
        "real": {"name": "village", "kind": "village"},
        "generators": [{"name": "ours", "kind": "progan", "weights": weights, **more}],
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "ckpt").mkdir()
    return tmp_path


def put(folder, *names, metadata=None, card=None):
    for name in names:
        save_file({"a": torch.zeros(1)}, folder / "ckpt" / name, metadata)
        if card:
            (folder / "ckpt" / name.replace(".safetensors", ".card.json")).write_text(json.dumps(card))


def told(folder, **more):
    return [(generator.name, generator.step, generator.step_from) for generator in parse(asked(folder, **more)).generators]


def sentence(folder, **more):
    with pytest.raises(RequestError) as caught:
        parse(asked(folder, **more), "a.yaml")
    heading, line = str(caught.value).splitlines()
    assert heading == "a.yaml has 1 mistake:"
    return line.strip()


def test_files_stand_in_the_order_of_steps_not_of_letters(folder):
    put(folder, "net-1000.safetensors", "net-200.safetensors", "net-30000.safetensors")
    assert told(folder) == [(f"ours@{n}", n, "file name") for n in (200, 1000, 30000)]
    spec = parse(asked(folder))
    assert [generator.weights for generator in spec.generators] == [f"ckpt/net-{n}.safetensors" for n in (200, 1000, 30000)]
    assert {generator.training for generator in spec.generators} == {"ours"}
    assert AuditSpec.model_validate_json(spec.model_dump_json()) == spec


def test_a_card_comes_before_metadata_and_that_before_the_name(folder):
    put(folder, "1.safetensors", metadata={"step": "50"}, card={"iterations": 700})
    put(folder, "2.safetensors", metadata={"step": "60"}, card={"step": 800})
    assert told(folder) == [("ours@700", 700, "card"), ("ours@800", 800, "card")]
    (folder / "ckpt" / "2.card.json").unlink()  # steps of one training come from one place
    assert told(folder) == [("ours@50", 50, "metadata"), ("ours@60", 60, "metadata")]
    put(folder, "2.safetensors")
    assert told(folder) == [("ours@1", 1, "file name"), ("ours@2", 2, "file name")]


@pytest.mark.parametrize(
    ("names", "steps"),
    [
        (["a256-10-ema.pt", "a256-20-ema.pt"], [10, 20]),  # the only number in which they differ
        (["10k-256px.pt", "20k-256px.pt"], [10, 20]),
        (["v1_step500_x3.pt", "v2_step600_x9.pt"], [500, 600]),  # the one after a word
        (["run1-snapshot-0040.pt", "run2-snapshot-0050.pt"], [40, 50]),  # the last
        (["only-7-300.pt"], [300]),
    ],
)
def test_which_number_of_a_file_name_is_the_step(folder, names, steps):
    files = [folder / name for name in names]
    assert steps_of(files) == (steps, "file name")


@given(st.sets(st.integers(0, 10**9), min_size=1, max_size=8), st.randoms())
@settings(max_examples=30, deadline=None)
def test_any_numbers_in_any_order_of_names(tmp_path_factory, steps, order: random.Random):
    folder = tmp_path_factory.mktemp("c")
    shuffled = sorted(steps)
    order.shuffle(shuffled)
    for step in shuffled:
        (folder / f"g{step}.safetensors").write_bytes(b"")
    data, places, wrong = expanded(asked(folder, "*.safetensors"))
    assert not wrong and places == [0] * len(steps)
    assert [result["step"] for result in data["generators"]] == sorted(steps)


def test_nothing_there_names_the_folder_and_what_it_holds(folder):
    assert sentence(folder).endswith(f"no file fits 'ckpt/*.safetensors': {folder / 'ckpt'} holds nothing")
    (folder / "ckpt" / "a.pkl").touch()
    (folder / "ckpt" / "old").mkdir()
    assert sentence(folder).endswith(f"{folder / 'ckpt'} holds a.pkl, old/")
    assert sentence(folder, weights="none/*.pt").endswith(f"there is no folder {folder / 'none'}")


def test_what_cannot_be_told_apart_or_verified_is_refused(folder):
    put(folder, "a-1.safetensors", "b-1.safetensors")
    assert "a-1.safetensors, b-1.safetensors have one training step, 1 (from their file names)" in sentence(folder)
    assert "leave sha256 out" in sentence(folder, sha256="0" * 64)
    assert "leave step out" in sentence(folder, step=3)
    put(folder, "final.safetensors")
    assert "training step of final.safetensors is not known" in sentence(folder)


def test_other_mistakes_are_told_beside_and_at_their_place_in_the_file(folder):
    put(folder, "1.safetensors", "2.safetensors")
    data = asked(folder)
    data["generators"] += [{"name": "b", "kind": "progan"}, {"name": "c", "kind": "progan", "weights": "x/*.pt"}]
    with pytest.raises(RequestError) as caught:
        parse(data)
    text = str(caught.value)
    assert "generators[1].weights: missing" in text and "generators[2].weights: no file fits" in text
    data["generators"] = [{"name": "ours", "kind": "progan", "weights": "ckpt/*.safetensors", "deep": 1}]
    with pytest.raises(RequestError, match=r"has 1 mistake:\n  generators\[0\]\.deep: unknown key"):
        parse(data)


def test_what_is_accepted_of_a_training_is_accepted_of_its_checkpoints(folder):
    put(folder, "1.safetensors", "2.safetensors")
    spec = parse({**asked(folder), "accept": {"ours": ["person"]}})
    assert spec.accept == {"ours@1": ("person",), "ours@2": ("person",)}


def test_a_file_of_that_very_name_is_no_pattern(folder):
    put(folder, "a[1].safetensors")
    (only,) = parse(asked(folder, "ckpt/a[1].safetensors")).generators
    assert (only.name, only.step, only.training) == ("ours", None, None)


def test_an_audit_file_beside_its_checkpoints(folder):
    put(folder, "7.safetensors")
    path = folder / "a.yaml"
    path.write_text(json.dumps({key: value for key, value in asked(folder).items() if key != "folder"}))
    (only,) = load(path).generators
    assert (only.name, only.weights) == ("ours@7", "ckpt/7.safetensors")


# patterns that look through too much, and places that are none


def big(folder, files):
    for number in range(files):
        (folder / "many" / f"{number % 7}").mkdir(parents=True, exist_ok=True)
        (folder / "many" / f"{number % 7}" / f"{number}.txt").touch()


@pytest.mark.parametrize("pattern", ["many/**", "many/**/*.safetensors", "many/*/*.pt", "**", "**/**/x*", "many/[0-9]/*"])
def test_a_pattern_that_looks_through_too_many_files_ends_in_a_sentence(folder, monkeypatch, pattern):
    big(folder, 60)
    monkeypatch.setattr(checkpoints, "MOST_ENTRIES", 30)
    assert "more than 30 files and folders" in sentence(folder, weights=pattern)


def test_a_pattern_that_takes_too_long_ends_in_a_sentence(folder, monkeypatch):
    big(folder, 60)
    monkeypatch.setattr(checkpoints, "LONGEST", 10)
    monkeypatch.setattr(checkpoints, "time", SimpleNamespace(monotonic=itertools.count().__next__))  # a second to each entry
    assert "more than 11 files and folders" in sentence(folder, weights=f"{folder}/**/*.no_such_suffix")


@pytest.mark.parametrize("name", ["EINVAL", "ESRCH", "EIO", "ESTALE", "ENOENT", "EACCES"])
def test_a_folder_that_cannot_be_read_holds_nothing_and_the_others_are_found(folder, monkeypatch, name):
    put(folder, "7.safetensors")
    (folder / "broken").mkdir()
    scandir = os.scandir

    def failing(path):
        if Path(path).name == "broken":
            raise OSError(getattr(errno, name), name, path)
        return scandir(path)

    monkeypatch.setattr(checkpoints.os, "scandir", failing)
    (only,) = parse(asked(folder, "**/*.safetensors")).generators
    assert only.step == 7


def test_a_pattern_that_fits_too_many_files_is_told(folder, monkeypatch):
    put(folder, *(f"net-{n}.safetensors" for n in range(5)))
    monkeypatch.setattr(checkpoints, "MOST_CHECKPOINTS", 4)
    assert "fits 5 files" in sentence(folder)


@pytest.mark.parametrize("pattern, reason", [
    ("~nosuchuser/*.pt", "no home folder"), ("a\0b/*.pt", "NUL"), ("x" * 5000 + "*", "too long|no file"),
    ("*" * 200, "no file fits|step"), ("none/*.pt", "no folder"), ("[", "no file fits"), ("ckpt/[!a]*/", "no file fits"),
])  # fmt: skip
def test_patterns_that_name_no_place_are_told(folder, pattern, reason):
    assert re.search(reason, sentence(folder, weights=pattern))


@pytest.mark.parametrize("pattern", [
    "ckpt/*.safetensors", "**/*.safetensors", "ckpt/**", "*/*1*", "ckpt/net-?.safetensors", "ckpt/net-[12].safetensors",
    "./ckpt/*.safetensors", "ckpt/**/*.safetensors", "c*/**/net-2.safetensors", "**/sub/*", "ckpt/.*", "ckpt/**/**/n*",
])  # fmt: skip
def test_a_pattern_fits_what_glob_says_it_fits(folder, pattern):
    put(folder, "net-1.safetensors", "net-2.safetensors", ".hidden.safetensors")
    (folder / "ckpt" / "sub").mkdir()
    put(folder, "sub/net-3.safetensors")
    (folder / "ckpt" / ".cache").mkdir()
    put(folder, ".cache/net-4.safetensors")
    expected = {Path(name) for name in glob(str(folder / pattern), recursive=True) if Path(name).is_file()}
    assert {file for file in checkpoints._fitting(pattern, folder) if file.is_file()} == expected


def test_a_circle_of_links_ends(folder):
    put(folder, "net-1.safetensors")
    (folder / "ckpt" / "again").symlink_to(folder / "ckpt")
    assert told(folder, weights="ckpt/**/*.safetensors") == [("ours@1", 1, "file name")]


def test_a_factory_s_checkpoints_may_be_folders(folder):
    for step in (200, 1000):
        (folder / "ckpt" / f"step-{step}").mkdir()
        (folder / "ckpt" / f"step-{step}" / "net.bin").touch()
    assert told(folder, weights="ckpt/step-*", kind="mine:make") == [(f"ours@{n}", n, "file name") for n in (200, 1000)]
    assert "no file fits" in sentence(folder, weights="ckpt/step-*")
