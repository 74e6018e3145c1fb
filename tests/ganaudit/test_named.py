"""Generators and parsers by name: built in, from a file, from a module; what is none is refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.networks.progan import progan
from ganaudit.generators.opening import open_generator
from ganaudit.named import options_named, shipped
from ganaudit.parsers.opening import open_parser


def open_named(name, kind=None, folder=Path()):
    return open_generator(options_named("generators", name, kind, folder), Context(folder)).generator


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
    assert open_named("progan:plain.safetensors", None, tmp_path).layers == told.layers
    with pytest.raises(RequestError, match="not the weights of a dcgan"):
        open_named("dcgan:plain.safetensors", None, tmp_path)
    listed = r"do not say their kind; .*KIND:plain.safetensors \(auto, biggan, dcgan, .*, stylegan2, stylegan3\)"
    with pytest.raises(RequestError, match=listed):
        open_named("plain.safetensors", None, tmp_path)


def test_a_module_opens_frozen(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from ganaudit.generators.networks.progan import progan\ndef make():\n    return progan(8, 12, ((12,),))\n"
    )
    result = open_named("mine:make", None, tmp_path)
    assert result.layers == ("layer1", "layer2") and not result.training
    (tmp_path / "wrong.py").write_text("def make():\n    return 3\n")
    with pytest.raises(RequestError, match="wrong:make: a generator has the methods"):
        open_named("wrong:make", None, tmp_path)


def test_what_is_no_generator_is_refused(tmp_path):
    with pytest.raises(RequestError, match="of kind 'unet', which is none of the generators; it is among the parsers"):
        open_named("builtin:village")
    with pytest.raises(RequestError, match="no built-in weights 'nothing'"):
        open_named("builtin:nothing")
    with pytest.raises(RequestError, match="do not exist"):
        open_named(str(tmp_path / "nothing.safetensors"))


PARSER = """
import torch
from ganaudit import ClassInfo, Labels
class Dark:
    classes = (ClassInfo(1, "dark"),)
    def parse(self, images): return Labels(torch.ones_like(images[:, 0]).long(), torch.ones_like(images[:, 0]))
"""


@pytest.mark.parametrize("name, classes", [
    ("village", 15), ("builtin:village", 15), ("unet:builtin:village", 15), ("unet:village", 15), ("mine:Dark", 1),
])  # fmt: skip
def test_a_parser_of_any_kind_opens_by_name(tmp_path, name, classes):
    (tmp_path / "mine.py").write_text(PARSER)
    result = open_parser(options_named("parsers", name, folder=tmp_path), Context(tmp_path))
    assert len(result.parser.classes) == classes


@pytest.mark.parametrize("name, words", [
    ("builtin:village-progan", "of kind 'progan', which is none of the parsers; it is among the generators"),
    ("masks:x.png", "kind 'masks' needs more than weights"), ("nothing.safetensors", "do not exist"),
    ("nothing:Dark", "neither in"), ("unett:builtin:village", "do not exist"),
])  # fmt: skip
def test_what_is_no_parser_is_refused(tmp_path, name, words):
    with pytest.raises(RequestError, match=words):
        open_parser(options_named("parsers", name, folder=tmp_path), Context(tmp_path))


def test_shipped_weights_are_listed_in_the_room_whose_kinds_open_them():
    assert shipped("parsers") == ["builtin:village", "builtin:village-redrawn"]
    assert "builtin:village-stylegan" in shipped("generators") and not set(shipped("parsers")) & set(shipped("generators"))
    assert shipped("datasets") == shipped("inverters") == []
