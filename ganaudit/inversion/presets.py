"""How a search is made: by default, or by a reference's exact settings, by name. Their bugs are not among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaudit.encoders.networks import Encoder
from ganaudit.encoders.own import OwnEncoder
from ganaudit.errors import RequestError
from ganaudit.inversion.methods import needs
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.perceptual import by_inverter, open_perceptual
from ganaudit.inversion.search import Search
from ganaudit.state import state_digest

if TYPE_CHECKING:
    from ganaudit.spec import Invert


@dataclass(frozen=True)
class Preset:
    """One reference's way to invert: method, objective and search. perceptual: see `perceptual.KINDS`, or `inverter` for the
    encoder's own estimate of z. penalty: of residuals."""

    method: str
    search: Search
    pixel: str = "mse"
    perceptual: str = "none"
    perceptual_weight: float = 1.0
    prior: float = 0.0
    penalty: float = 0.0
    restarts: int = 1

    def keys(self) -> dict[str, Any]:
        """What it says of the keys of `invert`."""
        return {
            "methods": [self.method], "steps": self.search.steps, "perceptual": self.perceptual, "restarts": self.restarts
        }  # fmt: skip


PRESETS: dict[str, Preset] = {
    "bau-2019": Preset(
        "layerwise", Search(3000, "adam", 0.01, (800, 1200, 1800)), "l1", "vgg16-raw", penalty=1.0
    ),
    "bau-2019-latent": Preset("layered+latent", Search(3000, "lbfgs", 1.0), "l1", "inverter", 0.25),
    "bau-2019-demo": Preset("layerwise", Search(100, "adam", 0.01), "l1", "vgg16-raw-mse", penalty=1.0),
    "creswell-2018": Preset("latent", Search(5000, "rmsprop", 0.01), "mse", prior=0.01),
    "creswell-2018-128": Preset("latent", Search(10_000, "rmsprop", 0.01), "mse", prior=0.01),
    "creswell-2018-omniglot": Preset("latent", Search(5000, "rmsprop", 0.01), "mse"),
    "creswell-2018-bce": Preset("latent", Search(5000, "rmsprop", 0.01), "bce", prior=0.01),
}  # fmt: skip
"""The references' batches change no result: images are searched for as if each were alone.

Bau et al.: optimize_residuals.py, optimize_z_lbfgs.py and the web demo. Creswell and Bharath: the recipes of their code
(mean squared error), and the loss of their text (binary cross-entropy)."""


FALLS, LEAST = (2.0, 4.0, 1.0), 300
"""Of the default search: two trials, and the better one gone on with. Fewer steps than LEAST are one fall, from the rate."""


def default_search(steps: int) -> Search:
    """The search of every audit that names no preset. `benchmarks.inversion schedule` measures where it ends."""
    return Search(steps, "adam", 0.1, falls=FALLS if steps >= LEAST else (1.0,), eigenbasis=True)


@dataclass(frozen=True)
class Settings:
    """How to search. A penalty of the objective that is not 0 is a preset's; else own samples set it."""

    search: Search
    objective: Objective
    restarts: int


def filled(given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` keys of `invert` with those that its preset sets; others stay. Raises RequestError for a preset that does not
    exist, and for a key that contradicts it."""
    name = given.get("preset")
    if name is None:
        return dict(given)
    if not isinstance(name, str) or name not in PRESETS:
        raise RequestError(f"there is no preset {name!r}; there are {', '.join(PRESETS)}")
    keys = PRESETS[name].keys()
    for key, value in keys.items():
        mine = list(given[key]) if key == "methods" and isinstance(given.get(key), list | tuple) else given.get(key, value)
        if mine != value:
            raise RequestError(f"preset {name} sets {key} to {value} and {mine} is asked for; leave out one of them")
    return {**given, **keys}


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
