"""Kind `stylegan2`: its options, and how it is opened."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ganaudit.context import Context
from ganaudit.generators.stylegan import StyleganSource
from ganaudit.kinds import Kind, Opened


class Stylegan2Source(StyleganSource):
    """A StyleGAN2 or StyleGAN2-ADA generator without classes, with its weights."""

    truncation: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """psi: styles become mean + psi · (w − mean), the mean being that in the weights, else that of 10,000 styles; default: they
    stay."""
    cutoff: Annotated[int, Field(gt=0)] | None = None
    """So many of the first styles are truncated, of two a resolution; default: all."""
    noise: Literal["index", "const", "none"] = "index"
    """index: each image has noise of its own, which follows from its index (the papers' random). const: all have that of the
    weights. none: there is none."""


def open_stylegan2(options: Stylegan2Source, context: Context) -> Opened:
    """The network of a weights file of any layout of `stylegan2_names`. Raises RequestError for a cutoff beyond its styles."""
    from ganaudit.generators.networks.stylegan2 import from_weights
    from ganaudit.generators.networks.stylegan2_names import named
    from ganaudit.generators.opening import filled

    said: dict[str, Any] = {"truncation": options.truncation, "cutoff": options.cutoff, "noise": options.noise}
    return filled(options, context, from_weights, named, **said)


KIND = Kind("stylegan2", Stylegan2Source, open_stylegan2, "StyleGAN2 and -ADA: NVIDIA's and rosinality's names are known")
