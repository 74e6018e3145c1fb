"""What is read from a generator, and which layers a search may free."""

from __future__ import annotations

import pytest
import torch
from reference import TinyProGAN

from ganaudit.errors import RequestError
from ganaudit.generators.networks.dcgan import dcgan
from ganaudit.generators.networks.progan import progan
from ganaudit.generators.shapes import GeneratorShape, LayerShape, choose_layers, generator_digest, read_shape


def shape(*layers, resolution=64):
    named = [LayerShape(f"layer{number}", *sizes) for number, sizes in enumerate(layers, start=1)]
    return GeneratorShape(resolution, 64, tuple(named), True)


CHURCH = shape(
    (512, 4, 4), (512, 4, 4), (512, 8, 8), (512, 8, 8), (512, 16, 16), (512, 16, 16), (256, 32, 32), resolution=256
)  # fmt: skip
VILLAGE = shape((192, 4, 4), (128, 8, 8), (64, 16, 16))


def test_the_rule_gives_the_papers_choice_for_the_papers_generator():
    choice = choose_layers(CHURCH)
    assert choice.residuals == ("layer1", "layer2", "layer3") and choice.feature == "layer4"
    assert choice.ratio == 49_152 / 196_608 and choice.evidential


def test_the_rule_frees_the_first_layer_of_a_village_generator():
    choice = choose_layers(VILLAGE)
    assert (choice.residuals, choice.feature, choice.ratio) == (("layer1",), "layer2", 0.25)


def test_a_layer_that_is_named_is_r_and_more_than_a_quarter_is_no_evidence():
    choice = choose_layers(VILLAGE, "layer3")
    assert choice.residuals == ("layer1", "layer2") and not choice.evidential
    assert choice.ratio == (3072 + 8192) / 12_288
    assert choose_layers(VILLAGE, "layer1").residuals == ()


def test_a_first_layer_that_is_too_large_is_not_freed():
    assert choose_layers(shape((256, 4, 4), (8, 8, 8))).residuals == ()


def test_the_last_layer_is_never_freed():
    choice = choose_layers(shape((2, 4, 4), (2, 8, 8)))
    assert (choice.residuals, choice.feature) == (("layer1",), "layer2")


def test_a_layer_that_does_not_exist_is_told_with_those_that_do():
    with pytest.raises(RequestError, match="layer 'conv9' does not exist; this generator has layer1, layer2, layer3"):
        choose_layers(VILLAGE, "conv9")


def test_shapes_are_read_from_the_generator_and_so_is_whether_the_length_of_z_counts():
    torch.manual_seed(0)
    result = read_shape(progan(8, 16, ((16,), (8, 4))).eval())
    assert [(layer.name, layer.size) for layer in result.layers] == [("layer1", 256), ("layer2", 1024), ("layer3", 1024)]
    assert (result.resolution, result.latent, result.direction_only) == (16, 8, True)
    assert read_shape(TinyProGAN()).direction_only
    generator = dcgan(8, 16, (8,)).eval()
    with torch.no_grad():
        generator.output.convolution.weight *= 100.0
    assert not read_shape(generator).direction_only


class Flat:
    resolution = 4

    def __init__(self, layers=(), z=(4, 8)):
        self.layers, self.z = layers, z

    def latents(self, seed, indices):
        return {"z": torch.zeros(self.z)} if self.z else {"w": torch.zeros(4, 8)}

    def run(self, state, after=None, upto=None):
        return {**state, "image": torch.zeros(4, 3, 4, 4), **({upto: torch.zeros(4, 5)} if upto else {})}


def test_generators_that_cannot_be_inverted_are_told_why():
    for generator, message in (
        (Flat(), "no named layers"),
        (Flat(("layer1",)), "layer 'layer1' gives 4×5 values"),
        (Flat(("layer1",), (4, 2, 4)), "this one has 4×2×4"),
        (Flat(("layer1",), ()), "this one has none"),
    ):
        with pytest.raises(RequestError, match=message):
            read_shape(generator)


def test_a_generator_is_known_by_its_tensors():
    def make(seed):
        torch.manual_seed(seed)
        return progan(8, 16, ((16,),)).eval()

    assert generator_digest(make(1)) == generator_digest(make(1)) != generator_digest(make(2))
    laid_out = make(1).to(memory_format=torch.channels_last)
    assert generator_digest(laid_out) == generator_digest(make(1))
    with pytest.raises(RequestError, match="no tensors"):
        generator_digest(Flat(("layer1",)))
