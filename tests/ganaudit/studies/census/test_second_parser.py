"""Two parsers over the same images: sampled once, each recorded as if it were alone, and what both say counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ganaudit import images
from ganaudit import spec as specs
from ganaudit.auditing.check import check
from ganaudit.auditing.driver import Progress, drive, on_threads
from ganaudit.auditing.run import audit, prepared
from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.opening import open_generator
from ganaudit.maintenance.prune import prune
from ganaudit.maintenance.verify import verify
from ganaudit.parsers.matching import matched
from ganaudit.records import schema
from ganaudit.records.store import Store
from ganaudit.report.data import Interval
from ganaudit.sources.opening import GeneratorSource
from ganaudit.studies.census import agreement, work
from ganaudit.studies.census.findings import materialise
from ganaudit.studies.census.section.agreement import (
    BothDistances,
    agreement_blocks,
    agreement_words,
    order_words,
    unlike,
)
from ganaudit.studies.section import Table

HERE = Path(__file__).parents[2]
N, RATIOS = 130, ("ratio", "ratio_low", "ratio_high")


@pytest.fixture(autouse=True)
def opened_anew():
    work.forget()


def spec(store, parser="Brightness", second="Eager", **second_options):
    kind = {"kind": f"tiny_models:{second}", "options": second_options} if second else None
    return specs.parse({
        "name": "two", "folder": str(HERE), "store": str(store), "parser": {"kind": f"tiny_models:{parser}"},
        "second_parser": kind, "real": {"name": "real", "kind": "tiny_models:Ramp", "options": {"images": N}},
        "generators": [{"name": "g", "kind": "tiny_models:Noise", "options": {"light": 0.2}}],
        "sample": {"count": N, "batch": 32}, "decide": {"permutations": 0}, "run": {"workers": 1},
    })  # fmt: skip


def audited(folder, **said):
    """An audit, its store, and how many images were sampled for it."""
    read, before = [], GeneratorSource.read
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GeneratorSource, "read", lambda self, indices: read.extend(indices) or before(self, indices))
        return audit(spec(folder, **said)), Store(folder), len(read)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return audited(tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The second parser by itself."""
    return audited(tmp_path_factory.mktemp("alone"), parser="Eager", second=None)


def test_each_image_is_sampled_once_and_both_parsers_records_are_those_of_an_audit_of_their_own(found, alone):
    assert N <= found[2] < 2 * N + 100  # its block of 256 and some pictures
    keys = {path.parent.name for path in alone[1].files("images")}
    assert keys < {path.parent.name for path in found[1].files("images")}
    for path in alone[1].files("class_pixels"):
        twin = next(other for other in found[1].files("class_pixels") if other.parts[-2:] == path.parts[-2:])
        assert twin.read_bytes() == path.read_bytes()
    assert verify(found[1], deep=True).problems == ()


def driven(asked):
    """The records of an audit, without its findings: its store, and how many images were parsed."""
    planned, store = prepared(asked)
    return store, drive(planned, store, on_threads(1), Progress(planned))["parsing"]


def test_a_second_parser_that_comes_later_leaves_the_first_one_s_records_alone(tmp_path):
    store, _ = driven(spec(tmp_path, second=None))
    stood = {path: path.stat().st_mtime_ns for path in store.files("images")}
    assert driven(spec(tmp_path))[1] >= 2 * N and driven(spec(tmp_path))[1] == 0
    assert {path: path.stat().st_mtime_ns for path in stood} == stood


def test_nothing_of_the_second_parser_is_pruned(found):
    before = sorted(found[1].path.rglob("*.parquet"))
    prune(found[1], keep=1)
    assert sorted(found[1].path.rglob("*.parquet")) == before


def greys_of_g():
    generator = open_generator(spec("unused").generators[0], Context(HERE, seed=1)).generator
    made = generator.run(generator.latents(1, torch.arange(N)))["image"]
    return ((images.to_unit(images.to_bytes(made)).mean(dim=1) + 1) / 2).numpy()


