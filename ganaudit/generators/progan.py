"""Kind `progan`: its options, and how it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from ganaudit.context import Context
from ganaudit.generators.truncation import TruncatedSource
from ganaudit.kinds import Kind, Opened

if TYPE_CHECKING:
    from torch import Tensor

    from ganaudit.generators.layouts import Layout


class ProganSource(TruncatedSource):
    """A progressive GAN, with its weights."""

    pixel_norm: Literal["everywhere", "ends"] | None = None
    """Of the 128 px ablations of Bau et al. with stored scales, whose files have the same keys: everywhere is
    pixelwise-normalization, ends equalized-learning-rate."""
    batch_norm: Literal["stored", "batch"] = "stored"
    """Of their ablations with batch norms, WGAN-GP among them. stored: by the statistics in the weights. batch: each image by
    those of its hundred (0 to 99, 100 to 199 and so on), as Bau et al. sampled."""


def layouts() -> Sequence[Layout]:
    """Its layouts: this package's own, those of Bau et al. (ICCV 2019), and NVIDIA's."""
    from ganaudit.generators.layouts import Layout
    from ganaudit.generators.networks import progan, tensorflow_progan
    from ganaudit.generators.networks import reference_progan as reference

    def own(tensors: Mapping[str, Tensor]) -> bool:
        return "layer1.linear.weight" in tensors and "layer2.convolutions.0.weight" in tensors

    tensorflow = tensorflow_progan.LAYOUT
    return (
        Layout("ganaudit's progan", own, dict, lambda tensors, _: progan.from_weights(tensors)),
        Layout("a ProGAN of Bau et al.", reference.is_progan, reference.translated_progan, reference.body),
        Layout("the ablation wgangp, small-minibatch or progressive-training of Bau et al.", reference.is_simple,
               reference.translated, reference.body),
        Layout("the ablation minibatch-stddev or minibatch-discrimination of Bau et al.", reference.is_standard,
               reference.translated, reference.body),
        Layout("the ablation equalized-learning-rate or pixelwise-normalization of Bau et al.", reference.is_stored,
               reference.translated, reference.body),
        Layout(f"a {tensorflow.title}", tensorflow.fits, tensorflow.renamed, tensorflow_progan.body,
               tensorflow.arguments),
    )  # fmt: skip


def open_progan(options: ProganSource, context: Context) -> Opened:
    """The network of a weights file, its z truncated. Only z's direction counts behind its pixel norm."""
    from ganaudit.generators.opening import read

    return read(options, context, layouts(), truncation=options.truncation)


KIND = Kind("progan", ProganSource, open_progan, "ProGAN body: pixel norm, upsampling, 3x3 convolutions", layouts=layouts)
