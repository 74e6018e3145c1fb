"""A wrong audit file gets one error with every mistake, its key path and the nearest valid name; a right one is taken."""

from __future__ import annotations

import copy
import datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ganaudit import kinds
from ganaudit.errors import RequestError
from ganaudit.spec import AuditSpec, load, parse, with_store

WHOLE = {
    "name": "nightly",
    "store": "audits",
    "parser": {"kind": "unet", "weights": "builtin:village"},
    "real": {"name": "village", "kind": "village", "count": 100, "prevalence": {"sun": 0.5}},
    "generators": [
        {"name": "a", "kind": "dcgan", "weights": "a.safetensors", "sha256": "0" * 64},
        {"name": "b", "kind": "progan", "weights": "b.safetensors"},
        {"name": "c", "kind": "village", "seed": 3, "prevalence": {"person": 0}},
        {"name": "d", "kind": "folder", "path": "d", "resize": [4, 8], "how": "stretch", "seed": 2},
        {"name": "e", "kind": "masks", "path": "e", "labels": "l", "void": 255, "size": [4, 4], "suffix": ".x.png"},
        {"name": "f", "kind": "my.models:make", "weights": "f", "options": {"depth": [1, {"x": None}]}, "resize": 8},
    ],
    "sample": {"count": 10, "seed": -1, "batch": 32},
    "decide": {"presence": 0.2},
    "run": {"runner": "threads", "workers": 2, "device": "cpu", "precision": "float32"},
}


def changed(*path, **values):
    """WHOLE with values at a place."""
    data = copy.deepcopy(WHOLE)
    place = data
    for key in path:
        place = place[key]
    place.update(values)
    return data


def mistakes(data) -> list[str]:
    with pytest.raises(RequestError) as caught:
        parse(data, "a.yaml")
    heading, *lines = str(caught.value).splitlines()
    assert heading == f"a.yaml has {len(lines)} mistake{'s' if len(lines) > 1 else ''}:"
    assert all(line.startswith("  ") for line in lines)
    return [line.strip() for line in lines]


def test_every_value_of_a_whole_file_arrives_where_it_belongs():
    spec = parse(WHOLE)
    said = spec.model_dump(mode="json", exclude_unset=True)
    assert said == WHOLE
    assert AuditSpec.model_validate_json(spec.model_dump_json()) == spec


def test_what_is_left_out_has_the_documented_defaults():
    spec = parse({key: WHOLE[key] for key in ("name", "parser", "real", "generators")})
    assert (spec.sample.count, spec.sample.seed, spec.sample.batch) == (4000, 1, 64)
    assert (spec.run.runner, spec.run.device, spec.run.precision, spec.decide.presence) == ("threads", "auto", "auto", "own")
    assert spec.store == Path("audits")


PLACES = [
    ((), "nam", "name"), (("parser",), "weigths", "weights"), (("real",), "counts", "count"),
    (("real",), "prevalance", "prevalence"), (("generators", 0), "sha265", "sha256"), (("generators", 1), "weight", "weights"),
    (("generators", 2), "sed", "seed"), (("generators", 3), "paths", "path"), (("generators", 4), "lables", "labels"),
    (("generators", 5), "option", "options"), (("sample",), "bach", "batch"), (("decide",), "presense", "presence"),
    (("run",), "worker", "workers"),
]  # fmt: skip


@pytest.mark.parametrize("place, wrong, right", PLACES)
def test_an_unknown_key_is_named_with_its_path_and_the_nearest_key_of_that_place(place, wrong, right):
    path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in (*place, wrong)).lstrip(".")
    (line,) = mistakes(changed(*place, **{wrong: 1}))
    assert line.startswith(f"{path}: unknown key; did you mean {right!r}? There are: ")
    offered = line.split("There are: ")[1].split(", ")
    assert right in offered
    whole = parse(WHOLE)
    for key in place:
        whole = whole[key] if isinstance(key, int) else getattr(whole, key)
    assert offered == list(type(whole).model_fields)


@pytest.mark.parametrize("key", ["village", "masks", "dcgan", "unet"])
@pytest.mark.parametrize("place", [(), ("sample",), ("run",), ("real",), ("generators", 2)])
def test_an_unknown_key_that_is_the_name_of_a_kind_keeps_its_path(place, key):
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in (*place, key)).lstrip(".")
    assert mistakes(changed(*place, **{key: 1}))[0].startswith(f"{path}: unknown key")


def test_a_prevalence_of_a_kind_s_name_keeps_its_path():
    assert mistakes(changed("real", prevalence={"village": 2}))[0].startswith("real.prevalence.village: ")


