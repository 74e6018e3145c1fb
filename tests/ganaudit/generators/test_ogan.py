"""The kind `ogan`: what its samples and its codes are known by, and how a file of one is found."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from ganaudit.context import Context
from ganaudit.encoders.ogan import ogan
from ganaudit.errors import RequestError
from ganaudit.generators.opening import open_generator
from ganaudit.generators.protocol import Encoding
from ganaudit.named import options_named


def saved(folder, name, change=()):
    torch.manual_seed(1)
    tensors = {key: value for key, value in ogan("growing", 16, 5, 8).state_dict().items() if value.is_floating_point()}
    tensors |= {key: tensors[key] + 0.5 for key in change}
    save_file(tensors, folder / name, {"kind": "ogan"})
    return str(folder / name)


def opened(path, kind="ogan", **options):
    source = options_named("generators", path, kind)
    return open_generator(source.model_copy(update=options), Context())


def test_samples_are_known_by_the_generator_codes_by_the_encoder(tmp_path):
    plain = opened(saved(tmp_path, "a.safetensors"))
    encoder = opened(saved(tmp_path, "b.safetensors", ["encoder.latent.bias"]))
    body = opened(saved(tmp_path, "c.safetensors", ["layer1.linear.bias"]))
    scaled = opened(str(tmp_path / "a.safetensors"), reconstruction_scale=1.0)
    assert plain.recipe == encoder.recipe == scaled.recipe != body.recipe
    codes = [each.generator.encoder_digest for each in (plain, encoder, body, scaled)]
    assert codes[0] == codes[2] and len(set(codes)) == 3
    assert plain.digests["weights"] != encoder.digests["weights"]  # which file it was is kept


def test_it_encodes_what_run_takes(tmp_path):
    generator = opened(saved(tmp_path, "a.safetensors")).generator
    assert isinstance(generator, Encoding) and generator.encodes == "z"
    codes = generator.encode(generator.run(generator.latents(1, torch.arange(3)))["image"])
    again = generator.run({generator.encodes: codes})["image"]
    assert again.shape == (3, 3, 16, 16) and torch.allclose(codes.std(dim=1, correction=0), torch.full((3,), 0.9), atol=1e-5)


def test_a_file_tells_that_it_is_one_and_not_a_progan(tmp_path):
    path = saved(tmp_path, "a.safetensors")
    found = opened(path, "auto")
    assert any("of kind 'ogan'" in note for note in found.notes)
    with pytest.raises(RequestError, match="encoder"):
        opened(path, "progan")
