"""Where generators lie in checkpoints as people have them."""

import pytest
import torch

from ganaudit.state_dicts import state_dicts

OURS, OTHER = ({f"main.{k}.weight": torch.full((2, 2), value) for k in range(2)} for value in (1.0, 2.0))
DISCRIMINATOR = {"main.0.weight": torch.zeros(3, 3)}
ADAM = {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.zeros(2, 2)}}, "param_groups": [{"lr": 0.1}]}
COUNTERS = {"initted": torch.tensor(True), "step": torch.tensor(3)}


def under(prefix, tensors=OURS):
    return {prefix + name: value for name, value in tensors.items()}


def lightning(prefix, **others):
    beside = {"callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.5)}}, "optimizer_states": [ADAM]}
    named = [value for prefix, tensors in others.items() for value in under(f"{prefix}.", tensors).items()]
    return {"epoch": 3, **beside, "state_dict": {**dict(named), **under(prefix), **under("discriminator.", DISCRIMINATOR)}}


LAYOUTS = {
    "bare": OURS, "parallel": under("module."), "compiled": under("_orig_mod."), "both": under("module._orig_mod."),
    "both, the other way": under("_orig_mod.module."), "sharded": under("_fsdp_wrapped_module."),
    "a module compiled": under("netG._orig_mod."), "averaged by PyTorch": {"n_averaged": torch.tensor(3), **under("module.")},
    "averaged by ema-pytorch": {**COUNTERS, **under("online_model.", OTHER), **under("ema_model.")},
    "that beside the model": {"step": 5, "model": OTHER, "opt": ADAM, "ema": {**COUNTERS, **under("ema_model.")}},
    "averaged by timm": {"model": OTHER, "ema": under("module.")},
    "an average beside": {"generator": under("module.", OTHER), "generator_ema": under("module.")},
    "an optimiser beside": {"netG": OURS, "netD": DISCRIMINATOR, "optimizerG": ADAM, "loss": torch.tensor(1.0)},
    "Lightning": lightning("generator."), "Lightning, a name of its own": lightning("gan.g_net."),
    "Lightning, compiled": lightning("G._orig_mod."), "Lightning, an average": lightning("ema_generator.", generator=OTHER),
    "a list": [OURS, DISCRIMINATOR], "a list under a key": {"networks": [OURS, DISCRIMINATOR]},
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_first_that_is_called_as_a_generator_is_it(layout):
    found = [tensors for _, tensors in state_dicts(LAYOUTS[layout])]
    whole = next(tensors for tensors in found if tensors.keys() == OURS.keys())
    assert all(torch.equal(value, OURS[name]) for name, value in whole.items())


def test_one_of_several_parts_is_not_taken_for_the_whole():
    content = {"fc.weight": torch.zeros(2, 2), **OURS}
    assert [sorted(tensors) for _, tensors in state_dicts(content)] == [["fc.weight", "main.0.weight", "main.1.weight"]]


def test_no_discriminator_and_no_optimiser_is_a_generator():
    for content in (under("discriminator.", DISCRIMINATOR), {"netD": DISCRIMINATOR, "optimizerG": ADAM}):
        assert all(name.startswith("discriminator.") for _, tensors in state_dicts(content) for name in tensors)
