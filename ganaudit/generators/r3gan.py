"""Kind `r3gan`: its options, and how it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ganaudit.context import Context
from ganaudit.generators.classes import ClassedSource
from ganaudit.generators.precision import HalvedSource
from ganaudit.generators.truncation import TruncatedSource
from ganaudit.kinds import Kind, Opened

if TYPE_CHECKING:
    from torch import Tensor

    from ganaudit.generators.layouts import Layout
    from ganaudit.generators.protocol import LayeredGenerator


class R3ganSource(HalvedSource, TruncatedSource, ClassedSource):
    """An R3GAN generator, with its weights."""


def layouts() -> Sequence[Layout]:
    """Its layouts."""
    from ganaudit.generators.layouts import Layout
    from ganaudit.generators.networks import r3gan

    def own(tensors: Mapping[str, Tensor]) -> bool:
        return "stage1.0.weight" in tensors and "linear.weight" in tensors

    def body(tensors: Mapping[str, Tensor], _options: object) -> LayeredGenerator:
        return r3gan.from_weights(tensors)

    return (
        Layout("ganaudit's r3gan", own, dict, body),
        Layout("an R3GAN", r3gan.PUBLISHED.fits, r3gan.PUBLISHED.renamed, body),
    )


def open_r3gan(options: R3ganSource, context: Context) -> Opened:
    """The network of a weights file. Raises RequestError for a class that it does not have."""
    from ganaudit.generators.opening import read

    said = {"label": options.label, "label_shares": options.label_shares}
    return read(options, context, layouts(), truncation=options.truncation, **said)


KIND = Kind(
    "r3gan", R3ganSource, open_r3gan, "R3GAN: residual blocks, grouped convolutions, with classes or without", layouts=layouts
)
