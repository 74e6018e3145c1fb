"""Kind `dcgan`: its options, and how it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.classes import ClassedSource
from ganaudit.generators.truncation import TruncatedSource
from ganaudit.kinds import Kind, Opened

if TYPE_CHECKING:
    from torch import Tensor

    from ganaudit.generators.layouts import Layout
    from ganaudit.generators.protocol import LayeredGenerator


class DcganSource(TruncatedSource, ClassedSource):
    """A DCGAN, with its weights."""

    classes: Annotated[int, Field(gt=0, le=1_000_000)] | None = None
    """So many of the first layer's inputs, after z, are a one-hot class; an embedding in the file says its number itself."""


def layouts() -> Sequence[Layout]:
    """Its layouts."""
    from ganaudit.generators.layouts import Layout
    from ganaudit.generators.networks import chained_dcgan, dcgan

    def own(tensors: Mapping[str, Tensor]) -> bool:
        return "layer1.linear.weight" in tensors and "layer2.convolution.weight" in tensors

    def body(tensors: Mapping[str, Tensor], options: DcganSource) -> LayeredGenerator:
        for name in ("classes", "label_shares"):
            if getattr(options, name, None) is not None:
                raise RequestError(f"these are the weights of a generator without classes; leave {name} out")
        return dcgan.from_weights(tensors)

    return (
        Layout("ganaudit's dcgan", own, dict, body),
        Layout("a DCGAN of the tutorials", chained_dcgan.numbered, chained_dcgan.translated, chained_dcgan.body),
        Layout("an InvertingGAN", chained_dcgan.inverting, chained_dcgan.translated, chained_dcgan.sloped(0.2)),
    )


def open_dcgan(options: DcganSource, context: Context) -> Opened:
    """The network of a weights file, its z truncated. Raises RequestError for a class that it does not have."""
    from ganaudit.generators.opening import read

    shares = {} if options.label_shares is None else {"label_shares": options.label_shares}
    return read(options, context, layouts(), truncation=options.truncation, label=options.label, **shares)


KIND = Kind("dcgan", DcganSource, open_dcgan, "DCGAN body: transposed convolutions, batch norm", layouts=layouts)
