"""A kind is one file: each test here writes one, touches nothing else, and audits with it."""

from __future__ import annotations

import importlib
import json
import linecache
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from ganaudit import kinds
from ganaudit import spec as specs
from ganaudit.auditing.driver import on_threads
from ganaudit.auditing.plan import plan
from ganaudit.auditing.run import audit, prepared
from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.fetching.wanted import check_files
from ganaudit.generators.networks.progan import progan
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASS_PIXELS, IMAGES, SOURCES
from ganaudit.studies.census import work
from ganaudit.studies.census.blocks import missing
from ganaudit.studies.inversion.record_tables import INVERSIONS

HERE = Path(__file__).parents[1]
FAMILY = '''
"""A family: flat images of one grey level, drawn from z."""
import torch
from torch import nn
from ganaudit.kinds import Kind
from ganaudit.options import Source
from ganaudit.random import normals

class FlatSource(Source):
    """Flat images."""
    light: float = 0.0
    """Added to every grey level."""

class Flat(nn.Module):
    layers, resolution = (), (8, 8)
    calls = 0
    def __init__(self, light):
        super().__init__()
        self.light = nn.Parameter(torch.tensor(light))
    def latents(self, seed, indices):
        return {"z": torch.from_numpy(normals(seed, "z", indices.numpy(), 1))}
    def run(self, state, after=None, upto=None):
        Flat.calls += 1
        return {"image": torch.tanh(state["z"] + self.light)[:, :, None, None].expand(-1, 3, 8, 8)}

KIND = Kind("NAME", FlatSource, lambda options, context: Flat(options.light), "flat images")
'''
PARSER = '''
"""A parser: dark and bright."""
import torch
from ganaudit import ClassInfo, Labels
from ganaudit.kinds import Kind
from ganaudit.options import ParserPart

class Options(ParserPart):
    """Dark and bright."""
    at: float = 0.0
    """The grey level between them."""

class Threshold:
    classes, resolution = (ClassInfo(1, "dark"), ClassInfo(2, "bright")), 8
    def __init__(self, at): self.at = at
    def parse(self, images):
        maps = 1 + (images.mean(dim=1) > self.at).long()
        return Labels(maps, torch.ones_like(images[:, 0]))

KIND = Kind("NAME", Options, lambda options, context: Threshold(options.at), "dark and bright")
'''
DATASET = '''
"""A collection of random grey levels with its own seed."""
import numpy as np
from ganaudit.datasets.protocol import Image
from ganaudit.kinds import Kind
from ganaudit.options import Source

class Options(Source):
    """Grey levels."""
    levels: int = 64
    """How many."""

class Levels:
    def __init__(self, levels, seed): self.levels, self.seed = levels, seed
    def __len__(self): return self.levels
    def image(self, index): return Image(np.full((8, 8, 3), (37 * index + self.seed) % 256, np.uint8), f"level {index}")
    def recipe(self): return {"kind": "NAME", "levels": self.levels, "seed": self.seed}

KIND = Kind("NAME", Options, lambda options, context: Levels(options.levels, context.seed), "grey levels")
'''
READING = '''
"""A reading: the sum of each channel, of the images that there are."""
from ganaudit.kinds import Kind
from ganaudit.options import Part

class Sums:
    def __init__(self): self.seen = []
    def read(self, images):
        self.seen.append(images)
        return images.double().sum(dim=(2, 3))

KIND = Kind("NAME", Part, lambda options, context: Sums(), "sums of channels")
'''
INVERTER = '''
"""An inverter: the prior's mean, not searched."""
from dataclasses import replace
from ganaudit.inversion.inverters import latent
from ganaudit.kinds import Kind
from ganaudit.options import Part

def invert(task): return replace(latent(task), method="NAME")

KIND = Kind("NAME", Part, lambda options, context: invert, "as latent does", offers=frozenset({"z"}))
'''


@pytest.fixture
def adds(tmp_path, monkeypatch):
    """Writes one file into a room, as if it lay in its folder."""

    def add(room, text, name):
        folder = tmp_path / "rooms" / room
        folder.mkdir(parents=True, exist_ok=True)
        package = importlib.import_module(kinds.FOLDERS[room])
        (folder / f"{name}.py").write_text(text.replace("NAME", name))
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        importlib.invalidate_caches()
        return lambda: sys.modules[f"{kinds.FOLDERS[room]}.{name}"]

    return add


def asked(folder, **parts):
    data = {
        "name": "n", "folder": str(HERE), "store": str(folder / "store"), "parser": {"kind": "tiny_models:Brightness"},
        "real": {"name": "real", "kind": "tiny_models:Ramp", "options": {"images": 48}},
        "generators": [{"name": "g", "kind": "tiny_models:Noise"}], "sample": {"count": 48},
        "decide": {"permutations": 0}, "run": {"device": "cpu", "workers": 1},
    }  # fmt: skip
    return specs.parse(data | parts)


