"""A lower precision is used only where it hardly changes where a search ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ganaudit.generators.networks.progan import progan
from ganaudit.generators.shapes import choose_layers, read_shape
from ganaudit.inversion import precision
from ganaudit.inversion.inverters import InversionTask, latent, picked
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.precision import choose_precision
from ganaudit.inversion.search import Search


@pytest.fixture(scope="module")
def task():
    torch.manual_seed(1)
    generator = progan(8, 12, ((12,), (8,), (8,))).eval().requires_grad_(False)
    shape, objective = read_shape(generator), Objective("mse")
    target = generator.run(generator.latents(1, torch.arange(10)))["image"]
    return InversionTask(generator, shape, choose_layers(shape), objective.targets(target), range(10), objective, Search(10))


def scaled(factor):
    """A method whose losses in bfloat16 are `factor` times those in float32."""

    def method(task):
        made = latent(replace(task, search=replace(task.search, precision="float32")))
        by = factor if task.search.precision == "bfloat16" else 1.0
        return replace(made, found=replace(made.found, loss_best=made.found.loss_best * by))

    return method


@pytest.mark.parametrize(("factor", "name"), [(1.0, "bfloat16"), (1.005, "bfloat16"), (1.02, "float32"), (0.98, "float32")])
def test_less_than_one_percent_decides(task, factor, name):
    result = choose_precision(task, scaled(factor), "bfloat16")
    assert (result.name, result.images) == (name, 8)
    assert result.change == pytest.approx(abs(factor - 1.0), abs=1e-6)


def test_the_change_is_that_of_real_searches_in_either_measured_in_full(task, monkeypatch):
    """Searches of the first eight in float32 and in bfloat16; each final loss anew, in float32, from the latent alone."""
    targets = task.targets.images[:8]
    eight = replace(task, targets=task.objective.targets(targets), indices=range(8))
    ended = {}
    for name in ("float32", "bfloat16"):
        z = latent(replace(eight, search=replace(task.search, precision=name))).z
        ended[name] = float((task.generator(z) - targets).square().mean())
    change = abs(ended["bfloat16"] - ended["float32"]) / ended["float32"]
    assert 1e-5 < change < 0.01  # rounding, and no more than that
    for factor, chosen in ((1.05, "bfloat16"), (0.95, "float32")):
        monkeypatch.setattr(precision, "TOLERATED", factor * change)
        result = choose_precision(task, latent, "bfloat16")
        assert (result.name, result.change, result.images) == (chosen, pytest.approx(change, rel=0.01), 8)


def test_losses_that_are_not_finite_are_refused(task):
    result = choose_precision(task, scaled(float("nan")), "bfloat16")
    assert (result.name, result.change, result.images) == ("float32", None, 8)


def test_nothing_is_tried_where_there_is_no_choice_or_no_search(task):
    assert choose_precision(task, picked, "float32").images == 0
    still = replace(task, search=replace(task.search, steps=0))
    assert choose_precision(still, latent, "bfloat16").name == "float32"
