"""Kind `stylegan2`: its options, and how it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ganaudit.context import Context
from ganaudit.generators.precision import HalvedSource
from ganaudit.generators.stylegan import StyleganSource, sampling
from ganaudit.kinds import Kind, Opened

if TYPE_CHECKING:
    from torch import Tensor

    from ganaudit.generators.layouts import Layout
    from ganaudit.generators.protocol import LayeredGenerator


class Stylegan2Source(HalvedSource, StyleganSource):
    """A StyleGAN2 or StyleGAN2-ADA generator, with its weights."""

    cutoff: Annotated[int, Field(gt=0)] | None = None
    """So many of the first styles are truncated, of two a resolution; default: all."""


def layouts() -> Sequence[Layout]:
    """Its layouts."""
    from ganaudit.generators.layouts import Layout
    from ganaudit.generators.networks import stylegan2, stylegan2_names

    def body(tensors: Mapping[str, Tensor], _options: object) -> LayeredGenerator:
        return stylegan2.from_weights(tensors)

    def own(tensors: Mapping[str, Tensor]) -> bool:
        return "b4.const" in tensors

    published = [
        Layout(f"a StyleGAN2 ({layout.title})", layout.fits, layout.renamed, body, layout.arguments)
        for layout in stylegan2_names.LAYOUTS
    ]
    return Layout("ganaudit's stylegan2", own, dict, body), *published


def open_stylegan2(options: Stylegan2Source, context: Context) -> Opened:
    """The network of a weights file of any of its layouts. Raises RequestError for a cutoff beyond its styles."""
    from ganaudit.generators.opening import read

    return read(options, context, layouts(), **sampling(options))


KIND = Kind(
    "stylegan2", Stylegan2Source, open_stylegan2, "StyleGAN2 and -ADA: NVIDIA's (PyTorch, TensorFlow) and rosinality's names",
    layouts=layouts,
)  # fmt: skip