def test_a_parser_s_unknown_key_is_answered_with_the_keys_of_that_parser():
    (line,) = mistakes(changed(parser={"kind": "masks", "clases": ["x"], "classes": ["x"]}))
    assert line == "parser.clases: unknown key; did you mean 'classes'? There are: kind, classes"
    (line,) = mistakes(changed(parser={"kind": "a:b", "resize": 3}))
    assert line.endswith("there are: kind, sha256, bytes, url, weights, options, files, threads")


def test_every_mistake_is_listed_not_the_first_alone():
    data = changed(stor="x", parser={"kind": "unet"}, real={"name": "r", "kind": "vilage"})
    data["generators"][1]["count"] = 0
    data["generators"][3] = {"name": "d", "kind": "folder"}
    data["sample"]["batch"] = 48
    data["decide"]["presence"] = -1
    del data["name"]
    result = mistakes(data)
    starts = [
        "name: missing", "stor: unknown key; did you mean 'store'?", "parser.weights: missing",
        "real.kind: unknown kind 'vilage'; did you mean 'village'?", "generators[1].count: ", "generators[3].path: missing",
        "sample: batch 48 does not divide a block of 1024 images", "decide.presence: ",
    ]  # fmt: skip
    assert sorted(result) == sorted(line for line in result if any(line.startswith(start) for start in starts))
    assert len(result) == len(starts)
    assert all(any(line.startswith(start) for line in result) for start in starts)


@pytest.mark.parametrize("place, kind, nearest", [
    (("real",), "foldr", "folder"), (("generators", 0), "dcgann", "dcgan"), (("generators", 0), "progam", "progan"),
    (("parser",), "une", "unet"),
])  # fmt: skip
def test_an_unknown_kind_is_told_the_nearest_one(place, kind, nearest):
    lines = mistakes(changed(*place, kind=kind))
    assert f"unknown kind {kind!r}; did you mean {nearest!r}? There are: " in lines[0]


def test_a_kind_for_generators_is_none_for_real_images():
    (line,) = mistakes(changed(real={"name": "r", "kind": "dcgan", "weights": "x"}))
    known = ", ".join(kinds.names("datasets"))
    assert line == f"real.kind: unknown kind 'dcgan'; there are: {known}" and "dcgan" not in known


@pytest.mark.parametrize("kind", [None, 3, ["folder"], ...])
def test_a_missing_kind_is_said_to_be_missing(kind):
    data = changed("real", kind=kind)
    if kind is ...:
        del data["real"]["kind"]
    assert mistakes(data) == ["real.kind: missing; every source and parser has one"]


def test_two_sources_of_one_name_are_refused_and_named():
    data = changed("generators", 1, name="village")
    data["generators"][2]["name"] = data["generators"][0]["name"] = "it's"
    (line,) = mistakes(data)
    assert line == """two sources have one name, as people read it: "it's", 'village'; give each its own"""


@pytest.mark.parametrize("pair", [("Photos", "photos"), ("café", "cafe\u0301"), ("ﬁne", "fine")])
def test_two_names_that_differ_by_case_or_unicode_form_alone_are_refused(pair):
    data = changed("generators", 0, name=pair[0])
    data["generators"][1]["name"] = pair[1]
    (line,) = mistakes(data)
    assert line.startswith("two sources have one name, as people read it: ")


@pytest.mark.parametrize(
    "name", ["with space", 'quo"te', "apo'strophe", "a/b\\c", "Größe 漢字 🏘", "..", "; DROP TABLE runs --", "%"]
)
def test_names_may_be_anything_that_people_write(name):
    assert parse(changed("real", name=name)).real.name == name
    assert parse(changed(name=name)).name == name


@pytest.mark.parametrize("name", ["", "x" * 201, 5, None])
def test_a_name_is_a_text_that_is_not_empty(name):
    (line,) = mistakes(changed("real", name=name))
    assert line.startswith("real.name: ")


@pytest.mark.parametrize("batch", [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024])
def test_batches_that_divide_a_block_are_taken(batch):
    assert parse(changed("sample", batch=batch)).sample.batch == batch


@pytest.mark.parametrize("batch", [3, 100, 1000, 0, -64, 2048])
def test_batches_that_do_not_are_refused(batch):
    (line,) = mistakes(changed("sample", batch=batch))
    assert line.startswith("sample")


@pytest.mark.parametrize("place, value", [
    (("sample",), {"count": 0}), (("sample",), {"count": 2**41}), (("decide",), {"presence": 100}), (("run",), {"workers": 0}),
    (("run",), {"runner": "slurm"}), (("run",), {"precision": "int8"}), (("generators", 0), {"sha256": "abc"}),
    (("generators", 3), {"resize": [3]}), (("generators", 3), {"resize": 0}), (("generators", 3), {"resize": 8193}),
    (("generators", 3), {"resize": [64, 10**12]}), (("generators", 5), {"resize": 10**6}), (("generators", 3), {"how": "pad"}),
    (("real",), {"prevalence": {"sun": 1.5}}), (("real",), {"count": 2.5}),
])  # fmt: skip
def test_values_out_of_range_are_named_with_their_key(place, value):
    path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in (*place, next(iter(value)))).lstrip(".")
    lines = mistakes(changed(*place, **value))
    assert lines and all(line.startswith(path) for line in lines)


