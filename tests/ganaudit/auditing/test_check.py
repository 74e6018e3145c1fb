"""A check opens and parses what the audit would, says what it would cost, and leaves no records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ganaudit import spec as specs
from ganaudit.auditing import check as module
from ganaudit.auditing import run as audit
from ganaudit.auditing.check import check
from ganaudit.auditing.plan import plan
from ganaudit.errors import AuditError, RequestError
from ganaudit.studies.census import work as blocks
from ganaudit.studies.census.blocks import missing

HERE = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def opened_anew():
    blocks.forget()


def spec(store, parser=None, **noise):
    options = noise.pop("options", {})
    data = {"name": "n", "folder": str(HERE), "store": str(store), "parser": parser or {"kind": "tiny_models:Brightness"},
            "real": {"name": "real", "kind": "tiny_models:Ramp", "options": {"images": 300, "unreadable": 2}},
            "generators": [{"name": "g", "kind": "tiny_models:Noise", "options": options, **noise}],
            "sample": {"count": 1500}}  # fmt: skip
    return specs.parse(data)


def test_a_check_says_what_an_audit_would_do_and_does_none_of_it(tmp_path):
    result = check(spec(tmp_path / "store"))
    real, generated = result.sources
    assert (real.images, real.missing_images, generated.images, generated.missing_images) == (300, 300, 1500, 2048)
    assert (result.blocks, result.missing_blocks, result.classes, result.device) == (3, 3, 3, "cpu")
    assert [source.key for source in result.sources] == [source.key for source in plan(spec(tmp_path)).sources]
    assert real.set_aside == 2 and generated.set_aside == 0
    assert min(real.rate, generated.rate) > 0 and result.seconds > 0 and result.megabytes > 0 and result.free_gigabytes > 0
    assert not (tmp_path / "store").exists()
    assert json.loads(json.dumps(result.as_dict()))["sources"][0]["name"] == "real"


def test_what_is_there_already_is_not_counted_again(tmp_path):
    asked = spec(tmp_path)
    planned, store = audit.prepared(asked)
    tasks = missing(planned, store)
    blocks.make_block(tasks[-1])
    before = sorted(store.path.rglob("*"))
    result = check(asked)
    assert (result.missing_blocks, result.sources[1].missing_images) == (2, 1024)
    for task in tasks[:-1]:
        blocks.make_block(task)
    assert (check(asked).seconds, check(asked).megabytes, check(asked).missing_blocks) == (0, 0, 0)
    assert set(before) <= set(store.path.rglob("*"))


def test_more_workers_than_blocks_do_not_make_it_faster(tmp_path):
    asked = spec(tmp_path)
    few, many = (check(asked.model_copy(update={"run": specs.Run(workers=n)})) for n in (3, 300))
    rates = {source.name: source.missing_images / source.rate for source in many.sources}
    assert many.seconds == pytest.approx(sum(rates.values()) / 3) and few.workers == 3


@pytest.mark.parametrize("parser, generator, error, reason", [
    ({"kind": "tiny_models:Brightness", "options": {"fault": "floats"}}, {}, AuditError, "integer tensor"),
    (None, {"options": {"fault": "raises"}}, AuditError, "ZeroDivisionError"),
    (None, {"options": {"lights": 1}}, RequestError, "does not take these options"),
    (None, {"kind": "dcgan", "weights": "none.safetensors"}, RequestError, "do not exist"),
    (None, {"kind": "folder", "path": "no folder"}, RequestError, "no folder"),
])  # fmt: skip
def test_what_cannot_work_is_found_out(tmp_path, parser, generator, error, reason):
    if "kind" in generator:
        data = spec(tmp_path).model_dump(mode="json", exclude_unset=True)
        data["generators"] = [{"name": "g", **generator}]
        asked = specs.parse(data)
    else:
        asked = spec(tmp_path, parser, **generator)
    with pytest.raises(error, match=reason):
        check(asked)


def test_a_store_of_a_newer_ganaudit_is_refused(tmp_path):
    (tmp_path / "ganaudit.json").write_text('{"schema_version": 99}')
    with pytest.raises(RequestError, match="schema version 99"):
        check(spec(tmp_path))


def test_images_that_will_be_set_aside_are_counted(tmp_path):
    result = check(spec(tmp_path, options={"fault": "nan", "since": 60}))
    assert result.sources[1].set_aside == 4  # of the first batch of 64


def test_paired_scenes_and_slow_arithmetic_are_noted(tmp_path, monkeypatch):
    monkeypatch.setattr(module.devices, "has_bfloat16", lambda _: False)
    data = {"name": "n", "parser": {"kind": "unet", "weights": "builtin:village"}, "real": {"name": "r", "kind": "village"},
            "generators": [{"name": "g", "kind": "village", "seed": 0}, {"name": "h", "kind": "village"}]}  # fmt: skip
    asked = specs.parse(data)
    notes = module._notes(asked, "bfloat16", "cpu")
    assert any("no bfloat16 arithmetic" in note for note in notes)
    assert [note for note in notes if "paired" in note] == [
        "'g' and 'r' draw the same scenes (one seed): they are paired, not independent"
    ]
    assert module._notes(replace_seed(asked), "float32", "cpu") == []


def replace_seed(asked):
    return asked.model_copy(update={"generators": asked.generators[1:]})


def test_scenes_are_paired_by_the_seeds_that_are_drawn_whether_they_are_said_or_not():
    data = {"name": "n", "parser": {"kind": "unet", "weights": "builtin:village"}, "sample": {"seed": 3},
            "real": {"name": "r", "kind": "village", "seed": 3}, "generators": [{"name": "g", "kind": "village"}]}  # fmt: skip
    assert any("paired" in note for note in module._notes(specs.parse(data), "float32", "cpu"))
