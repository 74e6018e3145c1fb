"""Kind `biggan`: its options, and how it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ganaudit.context import Context
from ganaudit.generators.classes import ClassedSource
from ganaudit.kinds import Kind, Opened

if TYPE_CHECKING:
    from torch import Tensor

    from ganaudit.generators.layouts import Layout
    from ganaudit.generators.protocol import LayeredGenerator


class BigganSource(ClassedSource):
    """A BigGAN or BigGAN-deep generator, with its weights."""

    truncation: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """z is this times a normal distribution cut off at ±2, as in the modules on TF-Hub; BigGAN-deep has statistics of it.
    Default: 1 for BigGAN-deep, else z is the whole normal distribution."""


def layouts() -> Sequence[Layout]:
    """Its layouts."""
    from ganaudit.generators.layouts import Layout
    from ganaudit.generators.networks import biggan, biggan_names

    def own(tensors: Mapping[str, Tensor]) -> bool:
        return "shared.weight" in tensors and "block1.norms.0.gain.weight" in tensors

    def tf_hub(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return biggan_names.brock(tensors, biggan_names.TF_EPSILON)

    def body(tensors: Mapping[str, Tensor], _options: object) -> LayeredGenerator:
        return biggan.from_weights(tensors)

    return (
        Layout("ganaudit's biggan", own, dict, body),
        Layout("a BigGAN of ajbrock/BigGAN-PyTorch", biggan_names.is_brock, biggan_names.brock, body),
        Layout("a BigGAN of TF-Hub, in names of ajbrock/BigGAN-PyTorch", biggan_names.is_tf_hub, tf_hub, body),
        Layout("a BigGAN-deep of pytorch-pretrained-biggan", biggan_names.is_deep, biggan_names.deep, body),
    )


def open_biggan(options: BigganSource, context: Context) -> Opened:
    """The network of a weights file of any of its layouts. Raises RequestError for a class that it does not have."""
    from ganaudit.generators.opening import read

    said = {"label": options.label, "label_shares": options.label_shares}
    return read(options, context, layouts(), truncation=options.truncation, **said)


KIND = Kind(
    "biggan", BigganSource, open_biggan, "BigGAN and BigGAN-deep: class-conditional, with self-attention", layouts=layouts
)
