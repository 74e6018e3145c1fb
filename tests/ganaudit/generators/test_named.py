"""Generators by name: built in, from a file, from a module; what is none is refused in words."""

from __future__ import annotations

import pytest
import torch
from ganaudit.generators.named import open_named
from safetensors.torch import save_file

from ganaudit.errors import RequestError
from ganaudit.generators.networks.progan import progan


def test_a_built_in_generator_opens_with_or_without_the_word():
    first, second = open_named("builtin:village-progan"), open_named("village-progan")
    state = first.latents(0, torch.arange(1))
    assert torch.equal(first.run(state)["image"], second.run(state)["image"])


def test_a_file_says_its_kind_or_is_told_it(tmp_path):
    made = progan(8, 12, ((12,),)).eval()
    save_file(made.state_dict(), tmp_path / "told.safetensors", {"kind": "progan"})
    save_file(made.state_dict(), tmp_path / "plain.safetensors")
    told = open_named(str(tmp_path / "told.safetensors"))
    assert told.layers == ("layer1", "layer2") and not any(value.requires_grad for value in told.parameters())
    assert open_named("plain.safetensors", "progan", tmp_path).layers == told.layers
    with pytest.raises(RequestError, match="do not say their kind; give it with --kind"):
        open_named("plain.safetensors", None, tmp_path)


def test_a_module_opens_frozen(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from ganaudit.generators.networks.progan import progan\ndef make():\n    return progan(8, 12, ((12,),))\n"
    )
    found = open_named("mine:make", None, tmp_path)
    assert found.layers == ("layer1", "layer2") and not found.training
    (tmp_path / "wrong.py").write_text("def make():\n    return 3\n")
    with pytest.raises(RequestError, match="wrong:make: a generator has the methods"):
        open_named("wrong:make", None, tmp_path)


def test_what_is_no_generator_is_refused(tmp_path):
    with pytest.raises(RequestError, match="is a parser, no generator"):
        open_named("builtin:village")
    with pytest.raises(RequestError, match="no built-in weights 'nothing'"):
        open_named("builtin:nothing")
    with pytest.raises(RequestError, match="do not exist"):
        open_named(str(tmp_path / "nothing.safetensors"))
