"""A generator is a chain of named layers that can be cut anywhere; a user's own is checked for what the audit relies on."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from ganaudit.errors import RequestError
from ganaudit.generators.networks import dcgan, progan
from ganaudit.generators.opening import check_protocol, remarks
from ganaudit.generators.protocol import Generator
from ganaudit.random import normals

BODIES = {"dcgan": lambda: dcgan.dcgan(6, 8, (6, 4)), "progan": lambda: progan.progan(6, 8, ((6, 5), (4,)))}


@pytest.fixture(params=list(BODIES))
def generator(request):
    torch.manual_seed(0)
    made = BODIES[request.param]().eval()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return made


def test_latents_are_the_draws_of_seed_and_index(generator):
    result = generator.latents(3, torch.tensor([5, 0]))
    assert torch.equal(result["z"], torch.from_numpy(normals(3, "latent z", [5, 0], 6)))
    with pytest.raises(TypeError):
        result["z"] = 1


@torch.inference_mode()
def test_an_image_has_its_latent_alone_in_any_batch_and_its_pixels_to_rounding(generator):
    whole = generator.latents(1, torch.arange(40))
    images = generator.run(whole)["image"]
    for index in (0, 17, 39):
        alone = generator.latents(1, torch.tensor([index]))
        assert torch.equal(alone["z"][0], whole["z"][index])
        assert generator.run(alone)["image"][0] == pytest.approx(images[index], abs=1e-5)
    assert len(torch.unique(whole["z"], dim=0)) == 40


@torch.inference_mode()
def test_running_up_to_a_layer_and_after_it_is_running_through(generator):
    latents = generator.latents(1, torch.arange(3))
    whole = generator.run(latents)["image"]
    assert tuple(whole.shape) == (3, 3, *generator.resolution)
    assert whole.abs().max() <= 1
    for layer in generator.layers:
        part = generator.run(latents, upto=layer)
        assert set(part) == {"z", layer}
        assert torch.equal(generator.run(part, after=layer)["image"], whole)
        assert torch.equal(generator.run({layer: part[layer]}, after=layer)["image"], whole)
        with pytest.raises(TypeError):
            part[layer] = 0


@torch.inference_mode()
def test_running_between_two_layers_is_that_part_of_the_chain(generator):
    latents = generator.latents(1, torch.arange(2))
    first, *_, last = generator.layers
    state = generator.run(generator.run(latents, upto=first), after=first, upto=last)
    assert torch.equal(state[last], generator.run(latents, upto=last)[last])


@torch.inference_mode()
def test_a_changed_activation_changes_the_image(generator):
    state = generator.run(generator.latents(1, torch.arange(2)), upto="layer2")
    other = generator.run({"layer2": state["layer2"] + 0.5}, after="layer2")["image"]
    assert not torch.equal(other, generator.run(state, after="layer2")["image"])


@pytest.mark.parametrize("where", ["after", "upto"])
def test_a_layer_that_does_not_exist_is_answered_with_those_that_do(generator, where):
    with pytest.raises(RequestError, match="layer 'layer9' does not exist; this generator has layer1, layer2, layer3"):
        generator.run(generator.latents(1, torch.arange(1)), **{where: "layer9"})


def test_every_layer_doubles_the_side_from_4(generator):
    latents = generator.latents(1, torch.arange(1))
    sides = [generator.run(latents, upto=name)[name].shape[-1] for name in generator.layers]
    assert sides == [4 * 2**k for k in range(len(sides))] and generator.resolution == (sides[-1], sides[-1])


def test_it_is_a_generator_and_calling_it_samples_it(generator):
    assert isinstance(generator, Generator)
    latents = generator.latents(1, torch.arange(2))
    assert torch.equal(generator(latents["z"]), generator.run(latents)["image"])
    check_protocol(generator, "g", 1)


# a user's own


def own(**changes):
    def run(state):
        return {**state, "image": state["z"].tanh().reshape(-1, 3, 2, 2)}

    def latents(seed, indices):
        return {"z": torch.from_numpy(normals(seed, "latent z", indices.numpy(), 12))}

    return SimpleNamespace(**{"resolution": 2, "layers": (), "run": run, "latents": latents, **changes})


def spoiled(key):
    """Latents drawn from torch's global generator: another for every call, or for every place in the batch."""

    def latents(seed, indices):
        if key == "unseeded":
            return {"z": torch.randn(len(indices), 12)}
        return {"z": torch.randn(len(indices), 12, generator=torch.Generator().manual_seed(seed))}

    return latents


def picture(state):
    return state["z"].tanh().reshape(-1, 3, 2, 2)


def made(change):
    """A generator whose images are changed."""
    return {"run": lambda state: {**state, "image": change(picture(state))}}


def failing(*_):
    raise ZeroDivisionError("by zero")


