"""Folders of tiny scene parsers."""

from __future__ import annotations

import json

import pytest
import torch

from .scene_networks import LABELS, encoder, filled, saved, unified


@pytest.fixture(scope="session")
def upp_tensors():
    """(encoder, decoder): synchronised norms leave tracks; counters may lack."""
    tensors = filled(encoder(), 1)
    tracks = {name[: -len("running_mean")] + "_tmp_running_mean": value for name, value in tensors.items() if "g_mean" in name}
    return tensors | tracks | {"bn1._running_iter": torch.ones(1)}, filled(unified(), 2)


@pytest.fixture
def upp_folder(tmp_path, upp_tensors):
    saved(tmp_path / "upp", *upp_tensors)
    (tmp_path / "upp" / "labels.json").write_text(json.dumps(LABELS))
    return tmp_path / "upp"
