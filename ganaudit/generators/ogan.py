"""Kind `ogan`: its options, and how it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ganaudit.context import Context
from ganaudit.generators.truncation import TruncatedSource
from ganaudit.kinds import Kind, Opened
from ganaudit.options import OF_CODES

if TYPE_CHECKING:
    from torch import Tensor

    from ganaudit.generators.layouts import Layout


class OganSource(TruncatedSource):
    """An O-GAN, with its weights: generator and encoder."""

    reconstruction_scale: Annotated[float, Field(gt=0.0, le=10.0), OF_CODES] = 0.9
    """A photo is encoded as N(E(x)) times this: 0.9 as in the published code, 1 as in the article."""


def layouts() -> Sequence[Layout]:
    """Its layouts: this package's own."""
    from ganaudit.encoders import ogan
    from ganaudit.generators.layouts import Layout

    def own(tensors: Mapping[str, Tensor]) -> bool:
        return "encoder.latent.weight" in tensors and any(name.startswith("layer1.") for name in tensors)

    return (Layout("ganaudit's ogan", own, dict, lambda tensors, _: ogan.from_weights(tensors)),)


def open_ogan(options: OganSource, context: Context) -> Opened:
    """The network of a weights file, its z truncated.

    Samples are known by the generator's tensors alone, codes by the encoder's (`encoder_digest`).
    """
    from ganaudit.generators.opening import read
    from ganaudit.state import state_digest

    opened = read(options, context, layouts(), truncation=options.truncation)
    opened.model.reconstruction_scale = options.reconstruction_scale
    return replace(opened, recipe={**opened.recipe, "weights": state_digest(opened.model, "encoder.")})


KIND = Kind("ogan", OganSource, open_ogan, "O-GAN: a generator whose critic is its encoder", layouts=layouts)
