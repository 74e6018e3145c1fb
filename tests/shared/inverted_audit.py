"""One audit with inversions, in a world so small that every search can be done again by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from searched_by_hand import InvertedAudit

from ganaudit import spec as specs
from ganaudit.auditing.run import audit
from ganaudit.generators.networks.progan import progan


def tiny_generator(seed=2):
    """Images of 16 pixels that are middle grey all over: no dark blot is within its reach. Two layers are small enough to be
    freed, and together they number exactly a quarter of the pixel values."""
    torch.manual_seed(seed)
    made = progan(8, 4, ((2,), (4,))).eval().requires_grad_(False)
    made.output.convolution.weight.mul_(0.1)
    made.output.convolution.bias.zero_()
    return made


@pytest.fixture(scope="session")
def inverted(tmp_path_factory):
    """Photos, training photos, own and masked samples, inverted by `layerwise` and `latent`."""
    folder = tmp_path_factory.mktemp("inverted")
    save_file(tiny_generator().state_dict(), folder / "tiny.safetensors", {"kind": "progan"})
    spec = specs.parse({
        "name": "n", "folder": str(Path(__file__).parents[1] / "ganaudit"), "store": str(folder / "store"),
        "parser": {"kind": "tiny_models:Brightness"},
        "real": {"name": "real", "kind": "tiny_models:Blots", "options": {"images": 50, "seed": 1}},
        "heldout": {"name": "held", "kind": "tiny_models:Blots", "options": {"images": 60, "seed": 2}},
        "generators": [
            {"name": "tiny", "kind": "progan", "weights": str(folder / "tiny.safetensors")},
            {"name": "drawn", "kind": "village"}, {"name": "noise", "kind": "tiny_models:Noise"},
        ],
        "sample": {"count": 40, "batch": 16}, "decide": {"permutations": 0}, "run": {"workers": 1, "device": "cpu"},
        "invert": {
            "images": 30, "own": 8, "masked": 4, "train_images": 10, "methods": ["layerwise", "latent"], "restarts": 2,
            "precision": "float32",
            "steps": 6, "batch": 16, "perceptual": "none", "inverter": "auto", "inverter_minutes": 0.002, "keep": "residuals",
            "train": {"name": "trained on", "kind": "tiny_models:Blots", "options": {"images": 60, "seed": 3}},
        },
    })  # fmt: skip
    return InvertedAudit(spec, audit(spec))


@pytest.fixture
def copied(inverted, tmp_path):
    """The same audit over a copy of its store, which a test may change."""
    shutil.copytree(inverted.store.path, tmp_path / "store")
    return InvertedAudit(inverted.spec.model_copy(update={"store": tmp_path / "store"}), inverted.audit)
