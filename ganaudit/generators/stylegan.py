"""Kind `stylegan`: its options, and how it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from ganaudit.context import Context
from ganaudit.generators.classes import ClassedSource
from ganaudit.kinds import Kind, Opened

if TYPE_CHECKING:
    from torch import Tensor

    from ganaudit.generators.layouts import Layout


class StyleganSource(ClassedSource):
    """A style-based generator, with its weights."""

    truncation: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """psi: styles become mean + psi · (w − mean), the mean being that in the weights, else that of 10,000 styles; default: they
    stay."""
    cutoff: Annotated[int, Field(gt=0)] | None = None
    """So many of the first styles are truncated; default: all."""
    center: Literal["all", "class"] = "all"
    """Where truncation goes. class: to the mean of 1,000 styles of the image's own class."""
    noise: Literal["index", "const", "none"] = "index"
    """index: each image has noise of its own, which follows from its index (the papers' random). const: all have that of the
    weights, or the same where there is none in them. none: there is none."""

    @model_validator(mode="after")
    def _cut_off_is_of_a_truncation(self) -> StyleganSource:
        if self.cutoff is not None and self.truncation is None:
            raise ValueError("cutoff says how many layers get truncated styles; give truncation, too")
        if self.center != "all" and self.truncation is None:
            raise ValueError("center says where truncated styles go; give truncation, too")
        return self


def layouts() -> Sequence[Layout]:
    """Its layouts: this package's own, and those in which StyleGAN (Karras et al., CVPR 2019) is published."""
    from ganaudit.generators.layouts import Layout
    from ganaudit.generators.networks import stylegan, stylegan1, stylegan1_names

    def own(tensors: Mapping[str, Tensor]) -> bool:
        return "layer1.constant" in tensors and "mapping.linears.0.weight" in tensors

    rosinality, habits = stylegan1_names.ROSINALITY, stylegan1.Habits(epsilon=1e-5, early=True, shared=True)
    return (
        Layout("ganaudit's stylegan", own, dict, lambda tensors, _: stylegan.from_weights(tensors)),
        *(Layout(f"a {names.title}", names.fits, names.renamed, lambda tensors, _: stylegan1.from_weights(tensors),
                 names.arguments) for names in stylegan1_names.NVIDIA),
        Layout(rosinality.title, rosinality.fits, rosinality.renamed,
               lambda tensors, _: stylegan1.from_weights(tensors, habits)),
    )  # fmt: skip


def open_stylegan(options: StyleganSource, context: Context) -> Opened:
    """The network of a weights file of any of its layouts. Raises RequestError for a cutoff beyond its styles."""
    from ganaudit.generators.opening import read

    return read(options, context, layouts(), **sampling(options))


def sampling(options: StyleganSource) -> dict[str, Any]:
    """How a style-based generator is to be sampled (`StyleGenerator.sampled`)."""
    return {name: getattr(options, name) for name in ("truncation", "cutoff", "center", "noise", "label", "label_shares")}


KIND = Kind(
    "stylegan", StyleganSource, open_stylegan, "style-based body, and StyleGAN: NVIDIA's, genforce's, rosinality's names",
    layouts=layouts,
)  # fmt: skip
