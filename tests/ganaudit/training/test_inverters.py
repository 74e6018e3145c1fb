"""Training inverters: on own samples alone, gradients zeroed, losses by hand, and the same whether stopped or not."""

from __future__ import annotations

import json

import pytest
import torch

from ganaudit.encoders.files import open_inverter
from ganaudit.encoders.networks import DirectEncoder, LayeredEncoder
from ganaudit.errors import RequestError
from ganaudit.generators.networks.progan import progan
from ganaudit.generators.shapes import generator_digest
from ganaudit.training.inverters import InverterRecipe, InverterTraining
from ganaudit.training.loop import Budget, train
from ganaudit.training.making import make_inverter

CPU = torch.device("cpu")


def generator(seed=1):
    torch.manual_seed(seed)
    return progan(8, 16, ((16,), (8,))).eval().requires_grad_(False)


def training(method="layered", seed=1, **changes):
    return InverterTraining(generator(), InverterRecipe(method, "layer2", batch=8, **changes), seed, CPU)


def run(trained, first, last, total):
    return [trained.step(number, number / total) for number in range(first, last)]


def test_parts_follow_each_other_and_each_teaches_its_own_parameters():
    trained = training()
    assert isinstance(trained.encoder, LayeredEncoder) and trained.feature == "layer2"
    seen = [tuple(losses) for losses in run(trained, 0, 20, 20)]
    assert seen == [("r",)] * 7 + [("layer1", "layer2")] * 4 + [("z", "r", "r again", "x")] * 9
    trained = training()
    before = {name: value.clone() for name, value in trained.encoder.named_parameters()}
    trained.step(0, 0.0)
    moved = {name for name, value in trained.encoder.named_parameters() if not torch.equal(value, before[name])}
    assert moved == {name for name in before if name.startswith("features.")}
    before = {name: value.clone() for name, value in trained.encoder.named_parameters()}
    trained.step(1, 0.4)
    moved = {name for name, value in trained.encoder.named_parameters() if not torch.equal(value, before[name])}
    assert moved == {name for name in before if name.startswith("inv")}


def test_training_lowers_the_error_on_samples_that_it_has_not_seen():
    for method in ("layered", "encoder"):
        trained = training(method, rate=5e-3, joint_rate=3e-3)
        before = trained.figures(64)
        run(trained, 0, 120, 120)
        after = trained.figures(64)
        assert after["psnr_z"] > before["psnr_z"] + 1.0 and after["z_cosine"] > before["z_cosine"] + 0.1
        assert (method == "layered") == ("psnr_r" in after)


def test_the_inverters_losses_are_left_plus_a_hundredth_of_right():
    trained = training(loss="cosine")
    truth = trained.samples(5, 0, 4)
    result = trained._inverters(truth)

    def cosine(a, b):
        return (1.0 - (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))).mean()

    guess = trained.encoder.inverter("layer2")(truth["layer2"])
    again = generator().run({"layer1": guess}, after="layer1", upto="layer2")["layer2"]
    assert result["layer2"].item() == pytest.approx(
        (cosine(truth["layer1"], guess) + 0.01 * cosine(truth["layer2"], again)).item(), rel=1e-3
    )


def test_gradients_do_not_pile_up_over_steps():
    trained = training()
    trained.step(0, 0.0)
    first = trained.encoder.features.conv1.weight.grad.clone()
    for optimiser in trained.optimisers.values():
        for group in optimiser.param_groups:
            group["lr"] = 0.0
    fresh = training()
    fresh.step(0, 0.0)
    fresh.step(1, 0.05)
    again = training()
    again.encoder.load_state_dict(fresh.encoder.state_dict())
    assert not torch.allclose(fresh.encoder.features.conv1.weight.grad, first)  # another batch's gradient, not the sum
    norm = fresh.encoder.features.conv1.weight.grad.norm() / first.norm()
    assert 0.1 < float(norm) < 1.7


def test_stopped_and_gone_on_is_the_same_training():
    whole = training()
    run(whole, 0, 12, 12)
    first = training()
    run(first, 0, 6, 12)
    second = training(seed=1)
    second.load(first.state())
    run(second, 6, 12, 12)
    for name, value in whole.weights().items():
        assert torch.equal(value, second.weights()[name]), name


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    train(training(), tmp_path, Budget(steps=2))
    others = {
        "seed 1, not 2": training(seed=2), "recipe": training(rate=1.0),
        "data": InverterTraining(generator(2), InverterRecipe(layer="layer2", batch=8), 1, CPU),
    }  # fmt: skip
    for differs, other in others.items():
        with pytest.raises(RequestError, match=f"holds another training .*{differs}"):
            train(other, tmp_path, Budget(steps=2))


def test_unknown_methods_and_losses_are_refused():
    with pytest.raises(RequestError, match="no inverter 'latent' to train; there are layered, encoder"):
        InverterRecipe("latent")
    with pytest.raises(RequestError, match="no inversion loss 'l2'"):
        InverterRecipe(loss="l2")


@pytest.mark.parametrize("method, kind", [("layered", LayeredEncoder), ("encoder", DirectEncoder)])
def test_an_inverter_is_made_with_its_card_and_opens_for_its_generator_alone(tmp_path, method, kind):
    spent = []
    path = make_inverter(
        generator(), "mine", InverterRecipe(method, batch=8), tmp_path, lambda share, *_: spent.append(share),
        Budget(steps=5), device="cpu", command="how",
    )  # fmt: skip
    opened = open_inverter(path, generator_digest(generator()))
    assert isinstance(opened.encoder, kind) and path.name == f"mine-{method}.safetensors" and spent[-1] == 1.0
    card = json.loads((tmp_path / f"mine-{method}.card.json").read_text())
    assert card["generator"] == generator_digest(generator()) and card["command"] == "how"
    assert (card["steps"], card["images"], len(spent)) == (5, 40, 5) and card["figures"].keys() >= {"psnr_z", "z_cosine"}
    assert (tmp_path / "picture.png").is_file()
    with pytest.raises(RequestError, match="knows one generator alone"):
        open_inverter(path, generator_digest(generator(2)))
