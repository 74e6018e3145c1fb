"""Kind `dcgan`: its options, and how it is opened."""

from __future__ import annotations

from ganaudit.context import Context
from ganaudit.generators.truncation import TruncatedSource
from ganaudit.kinds import Kind, Opened


def open_dcgan(options: TruncatedSource, context: Context) -> Opened:
    """The network of a weights file, its z truncated."""
    from ganaudit.generators.networks.dcgan import from_weights
    from ganaudit.generators.opening import filled

    return filled(options, context, from_weights, truncation=options.truncation)


KIND = Kind("dcgan", TruncatedSource, open_dcgan, "DCGAN body: transposed convolutions, batch norm")
