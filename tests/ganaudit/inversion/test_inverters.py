"""Every registered method: where it starts, what it frees, what it keeps, and that more freedom never costs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ganaudit import kinds
from ganaudit.encoders.networks import DirectEncoder, DirectShape, LayeredEncoder, LayeredShape
from ganaudit.encoders.own import own_encoder
from ganaudit.errors import AuditError, RequestError
from ganaudit.generators.networks.progan import progan
from ganaudit.generators.shapes import choose_layers, read_shape
from ganaudit.inversion.inverters import InversionTask
from ganaudit.inversion.methods import KINDS, frees_residuals, inverter, needs, over_z
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.penalty import choose_penalty, own_penalties, typical
from ganaudit.inversion.search import Search

COUNT = 5


class WithEncoder:
    """An own encoder, of z: a random linear map of the image."""

    encodes, encoder_digest = "z", "e0"

    def encode(self, images):
        drawn = torch.Generator().manual_seed(5)
        return images.flatten(1) @ torch.randn(3 * 32 * 32, 8, generator=drawn) * 0.01


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(1)
    return progan(8, 12, ((12,), (8,), (8,))).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def task(generator):
    shape = read_shape(generator)
    choice = choose_layers(shape)
    torch.manual_seed(2)
    encoders = {
        "layered": LayeredEncoder(LayeredShape.of(shape, choice.feature, 4, 8)).eval(),
        "encoder": DirectEncoder(DirectShape.of(shape, 4, 4)).eval(),
        "own_encoder": own_encoder(WithEncoder()),
    }
    objective = Objective("mse")
    target = generator.run(generator.latents(1, torch.arange(COUNT)))["image"]
    how = Search(15, "adam", 0.05)
    return InversionTask(generator, shape, choice, objective.targets(target), range(COUNT), objective, how, encoders=encoders)


def run(task, method):
    return inverter(method)(task)


def error(task, found):
    return (found.image - task.targets.images).square().mean(dim=(1, 2, 3))


@pytest.mark.parametrize("method", [kind.name for kind in KINDS if kind.name != "reconstructions"])
def test_every_method_reports_what_it_reached(task, method):
    made = run(task, method)
    assert made.method == method and made.found.errors == (None,) * COUNT
    assert torch.allclose(made.found.loss_best, error(task, made.found), rtol=1e-4)
    assert bool((made.found.loss_best <= made.found.loss_first + 1e-7).all())
    searched = method not in ("encoder", "layered", "own_encoder")
    assert made.found.steps.tolist() == [15 if searched else 0] * COUNT
    assert bool((made.found.loss_best < made.found.loss_first).all()) == searched


@pytest.mark.parametrize("method", ["latent", "encoder+latent", "layered+latent", "own_encoder+latent"])
def test_further_starts_are_wide_around_the_own_one_and_each_images_own(task, method):
    many = replace(task, targets=task.targets.take(torch.arange(160) % COUNT), indices=range(160), search=Search(0))
    plain, several = run(many, method), run(replace(many, further_starts=2), method)
    centre = torch.zeros_like(plain.z) if method == "latent" else plain.z
    assert len(several.every) == 3 and torch.equal(several.every[0].image, plain.found.image)
    for found in several.every[1:]:
        off = found.free["z"] - centre
        assert float(off.std()) == pytest.approx(2.0, rel=0.05) and abs(float(off.mean())) < 0.1
    rows = torch.tensor([7, 3])
    alone = run(replace(many, further_starts=2, targets=many.targets.take(rows), indices=[7, 3]), method)
    for found, other in zip(alone.every, several.every, strict=True):
        assert torch.allclose(found.free["z"], other.free["z"][rows], atol=1e-5)
    searched = run(replace(task, further_starts=2), method)
    assert torch.equal(searched.found.loss_best, torch.stack([result.loss_best for result in searched.every]).amin(dim=0))


@pytest.mark.parametrize("method", ["encoder", "layered", "own_encoder", "layerwise", "own_encoder+layerwise", "feature"])
def test_what_searches_no_z_has_no_further_starts(task, method):
    assert len(run(replace(task, further_starts=2), method).every) == 1


def test_every_method_is_a_kind_that_says_what_it_needs():
    needed = {kind: needs(kind) for kind in kinds.names("inverters")}
    assert needed == {"latent": None, "encoder": "encoder", "layered": "layered", "encoder+latent": "encoder",
                      "layered+latent": "layered", "layerwise": "layered", "feature": "layered", "own_encoder": "own_encoder",
                      "own_encoder+latent": "own_encoder", "own_encoder+layerwise": "own_encoder",
                      "reconstructions": None}  # fmt: skip
    over = ["encoder+latent", "latent", "layered+latent", "own_encoder+latent"]
    assert [name for name in kinds.names("inverters") if over_z(name)] == over
    freed = [name for name in kinds.names("inverters") if frees_residuals(name)]
    assert freed == ["layerwise", "own_encoder+layerwise"]


def test_layers_and_ratios_are_what_is_freed(task):
    made = {method: run(task, method) for method in ("latent", "layerwise", "feature")}
    values = 3 * 32 * 32
    assert (made["latent"].layer, made["latent"].ratio, made["latent"].evidential) == ("z", 8 / values, True)
    assert task.choice.residuals == ("layer1",)  # 192, and 768 more would be a quarter and above
    assert (made["layerwise"].layer, made["layerwise"].ratio) == ("layer2", 192 / values) and made["layerwise"].evidential
    assert (made["feature"].layer, made["feature"].ratio, made["feature"].evidential) == ("layer2", 768 / values, False)
    assert set(made["layerwise"].found.free) == {"layer1"} and set(made["feature"].found.free) == {"layer2"}


def test_layerwise_starts_at_the_encoders_image_and_keeps_its_z(task, generator):
    start = run(task, "layered").found
    made = run(task, "layerwise")
    assert torch.allclose(made.found.loss_first, start.loss_best, rtol=1e-5)
    z = task.encoder("layered")(task.targets.images)["z"]
    state = generator.run({"z": z}, upto="layer1")
    moved = state["layer1"] + made.found.free["layer1"]
    image = generator.run({"layer1": moved}, after="layer1")["image"]
    assert torch.allclose(image, made.found.image, atol=1e-5)


def test_searches_on_z_start_at_the_inverters_estimates(task):
    for kind in ("encoder", "layered", "own_encoder"):
        assert torch.allclose(run(task, f"{kind}+latent").found.loss_first, run(task, kind).found.loss_best, rtol=1e-5)


def test_random_starts_follow_from_the_images_index_and_the_best_is_kept(task):
    several = run(replace(task, restarts=3), "latent")
    losses = torch.stack([result.loss_best for result in several.every])
    assert torch.equal(several.found.loss_best, losses.amin(dim=0)) and torch.equal(several.restart, losses.argmin(dim=0))
    assert torch.allclose(several.spread, (losses.amax(dim=0) - losses.amin(dim=0)) / losses.amin(dim=0))
    rows = torch.tensor([3, 1])
    part = run(replace(task, restarts=3, targets=task.targets.take(rows), indices=[3, 1]), "latent")
    assert torch.allclose(part.found.loss_first, several.found.loss_first[rows], rtol=1e-5)
    assert torch.allclose(part.found.loss_best, several.found.loss_best[rows], rtol=1e-3)
    assert part.restart.tolist() == several.restart[rows].tolist()


def test_a_method_without_its_inverter_says_how_to_get_one(task):
    with pytest.raises(RequestError, match=r"needs a trained inverter of kind 'layered'.*ganaudit train inverter"):
        run(replace(task, encoders={}), "layerwise")


def test_a_generator_whose_first_layer_is_too_large_is_told(task):
    nothing = choose_layers(task.shape, "layer1")
    with pytest.raises(RequestError, match=r"no layer of this generator is small enough.*layered\+latent"):
        run(replace(task, choice=nothing), "layerwise")


def test_at_the_penalty_it_tolerates_an_own_sample_saves_nine_tenths_of_what_free_residuals_save(task):
    long = replace(task, search=Search(200, "adam", 0.2, falls=(1.0,)))
    penalties, free = own_penalties(long), run(replace(long, search=long.search.part(2)), "layerwise").found
    at = replace(long, objective=Objective("mse", penalty=1.0), targets=replace(task.targets, penalties=penalties.penalty))
    found = run(replace(at, begin=free.free, search=long.search.part(3)), "layerwise").found
    saved = (free.loss_first - error(task, found)) / (free.loss_first - free.loss_best)
    assert float(saved.median()) == pytest.approx(0.9, abs=0.03)
    chosen = choose_penalty(long)
    assert chosen.weight == pytest.approx(float(penalties.penalty.median())) and chosen.images == COUNT
    assert chosen.size == pytest.approx(float(torch.quantile(penalties.size, 0.95)))


def test_it_turns_far_less_with_the_search_than_the_size_of_free_residuals_does(task):
    slow, fast = (own_penalties(replace(task, search=Search(200, "adam", rate, falls=(1.0,)))) for rate in (0.02, 0.2))
    size, penalty = ((getattr(fast, name) / getattr(slow, name)).log().abs().median() for name in ("size", "penalty"))
    assert float(size) > 1.5 and float(penalty) < 0.6 * float(size)


def test_each_own_sample_tolerates_what_it_tolerates_alone(task):
    alone = own_penalties(replace(task, targets=task.targets.take(torch.tensor([3])), indices=[3]))
    assert torch.allclose(alone.penalty, own_penalties(task).penalty[3], rtol=1e-4)


def test_without_an_own_sample_that_can_be_inverted_there_is_no_penalty():
    with pytest.raises(AuditError, match="penalty cannot be set"):
        typical(torch.tensor([float("nan"), float("inf")]))


def test_latents_take_all_steps_in_one_fall_and_what_else_is_free_has_trials(task):
    how = Search(15, "adam", 0.05, falls=(2.0, 0.3, 0.5), further=(1.0, 4.0))
    plainly = replace(how, falls=(2.0,), further=())
    for kind in KINDS:
        if kind.name not in ("encoder", "layered", "own_encoder", "reconstructions"):
            steps = run(replace(task, search=how), kind.name).found.steps.tolist()
            assert set(steps) <= ({15} if over_z(kind.name) else {12, 22})
    with_trials, without = (run(replace(task, search=search), "latent").found for search in (how, plainly))
    assert torch.equal(with_trials.image, without.image)
