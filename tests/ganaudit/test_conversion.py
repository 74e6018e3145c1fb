"""A checkpoint becomes safetensors and a card: tensors equal to the bit, nothing lost in silence, no file overwritten."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from ganaudit import weights
from ganaudit.conversion import convert
from ganaudit.errors import RequestError
from ganaudit.generators.dcgan import layouts
from ganaudit.generators.layouts import found

DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool)


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()


def test_tensors_are_equal_to_the_bit_and_the_card_says_the_rest(tmp_path):
    torch.manual_seed(0)
    wide = torch.randn(6, 8)
    network = {str(kind): (torch.randn(3, 4) * 9).to(kind) for kind in DTYPES}
    network |= {
        "view": wide[1:3, ::2],
        "same": wide,
        "again": wide,
        "nan": torch.tensor([float("nan"), -0.0]),
        "none": torch.zeros(0),
    }
    value = {
        "netG": network, "netD": {"a": torch.ones(2)}, "epoch": 3, "args": argparse.Namespace(nz=100, rate=float("inf")),
        "losses": [torch.ones(2), 1.5], "raw": b"123",
    }  # fmt: skip
    torch.save(value, tmp_path / "n.pth")
    card = convert(str(tmp_path / "n.pth"), tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == ["n.card.json", "n.netD.safetensors", "n.netG.safetensors"]
    read = load_file(tmp_path / "out" / "n.netG.safetensors")
    assert read.keys() == network.keys()
    for name, tensor in network.items():
        assert (read[name].dtype, read[name].shape, bits(read[name])) == (tensor.dtype, tensor.shape, bits(tensor)), name
    assert card == json.loads((tmp_path / "out" / "n.card.json").read_text())
    assert card["sha256"] == hashlib.sha256((tmp_path / "n.pth").read_bytes()).hexdigest()
    assert card["values"]["epoch"] == 3 and card["values"]["args"] == {"nz": 100, "rate": "inf"}
    assert card["left_out"] == ["raw: 3 bytes that are no tensor", "losses.0: a tensor without a name, (2,)"]
    assert card["files"]["n.netG.safetensors"] == {"keys": "netG", "tensors": len(network)}


def test_a_converted_network_is_found_as_the_one_in_the_pickle_is(tmp_path):
    torch.manual_seed(0)
    chain = [nn.ConvTranspose2d(3, 2, 4, bias=False), nn.BatchNorm2d(2), nn.ReLU()]
    for _ in range(4):  # so many that names no longer sort as numbers
        chain += [nn.ConvTranspose2d(2, 2, 4, 2, 1, bias=False), nn.BatchNorm2d(2), nn.ReLU()]
    network = nn.Sequential(*chain, nn.ConvTranspose2d(2, 3, 4, 2, 1, bias=False), nn.Tanh())
    torch.save(network.state_dict(), tmp_path / "n.pth")
    convert(str(tmp_path / "n.pth"), tmp_path / "out")
    both = [found(weights.opened(str(path)), layouts()) for path in (tmp_path / "n.pth", tmp_path / "out" / "n.safetensors")]
    assert all(each is not None and each[0].name == "a DCGAN of the tutorials" for each in both)
    named = [each[0].translated(each[2]) for each in both]
    assert named[0].keys() == named[1].keys() and all(torch.equal(value, named[1][name]) for name, value in named[0].items())


class Runs:
    def __reduce__(self):
        return os.mkdir, ("ran",)


@pytest.mark.parametrize("content, words", [
    (pickle.dumps(Runs()), r"asks for posix\.mkdir"), (pickle.dumps({"a": 1}), "no tensors by name"), (b"", "it is empty"),
])  # fmt: skip
def test_what_cannot_be_read_or_holds_nothing_leaves_no_file(tmp_path, monkeypatch, content, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "n.pkl").write_bytes(content)
    with pytest.raises(RequestError, match=words):
        convert("n.pkl", tmp_path / "out")
    assert os.listdir(tmp_path) == ["n.pkl"]


def test_another_digest_and_a_file_that_is_there_are_refused(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "n.pth")
    with pytest.raises(RequestError, match="another file, or a changed one"):
        convert(str(tmp_path / "n.pth"), tmp_path, "0" * 64)
    convert(str(tmp_path / "n.pth"), tmp_path)
    before = (tmp_path / "n.safetensors").read_bytes()
    with pytest.raises(RequestError, match=r"n\.safetensors is there already"):
        convert(str(tmp_path / "n.pth"), tmp_path)
    assert (tmp_path / "n.safetensors").read_bytes() == before
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match="cannot be written to"):
        convert(str(tmp_path / "n.pth"), tmp_path / "file" / "out")


def test_keys_that_lead_elsewhere_do_not_lead_a_file_there(tmp_path):
    torch.save({"../../evil": {"a": torch.ones(2)}, "/etc/x": {"a": torch.ones(2)}}, tmp_path / "n.pth")
    convert(str(tmp_path / "n.pth"), tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == ["n.card.json", "n.etc_x.safetensors", "n.evil.safetensors"]
    assert sorted(os.listdir(tmp_path)) == ["n.pth", "out"]
