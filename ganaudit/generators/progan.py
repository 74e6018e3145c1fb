"""Kind `progan`: its options, and how it is opened."""

from __future__ import annotations

from ganaudit.context import Context
from ganaudit.generators.truncation import TruncatedSource
from ganaudit.kinds import Kind, Opened


def open_progan(options: TruncatedSource, context: Context) -> Opened:
    """The network of a weights file, its z truncated. Only z's direction counts behind its pixel norm."""
    from ganaudit.generators.networks.progan import from_weights
    from ganaudit.generators.opening import filled

    return filled(options, context, from_weights, truncation=options.truncation)


KIND = Kind("progan", TruncatedSource, open_progan, "ProGAN body: pixel norm, upsampling, 3x3 convolutions")