def test_agreement_is_that_of_the_label_maps(found):
    rows = {(row["source"], row["class"]): row for row in found[0].findings["parser_agreement"].to_pylist()}
    assert {name for _, name in rows} == {"dark", "bright"}  # middle and glow have no other
    grey = greys_of_g()
    ours, theirs = grey > 0.6, (grey > 0.5) & (grey <= 0.9)
    row = rows["g", "bright"]
    p, q, d = ours.mean(), theirs.mean(), (ours ^ theirs).mean()
    assert row["pixel_kappa"] == pytest.approx(1 - d / (p * (1 - q) + q * (1 - p)), abs=1e-9)
    assert row["pixel_kappa_low"] < row["pixel_kappa"] < row["pixel_kappa_high"]
    assert (row["area"], row["second_area"]) == (pytest.approx(100 * p), pytest.approx(100 * q))
    assert (row["class_id"], row["second_class_id"], row["images"]) == (3, 2, N)
    store = found[1]
    table = schema.RECORDS["parsed_twice"]
    twice = [row for path in store.files(table.name) for row in store.read(table, path).to_pylist()]
    alike = ours & theirs | (grey <= 0.4)
    expected = alike.sum(axis=(1, 2)).tolist()
    keys = {(row["source"], row["table"]): row["key"] for row in store.of_run(schema.RECORDS["run_keys"], found[0].run)}
    key = keys["g", "parsed_twice"]
    assert [row["alike"] for row in sorted(twice, key=lambda row: row["image"]) if row["key"] == key][:N] == expected


CONCEPTS = {"bright": (0.5, 0.8), "Dark": (-1, 0.45), "glow": (0.9, 2), "middle": (0.42, 0.7)}


@pytest.mark.parametrize(
    ("first", "order"), [(True, ("bright", "Dark", "glow", "middle")), (False, ("glow", "middle", "Dark", "bright"))]
)
def test_agreement_is_told_for_every_head_and_hangs_on_no_order(tmp_path, first, order):
    concepts = [(name, *CONCEPTS[name]) for name in order]
    one, other = {"kind": "tiny_models:Brightness"}, {"kind": "tiny_models:Concepts", "options": {"concepts": concepts}}
    asked = spec(tmp_path).model_dump(mode="json")
    asked |= {"parser": one, "second_parser": other} if first else {"parser": other, "second_parser": one}
    planned, store = prepared(specs.parse(asked))
    drive(planned, store, on_threads(1), Progress(planned))
    findings = materialise(store, planned.run, planned.spec.decide)
    rows = {row["class"].casefold(): row for row in findings["parser_agreement"].to_pylist() if row["source"] == "g"}
    assert set(rows) == {"bright", "dark", "middle"}
    grey = greys_of_g()
    whole = {"dark": grey <= 0.4, "middle": (grey > 0.4) & (grey <= 0.6), "bright": grey > 0.6}
    for name, (low, high) in ((name.casefold(), ends) for name, ends in CONCEPTS.items() if name != "glow"):
        sides = [whole[name], (grey > low) & (grey <= high)][:: 1 if first else -1]
        p, q, d = sides[0].mean(), sides[1].mean(), (sides[0] ^ sides[1]).mean()
        assert (rows[name]["area"], rows[name]["second_area"]) == (pytest.approx(100 * p), pytest.approx(100 * q))
        assert rows[name]["pixel_kappa"] == pytest.approx(1 - d / (p * (1 - q) + q * (1 - p)), abs=1e-9)
    assert findings["fsd_by_parser"].num_rows == (0 if first else 1)  # one class adds up to no image


def test_distances_stand_side_by_side_and_are_those_of_each_alone(found, alone):
    (row,) = found[0].findings["fsd_by_parser"].to_pylist()
    for prefix, result in (("", found[0]), ("second_", alone[0])):
        (own,) = result.findings["fsd"].to_pylist()
        for name in ("fsd", "corrected", "corrected_low", "corrected_high"):
            assert row[prefix + name] == own[name] and (own[name] is not None or "corrected" in name)
    assert "By the second parser" in found[0].report.read_text()


def test_whether_both_distances_order_generators_alike_is_told():
    def measured(**values):
        return [BothDistances(name, *(Interval(value, None, None) for value in both)) for name, both in values.items()]

    assert order_words(measured(a=(1.0, 40.0), b=(2.0, 41.0))) == "both distances put the 2 generators in one order"
    said = order_words(measured(a=(1.0, 41.0), b=(2.0, 40.0), c=(0.5, 99.0), unmeasured=(None, 3.0)))
    assert said is not None and "order is c < a < b, and by the second parser b < a < c" in said
    assert order_words(measured(a=(1.0, 40.0))) is None


