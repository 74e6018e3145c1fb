"""A lower precision is used only where it hardly changes where a search ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ganaudit.generators.progan import progan
from ganaudit.inversion import precision
from ganaudit.inversion.inverters import Task, latent, picked
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.precision import choose_precision
from ganaudit.inversion.search import Search
from ganaudit.inversion.shapes import choose_layers, read_shape
from ganaudit.random import normals


@pytest.fixture(scope="module")
def task():
    torch.manual_seed(1)
    generator = progan(8, 12, ((12,), (8,), (8,))).eval().requires_grad_(False)
    shape, objective = read_shape(generator), Objective("mse")
    target = generator.run(generator.latents(1, torch.arange(10)))["image"]
    return Task(generator, shape, choose_layers(shape), objective.targets(target), range(10), objective, Search(10))


def scaled(factor):
    """A method whose losses in bfloat16 are `factor` times those in float32."""

    def method(task):
        made = latent(replace(task, search=replace(task.search, precision="float32")))
        by = factor if task.search.precision == "bfloat16" else 1.0
        return replace(made, found=replace(made.found, loss_best=made.found.loss_best * by))

    return method


@pytest.mark.parametrize(("factor", "name"), [(1.0, "bfloat16"), (1.005, "bfloat16"), (1.02, "float32"), (0.98, "float32")])
def test_less_than_one_percent_decides(task, factor, name):
    found = choose_precision(task, scaled(factor), "bfloat16")
    assert (found.name, found.images) == (name, 8)
    assert found.change == pytest.approx(abs(factor - 1.0), abs=1e-6)


@pytest.mark.parametrize(("tolerated", "name"), [(1.0, "bfloat16"), (1e-9, "float32")])
def test_the_change_is_that_of_searches_that_were_made_in_either(task, monkeypatch, tolerated, name):
    """Both searches by hand, in bfloat16 under autocast; final losses in float32 of the latents that were found."""
    monkeypatch.setattr(precision, "TOLERATED", tolerated)
    found = choose_precision(task, latent, "bfloat16")
    ended = {}
    for half in (False, True):
        z = torch.from_numpy(normals(task.seed, "inversion start 0", range(8), task.shape.latent)).requires_grad_(True)
        optimiser, losses, places = torch.optim.Adam([z], lr=task.search.rate), [], []
        for _ in range(11):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
                image = task.generator(z)
            loss = (image.float() - task.targets.images[:8]).square().mean(dim=(1, 2, 3))
            losses.append(loss.detach())
            places.append(z.detach().clone())
            optimiser.zero_grad()
            loss.sum().backward()
            optimiser.step()
        best = torch.stack(losses).argmin(dim=0)
        z = torch.stack(places)[best, torch.arange(8)]
        ended[half] = float((task.generator(z) - task.targets.images[:8]).square().mean())
    change = abs(ended[True] - ended[False]) / ended[False]
    assert 0 < found.change < 0.02 and found.change == pytest.approx(change, abs=0.005)
    assert (found.name, found.images) == (name, 8)


def test_losses_that_are_not_finite_are_refused(task):
    found = choose_precision(task, scaled(float("nan")), "bfloat16")
    assert (found.name, found.change, found.images) == ("float32", None, 8)


def test_nothing_is_tried_where_there_is_no_choice_or_no_search(task):
    assert choose_precision(task, picked, "float32").images == 0
    still = replace(task, search=replace(task.search, steps=0))
    assert choose_precision(still, latent, "bfloat16").name == "float32"
