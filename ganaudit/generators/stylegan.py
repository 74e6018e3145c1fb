"""Kind `stylegan`: its options, and how it is opened."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ganaudit.context import Context
from ganaudit.kinds import Kind, Opened
from ganaudit.options import WeightsSource


class StyleganSource(WeightsSource):
    """A style-based generator, with its weights."""

    truncation: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """psi: styles become mean + psi · (w − mean), the mean being that of 10,000 styles; default: they stay."""
    cutoff: Annotated[int, Field(gt=0)] | None = None
    """So many of the first layers get truncated styles; default: all."""
    noise: Literal["index", "const", "none"] = "index"
    """index: each image has noise of its own, which follows from its index. const: all have the same. none: there is none."""

    @model_validator(mode="after")
    def _cut_off_is_of_a_truncation(self) -> StyleganSource:
        if self.cutoff is not None and self.truncation is None:
            raise ValueError("cutoff says how many layers get truncated styles; give truncation, too")
        return self


def open_stylegan(options: StyleganSource, context: Context) -> Opened:
    """The network of a weights file. Raises RequestError for a cutoff beyond its layers."""
    from ganaudit.generators.networks.stylegan import from_weights
    from ganaudit.generators.opening import filled

    said: dict[str, Any] = {"truncation": options.truncation, "cutoff": options.cutoff, "noise": options.noise}
    return filled(options, context, from_weights, **said)


KIND = Kind("stylegan", StyleganSource, open_stylegan, "style-based body: mapping, modulated layers, noise")