def test_verdicts_stand_side_by_side_and_are_those_of_each_alone(found, alone):
    rows = found[0].findings["verdicts_by_parser"].to_pylist()
    by_itself = alone[0].findings["dropped_classes"].to_pylist()
    said = {(row["class"].casefold(), row["measure"]): (row["verdict"], row["ratio"]) for row in by_itself}
    seen = {
        (row["class"].casefold(), row["measure"]): (row["second_verdict"], row["second_ratio"]) for row in rows
        if row["second_verdict"]
    }  # fmt: skip
    assert seen == said
    own = found[0].findings["dropped_classes"].to_pylist()
    assert {(row["class"], row["measure"], row["verdict"], row["ratio"]) for row in own} == {
        (row["class"], row["measure"], row["verdict"], row["ratio"]) for row in rows if row["verdict"]
    }
    for row in rows:
        both = row["verdict"] is not None and row["second_verdict"] is not None
        assert row["same"] == ((row["verdict"] == row["second_verdict"]) if both else None)
    assert {row["class"] for row in rows if row["same"] is None} == {"middle", "glow"}


def test_page_and_terminal_tell_what_differs(found):
    page = found[0].report.read_text()
    assert "Two parsers" in page and "kappa" in page and "Verdicts that differ" in page
    said = ". ".join(agreement_words(found[0].findings))
    assert "of 2 classes that both have" in said and "1 class of the parser alone and 1 class of the second alone" in said
    assert len(unlike(found[0].findings)) == sum(
        row["same"] is False for row in found[0].findings["verdicts_by_parser"].to_pylist()
    )
    blocks = agreement_blocks(found[0].findings)
    differing, theirs = (each.rows for each in blocks[0] if isinstance(each, Table))
    assert [row["class"] for row in differing] == [one.name for one in unlike(found[0].findings)]
    assert {row["class"] for row in theirs} == {"glow"}


def test_another_size_is_given_resized_and_has_a_key_of_its_own(tmp_path):
    store, _ = driven(spec(tmp_path, resolution=4))
    rows = [row for path in store.files("images") for row in store.read(schema.RECORDS["images"], path).to_pylist()]
    assert {row["pixels"] for row in rows} == {64, 16} and len({row["key"] for row in rows}) == 4
    table = schema.RECORDS["parsed_twice"]
    twice = [row for path in store.files(table.name) for row in store.read(table, path).to_pylist()]
    assert {row["pixels"] for row in twice} == {64} and 0 < np.mean([row["alike"] for row in twice]) < 64


def test_one_network_twice_and_label_maps_are_no_second_parser(tmp_path):
    with pytest.raises(RequestError, match="the same network"):
        check(spec(tmp_path, second="Brightness"))
    asked = spec(tmp_path).model_dump(mode="json") | {"second_parser": {"kind": "masks", "classes": ["a"]}}
    with pytest.raises(RequestError, match="second_parser is of kind 'masks' and reads no images"):
        check(specs.parse(asked))


def test_names_are_matched_whatever_their_case_and_marks_and_each_once():
    first, second = {0: "void", 1: "traffic light", 2: "car", 3: "Car", 4: "sky"}, {0: "void", 5: "Traffic_Light", 6: "CAR"}
    assert matched(first, second) == {1: 5, 2: 6}


def test_of_heads_with_classes_of_one_name_the_first_are_held_together_and_none_is_left_out():
    def row(class_id, name, verdict):
        return {"class_id": class_id, "class": name, "measure": "area", "verdict": verdict, **dict.fromkeys(RATIOS, 1.0)}

    ours = [row(2, "door", "kept"), row(9, "Door", "dropped")]
    theirs = [row(3, "door", "kept"), row(7, "door", "shrunk"), row(8, "DOOR", "grew")]
    said = [(each.get("class_id"), each.get("second_class_id"), each["same"]) for each in agreement.side_by_side(ours, theirs)]
    assert said == [(2, 3, True), (9, 7, False), (None, 8, None)]