def classes(spec):
    """Makes every block of an audit: the classes that its parser saw in each source, and in how many images."""
    planned, store = prepared(spec)
    list(on_threads(1)(missing(planned, store)))
    result = {}
    for source in planned.sources:
        files = [(store.shard("images", source.key, *block), store.shard("class_pixels", source.key, *block))
                 for block in source.blocks]  # fmt: skip
        assert all(set(store.read(IMAGES, images)["status"].to_pylist()) == {"ok"} for images, _ in files)
        result[source.name] = {i for _, pixels in files for i in store.read(CLASS_PIXELS, pixels)["class_id"].to_pylist()}
    return result


def test_a_generator_family_is_one_file(tmp_path, adds):
    adds("generators", FAMILY, "flat_family")
    assert kinds.summaries("generators")["flat_family"] == "flat images"
    assert classes(asked(tmp_path, generators=[{"name": "g", "kind": "flat_family"}]))["g"] == {1, 2, 3}
    keys = [
        plan(asked(tmp_path, generators=[{"name": "g", "kind": "flat_family", **own}])).sources[1].key
        for own in ({}, {"light": 0.0}, {"light": 0.5}, {"name": "h", "count": 9})
    ]
    assert keys[0] == keys[1] == keys[3] != keys[2]  # an option enters the key where it is not the default
    with pytest.raises(RequestError, match=r"generators\[0\]\.ligth: unknown key; did you mean 'light'\? There are: name, "):
        asked(tmp_path, generators=[{"name": "g", "kind": "flat_family", "ligth": 0.5}])
    with pytest.raises(RequestError, match=r"unknown kind 'flat_famly'; did you mean 'flat_family'\?"):
        asked(tmp_path, generators=[{"name": "g", "kind": "flat_famly"}])


def test_a_family_s_source_is_in_its_key_where_its_opener_says_nothing(tmp_path, adds):
    adds("generators", FAMILY, "flat_before")
    adds("generators", FAMILY + "\n# another version\n", "flat_after")
    recipes = [
        plan(asked(tmp_path, generators=[{"name": "g", "kind": kind}])).sources[1].recipe["source"]
        for kind in ("flat_before", "flat_after")
    ]
    assert recipes[0]["source"] != recipes[1]["source"] and recipes[0]["state"] == recipes[1]["state"]


def test_a_parser_family_is_one_file(tmp_path, adds):
    adds("parsers", PARSER, "threshold")
    assert classes(asked(tmp_path, parser={"kind": "threshold", "at": 0.5})) == {"real": {1, 2}, "g": {1, 2}}
    keys = {plan(asked(tmp_path, parser={"kind": "threshold", "at": at})).parser_key for at in (0.0, 0.5)}
    assert len(keys) == 2
    with pytest.raises(RequestError, match=r"parser\.att: unknown key; did you mean 'at'\? There are: kind, at"):
        asked(tmp_path, parser={"kind": "threshold", "att": 0.5})


def test_a_dataset_kind_is_one_file_for_either_side(tmp_path, adds):
    adds("datasets", DATASET, "levels")
    assert {"levels"} <= set(kinds.summaries("datasets")) & set(kinds.summaries("generators"))
    spec = asked(tmp_path, real={"name": "r", "kind": "levels"}, generators=[{"name": "g", "kind": "levels"}])
    assert classes(spec) == {"r": {1, 2, 3}, "g": {1, 2, 3}}
    real, generated = plan(spec).sources
    assert (real.count, generated.count) == (64, 48)
    assert (real.recipe["source"]["seed"], generated.recipe["source"]["seed"]) == (0, 1)
    with pytest.raises(RequestError, match=r"truth\.kind: unknown kind 'levels'"):
        asked(tmp_path, truth={"name": "t", "kind": "levels"})


def test_a_reading_is_one_file_and_sees_the_batches_that_the_parser_sees_sampled_once(tmp_path, adds):
    module = adds("features", READING, "channel_sums")
    family = adds("generators", FAMILY, "flat_counted")
    spec = asked(tmp_path, generators=[{"name": "g", "kind": "flat_counted"}], sample={"count": 40, "batch": 16})
    planned, store = prepared(spec)
    task = next(task for task in missing(planned, store) if task.asked.role == "generated")
    task = type(task)(**{**vars(task), "last": 39})
    parser, source = work.opened(task)
    first, second = (kinds.find("features", "channel_sums").open(None, Context()) for _ in range(2))
    before = family().Flat.calls
    result = list(work.read_block(task, source, (parser, first, second)))
    assert family().Flat.calls - before == 3 == len(result)  # batches: 16, 16 and 8
    assert all(a is b for a, b in zip(first.seen, second.seen, strict=True))
    assert {tuple(images.shape) for images in first.seen} == {(16, 3, 8, 8)}
    for batch, (labels, sums, again) in result:
        n = len(batch.pixels)
        pixels = batch.pixels.double().numpy() / 127.5 - 1.0
        assert np.allclose(sums[:n].numpy(), pixels.sum(axis=(1, 2)), atol=1e-3) and torch.equal(sums, again)
        assert labels.maps.shape == (16, 8, 8)
    assert type(first).__module__ == module().__name__


