"""`ganaudit convert`: what it writes, says and refuses."""

from __future__ import annotations

import json
import os
import pickle

import torch
from safetensors.torch import load_file


class Runs:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_a_checkpoint_is_converted_and_a_hostile_one_refused(cli, tmp_path):
    tensors = {"a": torch.randn(3), "b": torch.ones(2, dtype=torch.int64)}
    torch.save({"netG": tensors, "raw": b"12"}, tmp_path / "n.pth")
    done = cli("convert", tmp_path / "n.pth", "--to", tmp_path / "out")
    path = tmp_path / "out" / "n.netG.safetensors"
    assert done.code == 0 and done.out == f"{path}\nleft out: raw: 2 bytes that are no tensor\n"
    assert all(torch.equal(value, load_file(path)[name]) for name, value in tensors.items())
    again = cli("convert", tmp_path / "n.pth", "--to", tmp_path / "out")
    assert again.code == 2 and "is there already" in again.err
    card = cli("convert", tmp_path / "n.pth", "--to", tmp_path / "other", "--json")
    assert json.loads(card.out) == json.loads((tmp_path / "other" / "n.card.json").read_text())
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Runs()))
    refused = cli("convert", tmp_path / "evil.pkl", "--to", tmp_path / "out")
    assert refused.code == 2 and "asks for posix.mkdir" in refused.err and not (tmp_path / "ran").exists()
    assert cli("convert", tmp_path / "n.pth", "--to", tmp_path / "x", "--sha256", "0" * 64).code == 2
    assert "none.pth do not exist" in cli("convert", tmp_path / "none.pth", "--to", tmp_path / "x").err
