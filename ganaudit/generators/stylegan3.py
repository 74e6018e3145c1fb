"""Kind `stylegan3`: its options, and how it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ganaudit.context import Context
from ganaudit.generators.precision import HalvedSource
from ganaudit.generators.stylegan import StyleganSource, sampling
from ganaudit.kinds import Kind, Opened

if TYPE_CHECKING:
    from torch import Tensor

    from ganaudit.generators.layouts import Layout
    from ganaudit.generators.protocol import LayeredGenerator


class Stylegan3Source(HalvedSource, StyleganSource):
    """A StyleGAN3 generator, t or r, with its weights."""

    cutoff: Annotated[int, Field(gt=0)] | None = None
    """So many of the first styles are truncated, the first being that of the Fourier features; default: all."""
    noise: Literal["none"] = "none"
    """There is none in this family."""


def layouts() -> Sequence[Layout]:
    """Its layouts."""
    from ganaudit.generators.layouts import Layout
    from ganaudit.generators.networks import stylegan3

    def own(tensors: Mapping[str, Tensor]) -> bool:
        return "input.freqs" in tensors

    def published(tensors: Mapping[str, Tensor]) -> bool:
        return "synthesis.input.freqs" in tensors

    def body(tensors: Mapping[str, Tensor], _options: object) -> LayeredGenerator:
        return stylegan3.from_weights(tensors)

    return (
        Layout("ganaudit's stylegan3", own, stylegan3.translated, body),
        Layout("a StyleGAN3", published, stylegan3.translated, body),
    )


def open_stylegan3(options: Stylegan3Source, context: Context) -> Opened:
    """The network of a weights file. Raises RequestError for a cutoff beyond its styles, or a class that it does not have."""
    from ganaudit.generators.opening import read

    return read(options, context, layouts(), **sampling(options))


KIND = Kind(
    "stylegan3", Stylegan3Source, open_stylegan3, "StyleGAN3, t and r: alias-free, from Fourier features", layouts=layouts
)