def test_an_inverter_is_one_file(tmp_path, adds):
    adds("inverters", INVERTER, "as_latent")
    assert kinds.summaries("inverters")["as_latent"] == "as latent does"
    heldout = {"name": "held", "kind": "tiny_models:Ramp", "options": {"images": 8}}
    spec = asked(tmp_path, heldout=heldout, invert={"methods": ["as_latent"]})
    from ganaudit.inversion.inverters import InversionResult
    from ganaudit.inversion.methods import inverter, needs

    assert spec.invert.methods == ("as_latent",) and needs("as_latent") is None
    assert callable(inverter("as_latent")) and InversionResult.__name__ == "InversionResult"
    with pytest.raises(RequestError, match=r"invert\.methods\[0\]: unknown inverter 'as_laten'; did you mean 'as_latent'\?"):
        asked(tmp_path, heldout=heldout, invert={"methods": ["as_laten"]})


def test_an_audit_inverts_by_another_kind_as_by_one_that_ships_and_its_source_is_in_the_key(tmp_path, adds):
    add = adds("inverters", INVERTER, "as_latent_too")
    torch.manual_seed(0)
    save_file(progan(4, 4, ((3,),)).state_dict(), tmp_path / "tiny.safetensors", {"kind": "progan"})
    spec = asked(
        tmp_path, generators=[{"name": "g", "kind": "progan", "weights": str(tmp_path / "tiny.safetensors")}],
        heldout={"name": "held", "kind": "tiny_models:Ramp", "options": {"images": 12}}, sample={"count": 16, "batch": 16},
        invert={"methods": ["latent", "as_latent_too"], "images": 12, "own": 8, "masked": 2, "steps": 2, "perceptual": "none",
                "precision": "float32"},
    )  # fmt: skip
    done = audit(spec)
    by = {method: [row for row in inverted(done) if row["method"] == method] for method in ("latent", "as_latent_too")}
    errors, expected = ([row["mse"] for row in by[method]] for method in ("as_latent_too", "latent"))
    assert errors == pytest.approx(expected, rel=1e-5)
    assert {row["method"] for row in done.findings["photo_verdicts"].to_pylist()} == set(by)
    assert audit(spec).worked.get("inverting", 0) == 0
    file = Path(add().__file__)
    file.write_text(file.read_text() + "# another version\n")
    linecache.checkcache()
    assert audit(spec).worked["inverting"] == len(errors)  # by the other kind alone


def inverted(done):
    """The plain rows of inversions of a finished audit."""
    rows = [
        row for file in Store(done.store).files("inversions") for row in Store(done.store).read(INVERSIONS, file).to_pylist()
    ]
    return sorted((row for row in rows if row["weighted_class"] is None), key=lambda row: (row["sample"], row["image"]))


# by entry points of other packages


def package(folder, monkeypatch, points, text=FAMILY, module="my_family"):
    """A package on the path, installed as far as importlib.metadata can tell. points: entry point → value, by group."""
    (folder / f"{module}.py").write_text(text)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "".join(f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in of.items()) for group, of in points.items())
    )
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, module, raising=False)