@pytest.mark.parametrize("kind", ["my models:make", "m:", ":f", "m:f:g", "m:f()", "../m:f", "m-m:f"])
def test_a_factory_is_a_module_and_a_function(kind):
    assert mistakes(changed("generators", 5, kind=kind))[0].startswith("generators[5].kind: ")


@pytest.mark.parametrize("value", [datetime.date(2026, 1, 1), float("nan"), float("inf"), {"deep": [{1, 2}]}, b"bytes"])
@pytest.mark.parametrize("place", ["parser", "generator"])
def test_options_are_what_json_can_hold_because_they_enter_the_key(value, place):
    data = copy.deepcopy(WHOLE)
    data["parser"] = {"kind": "m:p"}
    target = data["parser"] if place == "parser" else data["generators"][5]
    target["options"] = {"since": value}
    (line,) = mistakes(data)
    assert line.startswith(("parser" if place == "parser" else "generators[5]") + ".options: ")


def test_no_generators_are_no_audit():
    assert mistakes(changed(generators=[]))[0].startswith("generators: ")


def test_a_spec_cannot_be_changed():
    spec = parse(WHOLE)
    with pytest.raises(ValueError):
        spec.name = "other"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["village", "unet", "a:b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*WHOLE, "kind", "weights", "village", "options", "x"]) | st.integers(), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.sampled_from(list(WHOLE)), anything, max_size=8), st.booleans())
def test_no_file_whatever_breaks_the_list_of_mistakes(data, rest):
    try:
        parse({**WHOLE, **data} if rest else data)
    except RequestError as error:
        lines = str(error).splitlines()
        assert len(lines) > 1 and all(line.strip() for line in lines)


# files


def written(folder: Path, data=WHOLE, name="audit.yaml") -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    return path


def test_relative_paths_start_at_the_audit_file_wherever_one_stands(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    path = written(tmp_path / "sub")
    monkeypatch.chdir(tmp_path)
    for asked in (path, "sub/audit.yaml", Path("sub") / ".." / "sub" / "audit.yaml"):
        spec = load(asked)
        assert spec.path(spec.store) == tmp_path / "sub" / "audits"
        assert spec.path(spec.generators[3].path) == tmp_path / "sub" / "d"
        assert spec.path("../x") == tmp_path / "x"
        assert spec.path("/abs/x") == Path("/abs/x")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert load(path).path("~/x") == tmp_path / "home" / "x"


def test_another_store_is_named_from_where_one_stands(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    path = written(tmp_path / "sub")
    monkeypatch.chdir(tmp_path)
    assert load(path, "elsewhere").path(load(path, "elsewhere").store) == tmp_path / "elsewhere"
    assert with_store(load(path), tmp_path / "s").generators == load(path).generators


@pytest.mark.parametrize("content, reason", [
    (b"name: [", "is not YAML"), (b"", "holds no keys"), (b"- a\n- b\n", "holds no keys"), (b"just text", "holds no keys"),
    (b"\xff\xfe\x00", "is not YAML"), (b"name: !!python/object/apply:os.system ['touch ran']", "is not YAML"),
    (b"name: \x07", "is not YAML"), (b"name: 2026-99-99\nx: 2026-99-99", "is not YAML"),
])  # fmt: skip
def test_a_file_that_is_no_audit_file_is_said_to_be_none(tmp_path, monkeypatch, content, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(RequestError, match=reason) as caught:
        load("a.yaml")
    assert "a.yaml" in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_a_missing_file_or_a_folder_is_said_to_be_that(tmp_path):
    with pytest.raises(RequestError, match="does not exist"):
        load(tmp_path / "none.yaml")
    with pytest.raises(RequestError, match="cannot be read"):
        load(tmp_path)


def test_mistakes_in_a_file_name_the_file(tmp_path):
    path = written(tmp_path, {**WHOLE, "x": 1}, "größe.yaml")
    with pytest.raises(RequestError, match=r"größe\.yaml has 1 mistake:\n  x: unknown key"):
        load(path)


def test_a_key_that_stands_twice_is_refused_rather_than_half_lost(tmp_path):
    path = tmp_path / "audit.yaml"
    path.write_text("name: a\nparser: {kind: unet, weights: x}\nname: b\n")
    with pytest.raises(RequestError, match="the key 'name' stands here twice"):
        load(path)
