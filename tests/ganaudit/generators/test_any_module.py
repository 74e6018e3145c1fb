"""Any module as a generator: its layers by the names of its submodules, whatever its forward does."""

from __future__ import annotations

import copy
import threading

import pytest
import torch
from torch import nn

import ganaudit
from ganaudit.errors import RequestError
from ganaudit.generators.opening import check_protocol
from ganaudit.generators.protocol import LayeredGenerator, spaces_of
from ganaudit.generators.shapes import choose_layers, generator_digest, read_shape
from ganaudit.inversion.search_space import with_residuals
from ganaudit.random import normals, uniforms
from ganaudit.trial import try_generator


def chain() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.ConvTranspose2d(6, 5, 4), nn.BatchNorm2d(5), nn.ReLU(),
        nn.ConvTranspose2d(5, 4, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(4, 3, 4, 2, 1), nn.Tanh(),
    ).eval()  # fmt: skip


class Skips(nn.Module):
    """Two blocks, and an image that grows beside them: no chain."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second = nn.ConvTranspose2d(6, 5, 4), nn.ConvTranspose2d(5, 4, 4, 2, 1)
        self.small, self.large = nn.Conv2d(5, 3, 1), nn.Conv2d(4, 3, 1)

    def forward(self, z, label=None, bright=0.0):
        one = self.first(z[:, :, None, None]).relu()
        if label is not None:
            one = one * (1.0 + label.float()[:, None, None, None])
        two = self.second(one).relu()
        return nn.functional.interpolate(self.small(one), scale_factor=2.0) + self.large(two) + bright


def test_a_chain_cut_by_names_is_that_chain_of_layers():
    network = chain()
    found = ganaudit.layered(network, (6, 1, 1), ["2", "4"])
    first = nn.Sequential(nn.Unflatten(1, (6, 1, 1)), *network[:3])
    plain = LayeredGenerator(6, [("2", first), ("4", network[3:5])], network[5:], 16)
    z = found.latents(3, torch.arange(4))
    assert torch.equal(z["z"], torch.from_numpy(normals(3, "latent z", range(4), 6))) and found.resolution == (16, 16)
    residuals = {"2": torch.randn(4, 5, 4, 4), "4": torch.randn(4, 4, 8, 8)}
    assert torch.equal(found.run(z)["image"], network(z["z"][:, :, None, None]))
    for upto in ("2", "4"):
        assert torch.equal(found.run(z, upto=upto)[upto], plain.run(z, upto=upto)[upto])
    moved, expected = (with_residuals(each, z, residuals)["image"] for each in (found, plain))
    assert torch.allclose(moved, expected, atol=1e-6) and not torch.allclose(moved, found.run(z)["image"], atol=1e-2)
    assert read_shape(found) == read_shape(plain) and choose_layers(read_shape(found)).residuals == ("2",)


def test_what_passes_a_layer_by_is_made_of_the_moved_layer_too():
    network = Skips().eval()
    found = ganaudit.layered(network, 6, ["first", "second"])
    state = found.latents(0, torch.arange(2))
    d = torch.randn(2, 5, 4, 4)
    with torch.no_grad():
        one = (network.first(state["z"][:, :, None, None]) + d).relu()  # the residual is on the submodule's own output
        two = network.second(one)
        expected = nn.functional.interpolate(network.small(one), scale_factor=2.0) + network.large(two.relu())
        other = network.large((two + 1.0).relu()) - network.large(two.relu())
    assert torch.allclose(with_residuals(found, state, {"first": d})["image"], expected, atol=1e-5)
    both = with_residuals(found, state, {"first": d, "second": torch.ones(2, 4, 8, 8)})["image"]
    assert torch.allclose(both, expected + other, atol=1e-5)


def test_gradients_reach_z_and_residuals():
    found = ganaudit.layered(chain(), (6, 1, 1), ["2"])
    z, d = torch.randn(1, 6, requires_grad=True), torch.zeros(1, 5, 4, 4, requires_grad=True)
    with_residuals(found, {"z": z}, {"2": d})["image"].square().sum().backward()
    assert z.grad.abs().sum() > 0 and d.grad.abs().sum() > 0


def test_without_names_it_is_one_layer_and_z_alone_is_free():
    found = ganaudit.layered(chain(), (6, 1, 1))
    shape = read_shape(found)
    assert [(layer.name, layer.size) for layer in shape.layers] == [("whole", 3 * 16 * 16)]
    choice = choose_layers(shape)
    assert choice.residuals == () and choice.evidential
    state = found.latents(0, torch.arange(2))
    assert torch.equal(found.run(found.run(state, upto="whole"), after="whole")["image"], found.run(state)["image"])
    with pytest.raises(RequestError, match="layer 'b4' does not exist; this generator has whole"):
        found.run(state, upto="b4")


def test_classes_are_drawn_by_index_and_given_after_z():
    found = ganaudit.layered(Skips(), 6, classes=3)
    state = found.latents(7, torch.arange(50))
    assert state["label"].tolist() == [int(3 * u) for u in uniforms(7, "class", range(50), 1)[:, 0]]
    assert set(state["label"].tolist()) == {0, 1, 2}
    assert torch.equal(found.run(state)["image"], Skips()(state["z"], state["label"]).detach())
    one = ganaudit.layered(Skips(), 6, classes=3, label=2)
    assert one.latents(7, torch.arange(5))["label"].tolist() == [2] * 5
    check_protocol(found, "g", 1)
    try_generator(found, "g", 1, "cpu", None)

    class OneHot(nn.Module):
        def forward(self, z, y):
            return (z[:, :3] * y)[:, :, None, None].expand(-1, -1, 4, 4)

    hot = ganaudit.layered(OneHot(), 6, classes=3, class_as="one-hot")
    state = hot.latents(7, torch.arange(9))
    image = hot.run(state)["image"][:, :, 0, 0]
    assert torch.equal(image != 0, nn.functional.one_hot(state["label"], 3).bool())


def test_the_values_of_black_and_white_and_further_inputs():
    z = torch.randn(3, 6)
    plain = Skips()(z).detach()
    wide = ganaudit.layered(Skips(), 6, range=(0, 255), arguments={"bright": 5.0})
    assert torch.allclose(wide(z), (plain + 5.0) / 255.0 * 2.0 - 1.0, atol=1e-5)


def test_grey_and_channels_last_become_three_channels_first():
    class Grey(nn.Module):
        def forward(self, z):
            return [{}, None] if z.ndim == 9 else (z.reshape(-1, 4, 4, 1), z)

    found = ganaudit.layered(Grey(), 16)
    z = torch.randn(2, 16)
    assert torch.equal(found(z), z.reshape(2, 1, 4, 4).expand(-1, 3, -1, -1))


def test_z_may_be_uniform_or_truncated():
    uniform = ganaudit.layered(chain(), (6, 1, 1), prior="uniform")
    z = uniform.latents(1, torch.arange(500))["z"]
    assert -1 <= z.min() < -0.99 and 0.99 < z.max() <= 1 and abs(z.var().item() - 1 / 3) < 0.02
    cut = ganaudit.layered(chain(), (6, 1, 1), truncation=0.5)
    assert cut.latents(1, torch.arange(100))["z"].abs().max() <= 0.5
    priors = [space.prior for made in (uniform, cut) for space in spaces_of(made)]
    assert priors == ["uniform between ±1", "normal between ±0.5"]
    digests = {generator_digest(each) for each in (uniform, cut, ganaudit.layered(chain(), (6, 1, 1)))}
    assert len(digests) == 3


def test_a_network_of_one_image_at_a_time_is_asked_so():
    class One(nn.Module):
        def forward(self, z):
            return z.reshape(1, 3, 2, 2)

    found = ganaudit.layered(One(), 12)
    z = torch.randn(5, 12)
    assert found.batch == 1 and torch.equal(found(z), z.reshape(5, 3, 2, 2))


def test_threads_and_copies_do_not_meet():
    found = ganaudit.layered(chain(), (6, 1, 1), ["2", "4"])
    state = found.latents(0, torch.arange(2))
    whole, middle, twin = found.run(state)["image"], found.run(state, upto="4"), copy.deepcopy(found)
    with torch.no_grad():
        twin.network[0].weight.zero_()
    wrong = []

    def work(call, expected):
        wrong.extend(number for number in range(30) if not torch.equal(call(), expected))

    calls = [
        (lambda: found.run(state)["image"], whole), (lambda: found.run(state, upto="4")["4"], middle["4"]),
        (lambda: found.run(middle, after="4")["image"], whole),
    ]  # fmt: skip
    threads = [threading.Thread(target=work, args=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and not torch.equal(twin.run(state)["image"], whole)


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.same = nn.Conv2d(3, 3, 1)
        self.pair = nn.ModuleList([nn.Identity()])
        self.flat = nn.Linear(12, 12)

    def forward(self, z):
        return self.same(self.same(self.flat(z).reshape(-1, 3, 2, 2)))


@pytest.mark.parametrize(
    ("network", "latent", "layers", "words"),
    [
        (chain, (6, 1, 1), ["b4"], "no submodule 'b4'; it has 0, 1, 2, 3"),
        (chain, (6, 1, 1), ["4", "2"], "in the order in which they are named; of these ran: 2, 4"),
        (Twice, 12, ["same"], "run once each.*of these ran: same, same"),
        (Twice, 12, ["pair.0"], "of these ran: none"),
        (Twice, 12, ["flat"], r"its submodule 'flat' gives 1×12; a layer gives one tensor \(N, C, h, w\)"),
        (lambda: nn.Linear(4, 4), 4, [], "what it gives has the shape 1×4, and images are N×3×H×W"),
    ],
)
def test_what_is_no_generator_is_told_in_a_sentence(network, latent, layers, words):
    with pytest.raises(RequestError, match=words):
        ganaudit.layered(network(), latent, layers)
