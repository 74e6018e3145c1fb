"""The fused copy of a generator: the same function and slopes as the generator itself, which stays as it is."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from reference import TinyProGAN

from ganaudit.generators.networks.dcgan import dcgan
from ganaudit.generators.networks.progan import pixel_norm, progan
from ganaudit.inversion.fused import _leaky_norm, doubled, search_twin
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.search import Search, search
from ganaudit.inversion.search_space import SearchSpace
from ganaudit.state import state_digest


def small(family, seed=3):
    torch.manual_seed(seed)
    made = progan(8, 16, ((16, 16), (8,))) if family == "progan" else dcgan(8, 16, (16, 8))
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias)
    return made.eval()


@pytest.mark.parametrize("family", ["progan", "dcgan"])
def test_image_layers_and_slopes_are_the_generators(family):
    generator = small(family)
    copied, z = search_twin(generator, "float32"), torch.randn(5, 8)
    assert copied is not generator and copied.layers == generator.layers
    state, other = {"z": z}, {"z": z}
    for before, name in zip((None, *generator.layers), generator.layers, strict=False):
        state, other = (result.run(held, after=before, upto=name) for result, held in ((generator, state), (copied, other)))
        assert torch.allclose(other[name], state[name], atol=1e-5), name
    weights, slopes = torch.randn(5, 3, *generator.resolution), []
    for result in (generator, copied):
        free = z.clone().requires_grad_()
        (result.run({"z": free})["image"] * weights).sum().backward()
        slopes.append(free.grad)
    assert torch.allclose(slopes[1], slopes[0], rtol=1e-4, atol=1e-5)


def test_doubling_then_convolving_is_one_transposed_convolution():
    x, weight = torch.randn(2, 4, 5, 6), torch.randn(3, 4, 3, 3)
    expected = F.conv2d(F.interpolate(x, scale_factor=2.0, mode="nearest"), weight, padding=1)
    assert torch.allclose(F.conv_transpose2d(x, doubled(weight), stride=2, padding=1), expected, atol=1e-5)


@pytest.mark.parametrize("family", ["progan", "dcgan"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_generator_stays_as_it_is(family, precision):
    generator = small(family)
    before = state_digest(generator)
    copied = search_twin(generator, precision)
    assert state_digest(generator) == before
    kinds = {value.dtype for name, value in copied.named_parameters() if name.startswith("layer2")}
    assert kinds == {getattr(torch, precision)}
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
        image = copied.run({"z": torch.randn(3, 8, generator=torch.Generator().manual_seed(0))})["image"]
    exact = generator.run({"z": torch.randn(3, 8, generator=torch.Generator().manual_seed(0))})["image"]
    assert float((image - exact).detach().abs().max()) < (1e-5 if precision == "float32" else 0.1)


@pytest.mark.parametrize("channels", [6, 16, 48])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_activation_and_norm_are_the_generators_at_any_width(channels, precision):
    """Autograd's slope of the generator's own two functions, in float64, of the same rounded numbers."""
    x, gradient = (torch.randn(3, channels, 5, 4).to(precision) for _ in range(2))
    mine, exact = x.clone().requires_grad_(), x.double().requires_grad_()
    y, wanted = _leaky_norm(mine), pixel_norm(F.leaky_relu(exact, 0.2))
    y.backward(gradient)
    wanted.backward(gradient.double())
    for result, right in ((y, wanted), (mine.grad, exact.grad)):
        assert result.shape == right.shape and result.dtype == precision
        assert float((result.double() - right).detach().abs().max()) < (0.04 if precision == torch.bfloat16 else 1e-5)


def test_a_generator_of_no_known_family_is_its_own_fused_copy():
    stranger, training = TinyProGAN(), small("dcgan").train()
    assert search_twin(stranger, "bfloat16") is stranger
    assert search_twin(training, "float32") is training  # batch norm of a batch is not part of a convolution


@pytest.mark.parametrize("family", ["progan", "dcgan"])
def test_alone_and_in_a_batch_the_same_steps_are_taken(family):
    generator = small(family)
    target = generator.run({"z": torch.randn(6, 8)})["image"].detach()
    objective, start = Objective("mse"), torch.randn(6, 8)
    how = Search(60, "adam", 0.05, log_every=1)

    def curve(rows):
        space = SearchSpace(generator, {"z": start[rows]}, latent=True)
        return search(space, objective, objective.targets(target[rows]), how).curves

    together = curve(torch.arange(6))
    for row in (0, 4):
        alone, batched = (torch.tensor(result.terms["loss"]) for result in (curve(torch.tensor([row]))[0], together[row]))
        assert torch.allclose(alone[:20], batched[:20], rtol=1e-5)
        assert alone[-1].item() == pytest.approx(batched[-1].item(), rel=1e-3)
