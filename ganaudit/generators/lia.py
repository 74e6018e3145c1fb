"""Kind `lia`: its options, and how it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ganaudit.context import Context
from ganaudit.generators.stylegan import StyleganSource, sampling
from ganaudit.kinds import Kind, Opened

if TYPE_CHECKING:
    from torch import Tensor

    from ganaudit.generators.layouts import Layout


class LiaSource(StyleganSource):
    """A style-based generator with an invertible mapping and an encoder of its own (LIA), with its weights."""


def layouts() -> Sequence[Layout]:
    """Its layout: this package's own."""
    from ganaudit.generators.layouts import Layout
    from ganaudit.generators.networks import lia

    def own(tensors: Mapping[str, Tensor]) -> bool:
        parts = ("mapping.steps.0.linears.0.weight", "mapping.network.linears.0.weight", "encoder.stem.0.weight")
        return "layer1.constant" in tensors and any(name in tensors for name in parts)

    return (Layout("ganaudit's lia", own, dict, lambda tensors, _: lia.from_weights(tensors)),)


def open_lia(options: LiaSource, context: Context) -> Opened:
    """The network of a weights file, sampled as asked for. Raises RequestError for a cutoff beyond its styles.

    Samples are known by the generator's tensors alone, codes by the encoder's (`encoder_digest`).
    """
    from ganaudit.generators.opening import read
    from ganaudit.state import state_digest

    opened = read(options, context, layouts(), **sampling(options))
    return replace(opened, recipe={**opened.recipe, "weights": state_digest(opened.model, "encoder.")})


KIND = Kind("lia", LiaSource, open_lia, "LIA: style-based body, invertible mapping, encoder of its own", layouts=layouts)
