"""The references' exact settings, by name. Their bugs are not among them."""

from __future__ import annotations

from dataclasses import dataclass

from ganaudit.errors import RequestError
from ganaudit.inversion.search import Search


@dataclass(frozen=True)
class Preset:
    """One reference's way to invert: method, objective and search. perceptual: see `perceptual.KINDS`, or `inverter` for the
    encoder's own estimate of z."""

    method: str
    search: Search
    pixel: str = "mse"
    perceptual: str = "none"
    perceptual_weight: float = 1.0
    prior: float = 0.0
    penalty: float = 0.0
    restarts: int = 1


PRESETS: dict[str, Preset] = {
    "bau-2019": Preset(
        "layerwise", Search(3000, "adam", 0.01, (800, 1200, 1800), batch=1), "l1", "vgg16-raw", penalty=1.0
    ),
    "bau-2019-latent": Preset("layered+latent", Search(3000, "lbfgs", 1.0, batch=1), "l1", "inverter", 0.25),
    "bau-2019-demo": Preset("layerwise", Search(100, "adam", 0.01, batch=1), "l1", "vgg16-raw-mse", penalty=1.0),
    "creswell-2018": Preset("latent", Search(5000, "rmsprop", 0.01, batch=500), "mse", prior=0.01),
    "creswell-2018-128": Preset("latent", Search(10_000, "rmsprop", 0.01, batch=500), "mse", prior=0.01),
    "creswell-2018-omniglot": Preset("latent", Search(5000, "rmsprop", 0.01, batch=500), "mse"),
    "creswell-2018-bce": Preset("latent", Search(5000, "rmsprop", 0.01, batch=500), "bce", prior=0.01),
}  # fmt: skip
"""Bau et al.: optimize_residuals.py, optimize_z_lbfgs.py and the web demo. Creswell and Bharath: the recipes of their code
(mean squared error), and the loss of their text (binary cross-entropy)."""


def preset(name: str) -> Preset:
    """Raises RequestError naming the presets that exist."""
    if name not in PRESETS:
        raise RequestError(f"there is no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]
