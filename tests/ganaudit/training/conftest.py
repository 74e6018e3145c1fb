"""A training so small that a step takes a fraction of a millisecond, with everything that a checkpoint has to hold."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn


class Tiny:
    """A linear map with dropout, Adam with momentum, fresh noise from torch: stopped and gone on is the same only with all of
    it. Faults are called with each step."""

    def __init__(self, seed=1, fault=lambda training, step: None, **recipe):
        torch.manual_seed(seed)
        self.batch, self.fault = 4, fault
        self.belongs = {"training": "tiny", "recipe": recipe, "data": {"source": "noise"}, "seed": seed}
        self.network = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=0.01)
        self.spent = []

    def step(self, step, spent):
        self.fault(self, step)
        self.spent.append(spent)
        loss = (self.network(torch.randn(self.batch, 8)) - 1.0).square().mean() * (1.0 - spent)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"loss": loss.item()} | ({"every third": float(step)} if step % 3 == 0 else {})

    def state(self):
        return {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load(self, state):
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])

    def weights(self):
        return {name: value.clone() for name, value in self.network.state_dict().items()}

    def picture(self, path: Path):
        torch.randn(3)  # a look must not change what comes after
        Image.new("RGB", (2, 2)).save(path)


@pytest.fixture
def tiny():
    return Tiny