def test_another_package_s_family_is_found_and_imported_only_when_it_is_named(tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    package(tmp_path / "site", monkeypatch, {"ganaudit.generators": {"far": "my_family:KIND"}}, FAMILY.replace("NAME", "far"))
    asked(tmp_path)
    assert "far" in kinds.names("generators") and "my_family" not in sys.modules
    spec = asked(tmp_path, generators=[{"name": "g", "kind": "far", "light": 0.25}])
    assert "my_family" in sys.modules and spec.generators[0].light == 0.25
    assert specs.AuditSpec.model_validate_json(spec.model_dump_json()) == spec
    assert classes(spec)["g"] == {1, 2, 3}


BROKEN = {
    "raises": ("raise ValueError('torn')", "my_broken:KIND", "cannot be loaded: ValueError: torn"),
    "exits": ("import sys; sys.exit(0)", "my_broken:KIND", "cannot be loaded: SystemExit"),
    "lacks it": ("x = 1", "my_broken:KIND", "cannot be loaded: AttributeError"),
    "needs more": ("import no_such_module", "my_broken:KIND", "cannot be loaded: ModuleNotFoundError: .*no_such_module"),
    "is none": ("KIND = 3", "my_broken:KIND", "is int, not a ganaudit.kinds.Kind"),
    "is not Python": ("def", "my_broken:KIND", "cannot be loaded: SyntaxError"),
    "is another": (FAMILY.replace("NAME", "other"), "my_broken:KIND", "is the kind 'other', not .* of that name"),
}


@pytest.mark.parametrize("fault", list(BROKEN))
def test_a_broken_package_gets_a_sentence_and_stops_no_other(tmp_path, monkeypatch, fault):
    text, value, words = BROKEN[fault]
    (tmp_path / "site").mkdir()
    package(tmp_path / "site", monkeypatch, {"ganaudit.generators": {"broken": value}}, text, "my_broken")
    assert plan(asked(tmp_path)).sources[1].kind == "tiny_models:Noise"
    listed = kinds.summaries("generators")
    assert "my_broken" in listed["broken"] and listed["dcgan"].startswith("DCGAN")
    with pytest.raises(RequestError, match=rf"generators\[0\]\.kind: the kind 'broken' of the package my_broken.*{words}"):
        asked(tmp_path, generators=[{"name": "g", "kind": "broken"}])


def test_two_packages_with_one_kind_are_told_apart_and_a_package_cannot_replace_what_ships(tmp_path, monkeypatch):
    for module in ("my_one", "my_two"):
        (tmp_path / module).mkdir()
        points = {"twice": f"{module}:KIND", "dcgan": f"{module}:KIND"}
        package(tmp_path / module, monkeypatch, {"ganaudit.generators": points}, "KIND = None", module)
    with pytest.raises(RequestError, match=r"two packages bring a kind 'twice' of generators .*my_.*my_.*uninstall one"):
        kinds.find("generators", "twice")
    assert kinds.find("generators", "dcgan").summary.startswith("DCGAN")


def test_options_are_frozen_and_what_is_wrong_in_them_has_its_place(tmp_path, adds):
    adds("generators", FAMILY, "flat_frozen")
    spec = asked(tmp_path, generators=[{"name": "g", "kind": "flat_frozen"}])
    with pytest.raises(ValidationError, match="frozen"):
        spec.generators[0].light = 2.0
    with pytest.raises(RequestError) as caught:
        asked(tmp_path, generators=[{"name": "g", "kind": "flat_frozen", "light": "x"}, {"name": "h"}])
    lines = [line.strip() for line in str(caught.value).splitlines()[1:]]
    assert [line.split(":")[0] for line in lines] == ["generators[0].light", "generators[1].kind"]


def test_the_store_says_which_truncation_and_noise_a_source_was_sampled_with(tmp_path):
    weights = {"kind": "stylegan", "weights": "builtin:village-stylegan"}
    spec = asked(
        tmp_path,
        generators=[
            {"name": "plain", **weights}, {"name": "cut", **weights, "truncation": 0.5, "noise": "none"},
            {"name": "z", "kind": "dcgan", "weights": "builtin:village-wgan-gp", "truncation": 0.7},
        ],
    )  # fmt: skip
    planned, store = prepared(spec)
    rows = {s.name: store.read(SOURCES, store.source(s.key)).to_pylist()[0] for s in planned.sources}
    assert [(rows[name]["truncation"], rows[name]["noise"]) for name in ("plain", "cut", "z")] == [
        (None, "index"), (0.5, "none"), (pytest.approx(0.7), None),
    ]  # fmt: skip
    assert json.loads(rows["cut"]["recipe"])["source"]["options"] == {"truncation": 0.5, "noise": "none"}
    assert "options" not in json.loads(rows["plain"]["recipe"])["source"] and len({row["key"] for row in rows.values()}) == 4


def test_what_a_look_of_another_package_s_kind_tells_is_told_before_anything_is_opened(tmp_path, monkeypatch):
    looks = '''
from ganaudit import RequestError
from ganaudit.fields import Place

class LookedSource(FlatSource):
    """Flat images beside a file."""
    beside: Place
    """The file."""

def look(options, context):
    raise RequestError(f"{context.path(options.beside).name} is not flat")

KIND = Kind("looked", LookedSource, None, "flat images", look=look)
'''
    (tmp_path / "site").mkdir()
    package(tmp_path / "site", monkeypatch, {"ganaudit.generators": {"looked": "my_looks:KIND"}}, FAMILY + looks, "my_looks")
    spec = asked(tmp_path, generators=[{"name": "g", "kind": "looked", "beside": str(tmp_path / "a file")}])
    with pytest.raises(RequestError, match=r"^beside of 'g': there is no folder .*/a file"):
        check_files(spec)
    (tmp_path / "a file").touch()
    with pytest.raises(RequestError, match=r"^a file is not flat"):
        check_files(spec)
