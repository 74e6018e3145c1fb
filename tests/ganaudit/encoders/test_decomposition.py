"""Average, deviation and what is left of a vector, against values that are known and against each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganaudit.encoders.decomposition import average, correlation, deviation, standardised

RAMP = [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("other", "rho"),
    [([2 * v + 7 for v in RAMP], 1.0), ([-v for v in RAMP], -1.0), ([1.0, -1.0, -1.0, 1.0], 0.0), ([1.0, 3.0, 2.0, 4.0], 0.8)],
)
def test_known_correlations(other, rho):
    result = correlation(torch.tensor([RAMP]).double(), torch.tensor([other]).double())
    assert result.item() == pytest.approx(rho, abs=1e-12)


def test_it_is_pearsons_of_each_pair_whatever_scale_and_shift():
    a, b = torch.randn(5, 9, dtype=torch.float64), torch.randn(5, 9, dtype=torch.float64)
    expected = [np.corrcoef(x, y)[0, 1] for x, y in zip(a.numpy(), b.numpy(), strict=True)]
    assert correlation(a, b).tolist() == pytest.approx(expected, abs=1e-12)
    scaled = b * torch.rand(5, 1).double().add(0.1) + torch.randn(5, 1)
    assert correlation(a, scaled).tolist() == pytest.approx(expected, abs=1e-12)


def test_of_random_vectors_it_is_what_an_untrained_encoder_gets():
    torch.manual_seed(0)
    result = correlation(torch.randn(20_000, 128), torch.randn(20_000, 128))
    assert abs(result.mean().item()) < 0.003 and result.std().item() == pytest.approx(127**-0.5, rel=0.02)


def test_what_is_left_has_average_0_deviation_1_and_the_distance_that_the_correlation_says():
    a, b = torch.randn(6, 11, dtype=torch.float64) * 4 + 3, torch.randn(6, 11, dtype=torch.float64)
    left = standardised(a)
    assert average(left).abs().max() < 1e-14 and np.allclose(left.numpy().std(axis=1), 1.0)
    assert torch.allclose(deviation(a)[:, None] * left + average(a)[:, None], a)
    distance = (left - standardised(b)).square().sum(dim=1)
    assert torch.allclose(distance, 2 * 11 * (1 - correlation(a, b)))


def test_the_correlation_pulls_at_neither_average_nor_deviation():
    z, v = torch.randn(4, 16, dtype=torch.float64), torch.randn(4, 16, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(correlation(z, v).sum(), v)
    centred = (v - v.mean(dim=1, keepdim=True)).detach()
    assert gradient.sum(dim=1).abs().max() < 1e-10 and (gradient * centred).sum(dim=1).abs().max() < 1e-10
    assert gradient.abs().max() > 1e-3


def test_of_a_constant_vector_nothing_is_left_and_nothing_is_infinite():
    v = torch.full((1, 5), 3.0, requires_grad=True)
    rho = correlation(torch.randn(1, 5), v)
    rho.sum().backward()
    assert rho.item() == 0.0 and bool(v.grad.isfinite().all())
