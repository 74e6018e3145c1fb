"""The loss of each image, term by term, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from ganaudit.errors import RequestError
from ganaudit.inversion.objective import Objective, prior_term
from ganaudit.inversion.perceptual import open_perceptual


def images(seed, n=3, side=8):
    return torch.rand((n, 3, side, side), generator=torch.Generator().manual_seed(seed)) * 2.0 - 1.0


def loss(objective, image, target, **rest):
    return objective.terms(image, objective.targets(target), **rest)


def test_pixel_terms_are_means_over_each_image_alone():
    a, b = images(1), images(2)
    for name, by_hand in {
        "mse": lambda x, y: ((x - y) ** 2).mean(),
        "l1": lambda x, y: (x - y).abs().mean(),
        "bce": lambda x, y: torch.nn.functional.binary_cross_entropy((x + 1) / 2, (y + 1) / 2),
    }.items():
        result = loss(Objective(name), a, b)["loss"]
        assert result.tolist() == pytest.approx([by_hand(x, y).item() for x, y in zip(a, b, strict=True)], rel=1e-5)


def test_the_cross_entropy_of_black_and_white_is_finite_and_least_at_the_target():
    extreme = torch.ones(1, 3, 4, 4)
    extreme[..., :2] = -1.0
    result = loss(Objective("bce"), torch.cat([extreme, -extreme]), extreme.expand(2, -1, -1, -1))["loss"]
    assert result.isfinite().all() and float(result[0]) < 1e-4 < 10.0 < float(result[1])


def test_creswells_objective_is_mse_plus_alpha_times_half_the_mean_square_and_a_constant():
    a, b, z = images(1), images(2), torch.randn(3, 7, generator=torch.Generator().manual_seed(3))
    result = loss(Objective("mse", prior=0.01), a, b, z=z)["loss"]
    by_hand = ((a - b) ** 2).mean(dim=(1, 2, 3)) + 0.01 * (0.5 * (z**2).mean(dim=1) + 0.918938533)
    assert torch.allclose(result, by_hand, atol=1e-6)
    assert prior_term(torch.zeros(2, 5)).tolist() == pytest.approx([0.918938533] * 2, abs=1e-6)
    density = torch.distributions.Normal(0.0, 1.0).log_prob(z).mean(dim=1)
    assert torch.allclose(prior_term(z), -density, atol=1e-6)


def test_the_penalty_is_the_sum_over_layers_of_mean_squares():
    a, residuals = images(1), {"layer1": torch.full((3, 2, 4, 4), 0.5), "layer2": torch.full((3, 8, 1, 1), 2.0)}
    result = loss(Objective("l1", penalty=0.1), a, a, residuals=residuals)
    assert result["residual"].tolist() == pytest.approx([4.25] * 3) and result["loss"].tolist() == pytest.approx([0.425] * 3)
    assert loss(Objective("l1"), a, a, residuals=residuals)["loss"].tolist() == [0.0] * 3


def test_the_mask_weighted_search_counts_what_is_inside_the_mask_ten_times():
    a, b = images(1), images(2)
    inside = torch.zeros(3, 8, 8, dtype=torch.bool)
    inside[:, 2:4, 2:6] = True
    objective = Objective("mse")
    result = objective.terms(a, objective.targets(b, inside))["loss"]
    weights = torch.where(inside, 10.0, 1.0)[:, None].expand(-1, 3, -1, -1)
    by_hand = (weights * (a - b) ** 2).sum(dim=(1, 2, 3)) / weights.sum(dim=(1, 2, 3))
    assert torch.allclose(result, by_hand, rtol=1e-5)


def test_the_mask_weighted_search_weighs_a_perceptual_term_too():
    a, b = images(1, side=16), images(2, side=16)
    objective = Objective("mse", open_perceptual("pyramid"))
    inside = torch.zeros(3, 16, 16, dtype=torch.bool)
    inside[:, :8] = True
    same_below = torch.cat([a[:, :, :8], b[:, :, 8:]], dim=2)  # differs inside the mask alone
    plain = objective.terms(same_below, objective.targets(b))["perceptual"]
    weighted = objective.terms(same_below, objective.targets(b, inside))["perceptual"]
    assert torch.allclose(weighted, plain * 10.0 / 5.5, rtol=1e-5)


def test_unknown_terms_and_weights_that_are_no_weights_are_refused():
    with pytest.raises(RequestError, match="no pixel loss 'mae'; there are mse, l1, bce"):
        Objective("mae")
    for value in (-1.0, math.nan, math.inf):
        with pytest.raises(RequestError, match=r"penalty is .*; it is a number from 0 on"):
            Objective(penalty=value)


def test_the_recipe_names_everything_that_decides_the_loss():
    recipes = [
        Objective().recipe(), Objective("l1").recipe(), Objective(perceptual=open_perceptual("pyramid")).recipe(),
        Objective(prior=0.1).recipe(), Objective(penalty=0.1).recipe(),
    ]  # fmt: skip
    assert len({str(sorted(recipe.items(), key=str)) for recipe in recipes}) == len(recipes)
