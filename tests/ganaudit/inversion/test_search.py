"""The batched search: each image as if it were alone, against plain loops with torch's own optimisers."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from reference import SIZES, TinyProGAN, residual_search, standard_sample

from ganaudit.errors import RequestError
from ganaudit.generators.networks.progan import progan
from ganaudit.inversion import search as searching
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.perceptual import Perceptual
from ganaudit.inversion.search import Search, search, search_all
from ganaudit.inversion.search_space import SearchSpace


class Bowl:
    """A generator whose images are its latent: a search in it is a search in a bowl."""

    resolution, layers = 2, ("layer1",)

    def run(self, state, after=None, upto=None):
        return {**state, "image": state["z"].reshape(-1, 3, 2, 2)}


def bowl(n=3, seed=0):
    draws = torch.randn(2, n, 12, generator=torch.Generator().manual_seed(seed))
    return SearchSpace(Bowl(), {"z": draws[0]}, latent=True), draws[1].reshape(n, 3, 2, 2)


def small_progan(seed=1):
    torch.manual_seed(seed)
    return progan(8, 16, ((16,), (8,))).eval().requires_grad_(False)


def own_samples(generator, count=6):
    latents, starts = generator.latents(1, torch.arange(count)), generator.latents(2, torch.arange(count))
    return generator.run(latents)["image"], SearchSpace(generator, starts, latent=True)


def losses(found, row=0):
    return list(found.curves[row].terms["loss"])


def test_the_residual_search_takes_the_references_steps():
    generator = TinyProGAN()
    z, other = standard_sample(1, SIZES[0], 3), standard_sample(1, SIZES[0], 4)
    target = generator.run({"z": other})["image"]
    by_hand = residual_search(generator, z, target, 20, 0.01)
    identity = Perceptual("identity", lambda x: (x,), lambda _, a, b: (a - b).abs())
    objective = Objective("l1", identity, penalty=1.0)
    space = SearchSpace(generator, {"z": z}, residuals=("layer1", "layer2", "layer3"))
    result = search(space, objective, objective.targets(target), Search(20, "adam", 0.01, log_every=1))
    assert losses(result)[:20] == pytest.approx(by_hand, rel=1e-4)
    assert by_hand[-1] < 0.9 * by_hand[0]


@pytest.mark.parametrize("name, theirs", [("adam", torch.optim.Adam), ("rmsprop", torch.optim.RMSprop)])
def test_steps_are_torchs_with_the_rate_halved_where_it_is_said(name, theirs):
    space, target = bowl(1)
    z = space.state["z"].clone().requires_grad_(True)
    optimiser = theirs([z], lr=0.1)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [5, 8], gamma=0.5)
    by_hand = []
    for _ in range(15):
        loss = (z.reshape(target.shape) - target).square().mean() + 0.01 * (0.5 * z.square() + 0.918938533).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        by_hand.append(loss.item())
    objective = Objective("mse", prior=0.01)
    how = Search(15, name, 0.1, halve_at=(5, 8), log_every=1)
    result = search(space, objective, objective.targets(target), how)
    assert losses(result)[:15] == pytest.approx(by_hand, rel=1e-5)
    assert torch.allclose(result.free["z"], z.detach(), atol=1e-5)


def test_in_each_part_the_rate_falls_along_half_a_cosine():
    how = Search(80, "adam", 0.1, falls=(1.0, 2.0, 0.5))
    rates = [how.rate_at(step) for step in range(60)]
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR
    for first, end, start in ((0, 26, 0.1), (26, 52, 0.2), (52, 60, 0.05)):
        optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=start)
        by_torch = schedule(optimiser, end - first, eta_min=start / 100)
        for step in range(first, end):
            assert rates[step] == pytest.approx(optimiser.param_groups[0]["lr"])
            optimiser.step()
            by_torch.step()
    assert rates[25] < 0.0015 and "falls" not in Search().recipe() and how.recipe()["falls"] == [1.0, 2.0, 0.5]


def test_every_trial_begins_at_the_start_and_the_last_part_at_each_images_best():
    generator = small_progan()
    target, space = own_samples(generator)
    objective, fall = Objective("mse"), Search(30, "adam", 0.05, falls=(4.0,), log_every=1)
    targets = objective.targets(target)
    low, high = search(space, objective, targets, fall), search(space, objective, targets, replace(fall, falls=(8.0,)))
    trials = search(space, objective, targets, replace(fall, steps=90, falls=(4.0, 8.0, 4.0)))
    assert set((high.loss_best < low.loss_best).tolist()) == {False, True}, "no image is better by the other trial: a weak test"
    for row in range(len(target)):
        along = losses(trials, row)
        assert along[:31] == losses(low, row) and along[31:61] == losses(high, row)[1:]
        better = min((low, high), key=lambda trial: float(trial.loss_best[row]))
        begin = {name: value[row : row + 1] for name, value in better.free.items()}
        state = {**space.take(torch.tensor([row])).state, "z": begin["z"]}
        on = search(replace(space, state=state), objective, objective.targets(target[row : row + 1]), replace(fall, steps=9))
        assert along[61:] == pytest.approx(losses(on)[1:], rel=1e-3)
    assert bool((trials.loss_best <= torch.minimum(low.loss_best, high.loss_best)).all())


def test_only_images_whose_trials_do_not_agree_are_tried_again(monkeypatch):
    generator = small_progan()
    target, space = own_samples(generator, 8)
    objective, targets = Objective("mse"), Objective("mse").targets(target)
    how = Search(30, "adam", 0.05, falls=(4.0, 8.0, 2.0), further=(1.0,), log_every=1)
    one, other = (search(space, objective, targets, replace(how, steps=10, falls=(rate,), further=())) for rate in (4.0, 8.0))
    apart = (one.loss_best - other.loss_best).abs() / torch.minimum(one.loss_best, other.loss_best)
    middle = float(apart.sort().values[3:5].mean())
    for line, expected in ((middle, apart > middle), (1e9, apart < 0), (0.0, apart > 0)):
        monkeypatch.setattr("ganaudit.inversion.search.APART", line)
        result = search(space, objective, targets, how)
        assert torch.equal(result.steps, torch.where(expected, 33, 23))
        without = search(space, objective, targets, replace(how, further=()))
        with_all = search(space, objective, targets, replace(how, falls=(4.0, 8.0, 1.0, 2.0), further=()))
        for row, again in enumerate(expected.tolist()):
            assert losses(result, row) == pytest.approx(losses(with_all if again else without, row), rel=1e-4)
            assert result.curves[row].steps == tuple(range(int(result.steps[row]) + 1))
            assert float(result.loss_best[row]) == pytest.approx(min(losses(result, row)), rel=1e-4)
            assert losses(result, row)[int(result.best_step[row])] == pytest.approx(min(losses(result, row)), rel=1e-4)


@pytest.mark.parametrize("falls", [(), (0.4, 2.0, 0.6)])
def test_an_image_alone_and_in_a_batch_takes_the_same_steps(falls):
    generator = small_progan()
    target, space = own_samples(generator, 8)
    further = (1.0,) if falls else ()
    objective, how = Objective("mse"), Search(80, "adam", 0.05, falls=falls, further=further, log_every=1)
    together = search(space, objective, objective.targets(target), how)
    for row in (0, 5):
        rows = torch.tensor([row])
        alone = search(space.take(rows), objective, objective.targets(target[rows]), how)
        assert losses(together, row)[:20] == pytest.approx(losses(alone)[:20], rel=1e-5)
        assert float(together.loss_best[row]) == pytest.approx(float(alone.loss_best), rel=1e-3)


@pytest.mark.parametrize("optimiser, rate, steps", [("adam", 0.05, 150), ("rmsprop", 0.02, 150), ("lbfgs", 1.0, 30)])
def test_own_samples_come_back(optimiser, rate, steps):
    generator = small_progan()
    target, space = own_samples(generator)
    near = {"z": space.generator.latents(1, torch.arange(6))["z"] + 0.3 * space.state["z"]}
    objective = Objective("mse")
    how = Search(steps, optimiser, rate, halve_at=(80, 120) if steps > 120 else ())
    result = search(replace(space, state=near), objective, objective.targets(target), how)
    assert bool((result.loss_best < 0.05 * result.loss_first).all())


def test_lbfgs_finds_the_bottom_of_a_bowl_in_a_few_steps_and_each_row_by_itself():
    space, target = bowl(4)
    scale = torch.tensor([1.0, 3.0, 10.0, 30.0])[:, None, None, None]
    objective = Objective("mse")
    how = Search(12, "lbfgs", 1.0)
    together = search(space, objective, objective.targets(target * scale), how)
    assert bool((together.loss_best < 1e-8 * together.loss_first).all())
    alone = search(space.take(torch.tensor([2])), objective, objective.targets(10.0 * target[2:3]), how)
    assert torch.allclose(alone.free["z"], together.free["z"][2:3], atol=1e-5)


def rosenbrock(x):
    return ((1 - x[:, :-1]) ** 2 + 100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2).sum(dim=1)


def test_lbfgs_crosses_a_bent_valley():
    from ganaudit.inversion.optimisers import LBFGS, Evaluation

    def evaluate(x):
        x = x.detach().requires_grad_(True)
        value = rosenbrock(x)
        (slope,) = torch.autograd.grad(value.sum(), x)
        return Evaluation(value.detach(), slope, {"loss": value.detach()})

    x = torch.tensor([[-1.2, 1.0, -1.2, 1.0], [2.0, 2.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0]], dtype=torch.float64)
    optimiser, here = LBFGS(x), evaluate(x)
    for _ in range(80):
        before = here.loss
        x, here = optimiser.step(x, here, 1.0, evaluate)
        assert bool((here.loss <= before).all())  # no row ever gets worse
    assert bool((here.loss < 1e-10).all()) and torch.allclose(x, torch.ones_like(x), atol=1e-4)


def test_the_best_step_is_kept_however_the_search_ends():
    space, target = bowl(2)
    objective = Objective("mse")
    result = search(space, objective, objective.targets(target), Search(40, "adam", 2.0, log_every=1))  # far too fast
    for row in range(2):
        assert result.best_step[row] == losses(result, row).index(min(losses(result, row)))
        assert float(result.loss_best[row]) == pytest.approx(min(losses(result, row)), rel=1e-5)
        image = result.free["z"][row].reshape(3, 2, 2)
        assert float((image - target[row]).square().mean()) == pytest.approx(float(result.loss_best[row]), rel=1e-5)
        assert torch.equal(result.image[row], image)


def test_the_gradients_norm_and_the_residuals_size_are_those_of_the_best_step():
    space, target = bowl(2)
    objective = Objective("mse")
    result = search(space, objective, objective.targets(target), Search(3, "adam", 0.1))
    by_hand = (2.0 / 12.0 * (result.free["z"] - target.flatten(1))).norm(dim=1)
    assert torch.allclose(result.gradient_norm, by_hand, rtol=1e-5)
    generator = small_progan()
    images, space = own_samples(generator, 2)
    space = SearchSpace(generator, space.state, residuals=("layer1", "layer2"))
    result = search(space, objective, objective.targets(images), Search(5, "adam", 0.1))
    free = torch.cat([result.free[name].flatten(1) for name in ("layer1", "layer2")], dim=1)
    assert torch.allclose(result.residual, free.square().mean(dim=1).sqrt()) and bool((result.residual > 0).all())


def test_an_image_stops_when_it_no_longer_gets_better_and_the_others_go_on():
    space, target = bowl(3)
    target[1] = space.state["z"][1].reshape(3, 2, 2)  # already there
    objective = Objective("mse")
    how = Search(60, "adam", 0.02, patience=5)
    result = search(space, objective, objective.targets(target), how)
    assert result.steps[1] == 5 < result.steps[0] == 60
    alone = search(space.take(torch.tensor([0])), objective, objective.targets(target[:1]), how)
    assert torch.allclose(alone.free["z"], result.free["z"][:1], atol=1e-6)
    assert result.curves[1].steps == (0,) and result.curves[0].steps[-1] == 60


class Cliff(Bowl):
    """A bowl with an edge: beyond it, images are not finite."""

    def run(self, state, after=None, upto=None):
        z = state["z"]
        return {**state, "image": torch.where(z > 1.0, torch.nan, z).reshape(-1, 3, 2, 2)}


def test_a_search_that_diverges_is_set_aside_with_its_step_and_the_batch_goes_on():
    space = SearchSpace(Cliff(), {"z": torch.zeros(3, 12)}, latent=True)
    space.state["z"][2] = 5.0
    target = torch.zeros(3, 3, 2, 2)
    target[0], target[1] = 0.5, 9.0
    objective = Objective("mse")
    result = search(space, objective, objective.targets(target), Search(60, "adam", 0.1))
    assert result.errors[0] is None and float(result.loss_best[0]) < 1e-3
    assert result.errors[1].startswith("the loss is no longer finite at step 1") and bool(result.image[1].isfinite().all())
    assert float(result.free["z"][1].amax()) <= 1.0 and result.best_step[1] == result.steps[1] - 1
    assert result.errors[2] == "the loss is no longer finite at step 0" and bool(result.loss_best[2].isnan())


def test_no_steps_are_the_start_itself():
    space, target = bowl(2)
    objective = Objective("mse")
    result = search(space, objective, objective.targets(target), Search(0))
    assert torch.equal(result.free["z"], space.state["z"]) and torch.equal(result.loss_first, result.loss_best)
    assert result.steps.tolist() == [0, 0] and result.errors == (None, None)


def test_batches_in_order_give_what_one_batch_gives():
    space, target = bowl(7)
    objective, how = Objective("mse"), Search(10, "adam", 0.1)
    whole, _ = search_all(space, objective, objective.targets(target), how)
    parts, note = search_all(space, objective, objective.targets(target), replace(how, batch=3))
    assert note is None and torch.equal(whole.free["z"], parts.free["z"]) and len(parts.curves) == len(parts.errors) == 7


def test_out_of_memory_halves_the_batch_and_says_so_once(monkeypatch):
    space, target = bowl(8)
    objective, real, sizes = Objective("mse"), searching.search, []

    def crowded(space, objective, targets, how):
        sizes.append(len(targets))
        if len(targets) > 3:
            raise torch.OutOfMemoryError("no room")
        return real(space, objective, targets, how)

    monkeypatch.setattr(searching, "search", crowded)
    result, note = search_all(space, objective, objective.targets(target), Search(2, batch=8))
    assert sizes == [8, 4, 2, 2, 2, 2] and len(result.errors) == 8
    assert "out of memory" in note and re.findall(r"\d+", note) == ["8", "2"]  # what was too much, what was enough


def test_half_precision_changes_the_final_loss_by_little_and_is_measured_in_full():
    generator = small_progan()
    target, space = own_samples(generator)
    objective = Objective("mse")
    full, half = (
        search(space, objective, objective.targets(target), Search(60, "adam", 0.05, precision=name))
        for name in ("float32", "bfloat16")
    )
    by_hand = (space.image({"z": half.free["z"]}) - target).square().mean(dim=(1, 2, 3))
    assert torch.allclose(half.loss_best, by_hand, rtol=1e-4) and half.image.dtype == torch.float32
    assert float(half.loss_best.mean()) < 1.2 * float(full.loss_best.mean())


def test_a_search_ends_in_full_precision_from_its_best_point_in_half(monkeypatch):
    generator = small_progan()
    target, space = own_samples(generator)
    objective, real, calls = Objective("mse"), searching.evaluation, []

    def watched(space, objective, targets, flat, x, precision):
        made = real(space, objective, targets, flat, x, precision)
        calls.append((precision, made.loss.detach().clone()))
        return made

    monkeypatch.setattr(searching, "evaluation", watched)
    result = search(space, objective, objective.targets(target), Search(20, "adam", 0.05, precision="bfloat16"))
    # A start, also in float32, and 18 moves; where it stands and its best point again; two moves; the last look.
    assert [precision for precision, _ in calls] == ["bfloat16", "float32"] + ["bfloat16"] * 18 + ["float32"] * 5
    assert torch.equal(result.loss_first, calls[1][1])
    exact = torch.stack([loss for _, loss in calls[20:-1]])
    assert torch.allclose(result.loss_best, exact.min(dim=0).values, rtol=1e-5)


def test_wrong_settings_are_refused():
    with pytest.raises(RequestError, match="no optimiser 'sgd'; there are adam, rmsprop, lbfgs"):
        Search(optimiser="sgd")
    with pytest.raises(RequestError, match="float32 or bfloat16, not in 'float16'"):
        Search(precision="float16")
    with pytest.raises(RequestError, match="steps and patience from 0 on"):
        Search(steps=-1)
    with pytest.raises(RequestError, match="multiple of the rate above 0"):
        Search(falls=(1.0, 0.0))
