"""What an audit asks of its searches, as they are made: search, objective and restarts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ganaudit.encoders.networks import Encoder
from ganaudit.encoders.own import OwnEncoder
from ganaudit.inversion.methods import needs
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.perceptual import by_inverter, open_perceptual
from ganaudit.inversion.presets import PRESETS, default_search
from ganaudit.inversion.search import Search
from ganaudit.spec import Invert
from ganaudit.state import state_digest


@dataclass(frozen=True)
class Settings:
    """How to search. A penalty of the objective that is not 0 is a preset's; else own samples set it."""

    search: Search
    objective: Objective
    restarts: int


def settings_of(
    asked: Invert, encoders: Mapping[str, Encoder | OwnEncoder], folder: Path = Path(), device: str = "cpu",
    precision: str = "float32",
) -> Settings:  # fmt: skip
    """How `asked`, which has its preset's keys already, is to be searched for. Without a preset: `default_search`.
    A batch changes no result, so it stays as asked.

    encoders: trained inverters, by kind. Raises RequestError where the perceptual term's weights cannot be had.
    """
    chosen = PRESETS[asked.preset] if asked.preset is not None else None
    perceptual = None
    if chosen is None or chosen.perceptual != "inverter":
        perceptual = open_perceptual(asked.perceptual, asked.perceptual_weights, folder, device)
    elif (encoder := encoders.get(needs(asked.methods[0]) or "")) is not None and not isinstance(encoder, OwnEncoder):
        perceptual = by_inverter(encoder, state_digest(encoder) or "")
    if chosen is None:
        how = default_search(asked.steps)
        objective = Objective("mse", perceptual)
    else:
        how = chosen.search
        objective = Objective(chosen.pixel, perceptual, chosen.perceptual_weight, chosen.prior, chosen.penalty)
    return Settings(replace(how, batch=asked.batch, precision=precision), objective, asked.restarts)