def spoiled_from(first):
    """Images `first` and later are not finite."""

    def run(state):
        return {**state, "image": picture(state) / (state["index"] < first)[:, None, None, None]}

    def latents(seed, indices):
        return {"z": torch.from_numpy(normals(seed, "latent z", indices.numpy(), 12)), "index": indices}

    return {"run": run, "latents": latents}


@pytest.mark.parametrize("first", [1, 2, 5])
def test_a_few_odd_images_are_left_to_be_set_aside_one_by_one(first):
    check_protocol(own(**spoiled_from(first)), "g", 1)


@pytest.mark.parametrize("changes, told", [
    (made(torch.sigmoid), True), (made(lambda image: image.abs()), True), (made(torch.zeros_like), True),
    ({}, False), (made(lambda image: image - 0.2), False),
])  # fmt: skip
def test_images_without_a_value_below_0_are_remarked_upon(changes, told):
    result = remarks(own(**changes), 1)
    assert bool(result) == told and all("look like [0, 1]" in note for note in result)


def test_a_plain_object_that_keeps_the_protocol_is_taken():
    check_protocol(own(), "g", 1)


@pytest.mark.parametrize("changes, reason", [
    ({"run": None}, "this one has no run"), ({"latents": 3}, "this one has no latents"),
    ({"resolution": None}, "the attribute resolution"), ({"resolution": "64"}, "the attribute resolution"),
    ({"layers": None}, "the attribute layers"), ({"layers": ["a"]}, "the attribute layers"),
    ({"run": lambda state: {}}, "holds 'image'; this one holds nothing"),
    ({"run": lambda state: dict(state)}, "holds 'image'; this one holds 'z'"),
    ({"run": lambda state: None}, "not None"), ({"run": picture}, "not of type Tensor"),
    ({"run": lambda state: [picture(state)]}, "not of type list"), ({"run": lambda state: (picture(state),)}, "of type tuple"),
    ({"run": failing}, "two images cannot be sampled: ZeroDivisionError: by zero"),
    ({"latents": failing}, "two images cannot be sampled: ZeroDivisionError"),
    (made(lambda image: image.numpy()), r"is a tensor .*\[-1, 1\], not of type ndarray"),
    (made(lambda image: list(image)), "not of type list"), (made(lambda image: None), "not None"),
    (made(lambda image: image.to(torch.complex64)), "is of complex64"), (made(lambda image: image.to_sparse()), "is sparse"),
    (made(lambda image: image > 0), "is of bool"), (made(lambda image: image.long()), "is of int64"),
    (made(lambda image: (image * 127 + 128).byte()), r"is of uint8; divide bytes: image.float\(\) / 127.5 - 1"),
    (made(lambda image: image.to("meta")), "is meta"), (made(lambda image: torch.tensor(0.0)), "one number"),
    (made(lambda image: image[:, :1]), "2×1×2×2 values for a batch of 2, not 2×3×2×2 .*it is grey"),
    (made(lambda image: image[:, 0]), "2×2×2 values.*it is grey"),
    (made(lambda image: torch.cat([image, image[:, :1]], 1)), "2×4×2×2 .*it is RGBA"),
    ({"resolution": (2, 3), **made(lambda image: torch.zeros(2, 2, 3, 3))},
        "2×2×3×3 values.*channels come last: image.permute"),
    (made(lambda image: image[0]), "3×2×2 values"), (made(lambda image: image[:1]), "1×3×2×2 values"),
    ({"resolution": 4}, r"2×3×2×2 values .* not 2×3×4×4 as its resolution says"),
    (made(lambda image: image * float("nan")), "none of its first 8 images is a picture: .*not finite"),
    (made(lambda image: image + float("inf")), "none of its first 8 .*not finite"),
    (made(lambda image: (image + 2.0) * 127.5), r"none of its first 8 .*images are in \[-1, 1\]"),
    ({"latents": lambda seed, indices: None}, "mapping of tensors.* not None"),
    ({"latents": lambda seed, indices: {"z": np.zeros((len(indices), 12))}}, "entry 'z' is of type ndarray"),
    ({"latents": lambda seed, indices: {"z": torch.zeros(len(indices), 12), "seed": seed}}, "entry 'seed' is of type int"),
    ({"latents": spoiled("unseeded")}, "another latent in a batch than alone; .*ganaudit.random.normals"),
    ({"latents": spoiled("by place")}, "another latent in a batch than alone"),
    ({"latents": lambda seed, indices: torch.zeros(len(indices), 12)}, "mapping of tensors.* not of type Tensor"),
])  # fmt: skip
def test_what_breaks_the_protocol_is_refused_and_named(changes, reason):
    with pytest.raises(RequestError, match=f"mine: .*({reason})"):
        check_protocol(own(**changes), "mine", 1)
