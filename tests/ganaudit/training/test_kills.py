"""Trainings whose process is killed five times, each time elsewhere, end with the same files as one left alone."""

from __future__ import annotations

import multiprocessing
import os
import signal
from functools import partial

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from ganaudit.datasets.village import VillageDataset
from ganaudit.training import loop
from ganaudit.training.builtin import BuiltinModel, make_model
from ganaudit.training.data import Data
from ganaudit.training.joint import JointRecipe
from ganaudit.training.lia import LiaRecipe
from ganaudit.training.lia_encoder import EncoderRecipe
from ganaudit.training.lia_stages import Lia, make_joint, make_lia
from ganaudit.training.loop import Budget
from ganaudit.training.ogan import OganRecipe, OganTraining

DATA = Data(VillageDataset(3), 8)
OGAN = BuiltinModel("ogan", 0, partial(OganTraining, OganRecipe(resolution=16, latent=5, width=8, batch=4)))
LIA = Lia(
    LiaRecipe(batch=4, latent=6, first=4, channels=((4,), (4,)), discriminator_widths=(4, 4), mapping_depth=2),
    EncoderRecipe(batch=4, encoder_widths=(4, 5, 5), discriminator_widths=(4, 4)),
    (4, 8),
)
KILLS = (6, 5, 6, 7, 8)
"""Which file a process dies at, before it gets its name. A step's are the curves, the checkpoint that becomes the one before,
the new one, and the picture; the first has none before it. LIA's last two are at the end of a stage, and in the second."""


def ogan(folder):
    return make_model(OGAN, "mine", folder, silent, Budget(steps=11), device="cpu", data=DATA)


def lia(folder):
    return make_lia(LIA, "mine", folder, silent, Budget(steps=12), device="cpu", data=DATA)


def vae_gan(folder):
    return make_joint(JointRecipe("vae-gan"), LIA, folder, silent, Budget(steps=11), device="cpu", data=DATA)


def silent(*_):
    """No progress is shown."""


def until_killed(make, folder, last):
    """Trains until file number `last` is to be given its name."""
    replace, names = os.replace, iter(range(1, 1000))
    os.replace = lambda *files: replace(*files) if next(names) < last else os.kill(os.getpid(), signal.SIGKILL)
    make(folder)


@pytest.mark.parametrize("make", [ogan, lia, vae_gan])
def test_killed_five_times_it_ends_with_the_same_weights_as_one_left_alone(make, tmp_path, monkeypatch):
    alone = make(tmp_path / "alone")  # with one checkpoint, at its end
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    for last in KILLS:
        process = multiprocessing.get_context("fork").Process(target=until_killed, args=(make, tmp_path / "killed", last))
        process.start()
        process.join(120)
        assert process.exitcode == -signal.SIGKILL
    made = make(tmp_path / "killed")
    for path in alone.parent.rglob("*.safetensors"):  # both averages of an O-GAN, both stages of a LIA
        there = load_file(made.parent / path.relative_to(alone.parent))
        assert all(torch.equal(value, there[name]) for name, value in load_file(path).items()), path
    rows = [pq.read_table(folder / "curves.parquet").drop_columns("seconds") for folder in (alone.parent, made.parent)]
    assert rows[0].equals(rows[1]) and (make is lia or len(rows[0]) > 0)
