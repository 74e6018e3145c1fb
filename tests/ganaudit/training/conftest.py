"""A training so small that a step takes a fraction of a millisecond, with everything that a checkpoint has to hold."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from ganaudit.training import loop
from ganaudit.training.loop import Budget, train


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


@pytest.fixture
def stopped_and_gone_on(tmp_path, monkeypatch):
    """Of what `start` makes, two trainings: one left alone, and one that was stopped, and went on in tmp_path / "parts"."""

    def both(start, steps=4, stops=(2,)):
        whole, parts, budget = start(), tmp_path / "parts", Budget(steps=steps)
        train(whole, tmp_path / "whole", budget)
        monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
        for stop in stops:
            stopped = start()
            step = stopped.step
            stopped.step = lambda number, spent, step=step, stop=stop: step(number, spent) if number < stop else 1 / 0
            with pytest.raises(ZeroDivisionError):
                train(stopped, parts, budget)
        last = start()
        train(last, parts, budget)
        return whole, last

    return both
