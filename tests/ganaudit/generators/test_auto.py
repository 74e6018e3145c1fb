"""`kind: auto` finds the family of a file, and its records are those of the family named."""

from __future__ import annotations

import pytest
import torch
from biggans import brock, drawn
from torch import nn

from ganaudit import weights
from ganaudit.auditing.run import audit
from ganaudit.checkpoints import unpickled
from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.auto import AutoSource
from ganaudit.generators.networks.stylegan import stylegan
from ganaudit.generators.opening import open_generator
from ganaudit.kinds import find
from ganaudit.spec import parse
from ganaudit.weights import builtin_names


def opened(kind: str, file):
    options = find("generators", kind).options
    return open_generator(options.model_validate({"name": "g", "kind": kind, "weights": str(file)}), Context())


def tutorial() -> nn.Sequential:
    torch.manual_seed(0)
    first, last = nn.ConvTranspose2d(6, 5, 4, bias=False), nn.ConvTranspose2d(5, 3, 4, 2, 1, bias=False)
    return nn.Sequential(first, nn.BatchNorm2d(5), nn.ReLU(), last, nn.Tanh())


def progan() -> dict[str, torch.Tensor]:
    shapes = {"layer1": (4, 5, 4, 4), "layer2": (4, 4, 3, 3), "output_4x4": (3, 4, 1, 1)}
    convolutions = {f"{name}.conv.weight": torch.randn(shape) for name, shape in shapes.items()}
    return convolutions | {f"{name}.wscale.b": torch.randn(shape[0]) for name, shape in shapes.items()}


FILES = {
    "dcgan": lambda: {"netG": tutorial().state_dict()}, "progan": progan, "biggan": lambda: drawn(brock()),
    "stylegan": lambda: {"model": stylegan(4, 1, 4, ((4,),)).state_dict()},
}  # fmt: skip


@pytest.mark.parametrize("kind", list(FILES))
def test_a_file_s_family_is_found_and_named_and_its_key_is_that_of_the_family(tmp_path, kind):
    torch.save(FILES[kind](), tmp_path / "n.pth")
    found, named = opened("auto", tmp_path / "n.pth"), opened(kind, tmp_path / "n.pth")
    assert found.recipe == named.recipe and found.digests == named.digests
    assert found.notes == (f"n.pth is of kind {kind!r}", *named.notes)
    latents = named.generator.latents(1, torch.arange(3))
    assert torch.equal(found.generator.run(latents)["image"], named.generator.run(latents)["image"])


def test_a_file_is_read_once(tmp_path, monkeypatch):
    torch.save(progan(), tmp_path / "n.pth")
    reads = []
    monkeypatch.setattr(weights, "unpickled", lambda path, content: reads.append(path) or unpickled(path, content))
    opened("auto", tmp_path / "n.pth")
    assert reads == [tmp_path / "n.pth"]
    with pytest.raises(RequestError, match="SHA-256"), weights.held(weights.opened("n.pth", tmp_path)):
        weights.opened("n.pth", tmp_path, "0" * 64)
    before = len(reads)
    weights.opened("n.pth", tmp_path)
    assert len(reads) == before + 1


@pytest.mark.parametrize("name", [name for name in builtin_names() if name in ("village-wgan-gp", "village-progan")])
def test_shipped_files_say_their_kind_themselves(name):
    kind = "dcgan" if "gan-gp" in name else "progan"
    assert opened("auto", f"builtin:{name}").recipe == opened(kind, f"builtin:{name}").recipe


def test_a_file_of_no_known_family_is_told_by_the_keys_it_holds(tmp_path):
    torch.save(nn.LSTM(4, 5, 3).state_dict(), tmp_path / "n.pth")
    words = r"n\.pth are not the weights of a generator in any layout .*they hold weight_ih_l0 \(20, 4\), .* and 8 more"
    with pytest.raises(RequestError, match=words) as told:
        opened("auto", tmp_path / "n.pth")
    assert "docs/bring-your-model.md" in str(told.value)
    torch.save({"netD": tutorial().state_dict()}, tmp_path / "n.pth")
    with pytest.raises(RequestError, match="hold no state dict"):
        opened("auto", tmp_path / "n.pth")


def test_options_of_a_family_are_given_where_it_is_named(tmp_path):
    with pytest.raises(ValueError, match="truncation"):
        AutoSource.model_validate({"name": "g", "kind": "auto", "weights": "n.pth", "truncation": 1.0})


def test_a_published_file_goes_through_a_whole_audit(tmp_path):
    torch.save({"netG": tutorial().state_dict(), "epoch": 3}, tmp_path / "n.pth")
    said = {
        "name": "a", "store": str(tmp_path / "store"), "parser": {"kind": "unet", "weights": "builtin:village"},
        "real": {"name": "village", "kind": "village", "count": 24},
        "generators": [{"name": n, "kind": kind, "weights": "n.pth"} for n, kind in (("found", "auto"), ("named", "dcgan"))],
        "sample": {"count": 24, "batch": 8}, "decide": {"permutations": 0}, "folder": str(tmp_path),
    }  # fmt: skip
    done = audit(parse(said, "a"))
    assert done.status == "done" and any("n.pth is of kind 'dcgan'" in note for note in done.notes)
    rows = {row.pop("generator"): row for row in done.table("fsd").to_dict("records")}
    assert str(rows["found"]) == str(rows["named"])
