"""The references' settings by name: what they fill in, what contradicts them, and that they are what is searched with."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torchvision.models

from ganaudit import spec as specs
from ganaudit.auditing.plan import plan
from ganaudit.encoders.networks import LayeredEncoder, LayeredShape
from ganaudit.errors import RequestError
from ganaudit.generators.networks.progan import progan
from ganaudit.generators.shapes import choose_layers, read_shape
from ganaudit.inversion.inverters import InversionTask
from ganaudit.inversion.methods import KINDS, inverter
from ganaudit.inversion.presets import PRESETS, default_search
from ganaudit.inversion.search import Search
from ganaudit.spec import Invert
from ganaudit.studies.inversion.asked import settings_of


def asked(folder="", **invert):
    return specs.parse({
        "name": "n", "store": str(folder or "store"), "parser": {"kind": "unet", "weights": "builtin:village"},
        "real": {"name": "village", "kind": "village", "count": 64, "heldout": 40}, "sample": {"count": 64},
        "generators": [{"name": "g", "kind": "village"}], "invert": invert, "run": {"workers": 1, "device": "cpu"},
    })  # fmt: skip


def test_presets_are_the_references_settings():
    bau = PRESETS["bau-2019"]
    assert (bau.method, bau.search.steps, bau.search.optimiser, bau.search.rate) == ("layerwise", 3000, "adam", 0.01)
    rates = [bau.search.rate_at(step) for step in (0, 799, 800, 1200, 1800, 2999)]
    assert rates == [0.01, 0.01, 0.005, 0.0025, 0.00125, 0.00125]
    assert (bau.pixel, bau.perceptual, bau.perceptual_weight, bau.penalty) == ("l1", "vgg16-raw", 1.0, 1.0)
    creswell = PRESETS["creswell-2018"]
    assert (creswell.method, creswell.search.optimiser, creswell.prior) == ("latent", "rmsprop", 0.01)
    assert {preset.method for preset in PRESETS.values()} <= {kind.name for kind in KINDS}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_fills_in_its_keys_and_the_audit_file_may_repeat_them(name):
    preset, spec = PRESETS[name], asked(preset=name, images=7)
    result = spec.invert
    assert (result.methods, result.steps, result.restarts) == ((preset.method,), preset.search.steps, preset.restarts)
    assert (result.perceptual, result.images, result.batch) == (preset.perceptual, 7, 32)
    assert specs.parse(spec.model_dump(mode="json")) == spec  # what a run keeps of its audit file can be read again
    assert asked(preset=name, methods=[preset.method], steps=preset.search.steps).invert.preset == name


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"preset": "bau"}, "no preset 'bau'; there are bau-2019"), ({"preset": ""}, "no preset ''"),
        ({"preset": 2019}, "no preset 2019"), ({"preset": ["bau-2019"]}, "no preset"),
        ({"preset": "bau-2019", "steps": 300}, "preset bau-2019 sets steps to 3000 and 300 is asked for"),
        ({"preset": "bau-2019", "methods": ["latent"]}, "sets methods"),
        ({"preset": "bau-2019", "methods": ["layerwise", "latent"]}, "sets methods"),
        ({"preset": "bau-2019", "methods": "layerwise"}, "sets methods"),
        ({"preset": "bau-2019", "perceptual": "pyramid"}, "sets perceptual to vgg16-raw"),
        ({"preset": "creswell-2018", "restarts": 5}, "sets restarts to 1 and 5"),
        ({"preset": "creswell-2018", "steps": "many"}, "sets steps"),
    ],
)  # fmt: skip
def test_what_contradicts_a_preset_is_a_mistake_of_the_audit_file(given, sentence):
    with pytest.raises(RequestError, match=sentence) as refused:
        asked(**given)
    assert "mistake" in str(refused.value) and "invert" in str(refused.value)


def test_without_a_preset_the_search_is_the_default_one():
    result = settings_of(Invert(batch=8, restarts=2), {})
    trials = {"falls": (2.0, 0.3, 0.5), "further": (1.0, 4.0)}
    assert result.search == Search(500, "adam", 0.1, **trials, eigenbasis=True, batch=8) and result.restarts == 2
    assert result.objective.recipe() == {"pixel": "mse", "perceptual": "pyramid", "weights": None, "perceptual_weight": 1.0,
                                        "prior": 0.0, "penalty": 0.0}  # fmt: skip
    assert result.search == replace(default_search(Invert().steps), batch=8)
    assert [len(default_search(steps).falls) for steps in (1, 499, 500, 9000)] == [1, 1, 3, 3]


@pytest.mark.parametrize("name", ["creswell-2018-bce", "bau-2019-latent"])
def test_a_search_is_made_by_a_presets_settings(name):
    torch.manual_seed(1)
    generator = progan(8, 12, ((12,), (8,))).eval().requires_grad_(False)
    shape = read_shape(generator)
    choice = choose_layers(shape, "layer2")
    encoder = LayeredEncoder(LayeredShape.of(shape, choice.feature, 4, 8)).eval()
    preset = PRESETS[name]
    settings = settings_of(asked(preset=name, batch=3).invert, {"layered": encoder})
    assert settings.search == replace(preset.search, batch=3)
    recipe = settings.objective.recipe()
    assert (recipe["pixel"], recipe["prior"], recipe["perceptual"]) == (preset.pixel, preset.prior, preset.perceptual)
    target = generator.run(generator.latents(1, torch.arange(3)))["image"].clamp(-1, 1)
    task = InversionTask(generator, shape, choice, settings.objective.targets(target), range(3), settings.objective,
                replace(settings.search, steps=6), encoders={"layered": encoder})  # fmt: skip
    result = inverter(preset.method)(task).found
    assert bool((result.loss_best < result.loss_first).all()) and result.errors == (None,) * 3
    if preset.perceptual == "inverter":
        other = LayeredEncoder(LayeredShape.of(shape, choice.feature, 4, 8)).eval()
        changed = settings_of(asked(preset=name).invert, {"layered": other}).objective.recipe()
        assert recipe["weights"] and changed["weights"] != recipe["weights"]


def test_a_presets_penalty_is_taken_as_it_is_and_enters_the_key():
    plain = Invert.model_construct(preset="bau-2019-demo", methods=("layerwise",), perceptual="none")
    settings = settings_of(plain, {})
    assert settings.objective.penalty == settings.objective.recipe()["penalty"] == 1.0


@pytest.mark.parametrize(
    ("invert", "sentence"),
    [
        ({"preset": "bau-2019"}, r"vgg16.* cannot be downloaded .*give a local file of them"),
        ({"preset": "bau-2019-demo"}, "cannot be downloaded"), ({"perceptual": "vgg16"}, "cannot be downloaded"),
        ({"preset": "bau-2019", "perceptual_weights": "none.pth"}, "perceptual_weights: there is no file .*none.pth"),
        ({"perceptual": "inverter"}, "stands only in a preset"),
        ({"perceptual": "lpips"}, "lpips-alex.*read as the text 'lpips'"),
        ({"perceptual": "pyramid", "perceptual_weights": "x.pth"}, "has no weights; leave perceptual_weights out"),
    ],
)  # fmt: skip
def test_a_perceptual_term_that_cannot_be_had_is_told_before_anything_is_parsed(tmp_path, monkeypatch, invert, sentence):
    def refuse(**_):
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.models, "vgg16", lambda weights: refuse() if weights is not None else None)
    with pytest.raises(RequestError, match=sentence):
        plan(asked(tmp_path / "store", **invert))
    assert not (tmp_path / "store").exists()
