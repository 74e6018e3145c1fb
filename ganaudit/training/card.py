"""The card of what a training made: how it is made again, from what, and what it is worth. One place writes all of them."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganaudit import devices
from ganaudit.training.checkpoint import write_whole
from ganaudit.training.loop import Trained, Training


def write_card(
    weights: Path, what: Mapping[str, Any], command: str, training: Training, trained: Trained, made: Mapping[str, Tensor],
    device: str, figures: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Writes `NAME.card.json` beside NAME.safetensors. what: the first lines, such as its name and kind; made: its weights."""
    belongs = training.belongs
    card = {
        **what, "command": command, "seed": belongs["seed"], "steps": trained.steps, "images": trained.images,
        "minutes": round(trained.minutes, 1), "cpu_minutes": round(trained.cpu_minutes, 1), "data": belongs["data"],
        "recipe": belongs["recipe"], "torch": torch.__version__.split("+")[0], "processor": platform.machine(),
        "device": devices.describe(device), "parameters": sum(value.numel() for value in made.values()),
    }  # fmt: skip
    _write(weights, card | ({"figures": dict(figures)} if figures else {}))


def add_figures(weights: Path, figures: Mapping[str, Any]) -> None:
    """Adds what a model is worth to the card beside it."""
    card = json.loads(_beside(weights).read_text(encoding="utf-8"))
    _write(weights, card | {"figures": dict(figures)})


def _beside(weights: Path) -> Path:
    return weights.with_name(f"{weights.stem}.card.json")


def _write(weights: Path, card: Mapping[str, Any]) -> None:
    text = json.dumps(card, indent=2) + "\n"
    write_whole(_beside(weights), lambda partial: partial.write_text(text, encoding="utf-8"))
