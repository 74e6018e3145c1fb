"""Checks of layers in half precision that families share."""

import torch

from ganaudit import weights
from ganaudit.context import Context
from ganaudit.conversion import convert
from ganaudit.generators import precision
from ganaudit.generators.layouts import made_with
from ganaudit.generators.opening import open_generator
from ganaudit.kinds import find


def opened_as(folder, kind, content, **said):
    torch.save(content, folder / f"{kind}.pt")
    options = find("generators", kind).options.model_validate({"name": "g", "kind": kind, "weights": f"{kind}.pt", **said})
    return open_generator(options, Context(folder))


def check_half(folder, kind, tensors, layers, step):
    """`precision: half` gives what float32 gives up to its rounding, in those layers. step: the rounding of a number, as a
    share of it."""
    plain, half = (opened_as(folder, kind, tensors, precision=said).generator for said in ("float32", "half"))
    assert set(half.halves) == layers and not plain.halves
    latents = plain.latents(1, torch.arange(2))
    begun = False
    with torch.inference_mode():
        exact, image = plain.run(latents)["image"], half.run(latents)["image"]
        for name in half.layers:
            given, found = plain.run(latents, upto=name)[name], half.run(latents, upto=name)[name]
            apart = float((given - found).abs().max() / given.abs().max())
            begun = begun or name in layers
            assert found.dtype == torch.float32 and (step / 100 < apart < 20 * step if begun else apart == 0), name
            assert torch.equal(half.run(half.run(latents, upto=name), after=name)["image"], image), name
    assert 0 < float((exact - image).abs().max()) < 40 * step
    with torch.enable_grad():
        assert torch.equal(half.run(latents)["image"], exact)


def check_said(folder, kind, tensors, key, said, layers):
    """On a GPU those layers are halved that a file with such arguments says, and nowhere else by itself; converted, too."""
    generator = opened_as(folder, kind, {"G_ema": {key: said, "state_dict": tensors}}).generator
    told = made_with(weights.opened(f"{kind}.pt", folder), "G_ema.state_dict")
    convert(str(folder / f"{kind}.pt"), folder / "converted")
    assert told == made_with(weights.opened(f"converted/{kind}.G_ema.state_dict.safetensors", folder), "")
    asked = {
        (how, device): set(precision.halves(generator, how, device, told))
        for how in ("auto", "float32", "half") for device in ("cpu", "mps", "cuda", "cuda:1")
    }  # fmt: skip
    assert not generator.halves
    assert asked["auto", "cuda"] == asked["auto", "cuda:1"] == layers
    assert layers in (set(), asked["half", "cpu"])
    assert not asked["float32", "cuda"] | asked["auto", "cpu"] | asked["auto", "mps"]
