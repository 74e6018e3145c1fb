"""Kind `stylegan2`: its options, and how it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ganaudit.context import Context
from ganaudit.generators.stylegan import StyleganSource
from ganaudit.kinds import Kind, Opened

if TYPE_CHECKING:
    from torch import Tensor

    from ganaudit.generators.layouts import Layout
    from ganaudit.generators.protocol import LayeredGenerator


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


def layouts() -> Sequence[Layout]:
    """Its layouts."""
    from ganaudit.generators.layouts import Layout
    from ganaudit.generators.networks import stylegan2, stylegan2_names

    def body(tensors: Mapping[str, Tensor], _options: object) -> LayeredGenerator:
        return stylegan2.from_weights(tensors)

    def own(tensors: Mapping[str, Tensor]) -> bool:
        return "b4.const" in tensors

    published = [
        Layout(f"a StyleGAN2 ({layout.title})", layout.fits, stylegan2_names.named, body) for layout in stylegan2_names.LAYOUTS
    ]
    return Layout("ganaudit's stylegan2", own, dict, body), *published


def open_stylegan2(options: Stylegan2Source, context: Context) -> Opened:
    """The network of a weights file of any of its layouts. Raises RequestError for a cutoff beyond its styles."""
    from ganaudit.generators.opening import read

    return read(options, context, layouts(), truncation=options.truncation, cutoff=options.cutoff, noise=options.noise)


KIND = Kind(
    "stylegan2", Stylegan2Source, open_stylegan2, "StyleGAN2 and -ADA: NVIDIA's and rosinality's names are known",
    layouts=layouts,
)  # fmt: skip
