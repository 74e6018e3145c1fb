"""How a search is made: by default, or by a reference's exact settings, by name. Their bugs are not among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganaudit.errors import RequestError
from ganaudit.inversion.search import Search


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


FALLS, FURTHER, LEAST = (2.0, 0.3, 0.5), (1.0, 4.0), 500
"""Of the default search: two trials, two more where those do not agree, and the best one gone on with, about as many steps in
the mean as are asked for. Fewer than LEAST are one fall."""


def default_search(steps: int) -> Search:
    """The search of every audit that names no preset. `benchmarks.inversion schedule` measures where it ends."""
    if steps < LEAST:
        return Search(steps, "adam", 0.1, falls=FALLS[:1], eigenbasis=True)
    return Search(steps, "adam", 0.1, falls=FALLS, further=FURTHER, eigenbasis=True)


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
