"""The options of generators that are one function from z, and perhaps a class, to images: what their files do not say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from ganaudit.fields import Arguments, Decimal, Whole
from ganaudit.generators.truncation import TruncatedSource

if TYPE_CHECKING:
    from ganaudit.generators.networks.inputs import Inputs

Positive = Annotated[Whole, Field(gt=0, le=1_000_000)]


class FunctionSource(TruncatedSource):
    """A generator that is one function from z, and perhaps a class, to images."""

    latent: Positive | Annotated[tuple[Positive, ...], Field(min_length=1, max_length=4)] | None = None
    """The shape of one z: 128, or [512, 1, 1]."""
    prior: Literal["normal", "uniform"] = "normal"
    """What z is drawn from; uniform: between −1 and 1."""
    classes: Positive | None = None
    """It is given a class after z, of so many; that of each image is drawn uniformly, by its index."""
    label: Annotated[Whole, Field(ge=0)] | None = None
    """All images are of this class, from 0."""
    class_as: Literal["index", "one-hot"] = "index"
    """How the class is given: its number, (N,) of int64; or (N, classes) of ones and zeros."""
    arguments: Arguments = Field(default={})
    """Values of further inputs, by their names: {truncation_psi: 0.7}."""
    range: tuple[Decimal, Decimal] = (-1.0, 1.0)
    """The values of black and white in its images: [-1, 1], [0, 1] or [0, 255]."""
    threads: Literal[1] | None = None
    """1: it is called by one thread at a time; default: by several at once."""

    @model_validator(mode="after")
    def _fits(self) -> FunctionSource:
        if self.range[0] >= self.range[1]:
            raise ValueError(f"range: black, {self.range[0]:g}, is not below white, {self.range[1]:g}")
        if self.prior == "uniform" and self.truncation is not None:
            raise ValueError("truncation is of a normal z, and prior is uniform; leave one of them out")
        if self.label is not None and self.label >= (self.classes or 0):
            has = f"classes is {self.classes}, and they count from 0" if self.classes else "classes are not said"
            raise ValueError(f"label is {self.label}, and {has}")
        return self

    def inputs(self, latent: tuple[int, ...], **found: Any) -> Inputs:
        """What the function is given and what it gives; `found`: what its file says itself."""
        from ganaudit.generators.networks.inputs import Inputs

        said = {name: getattr(self, name) for name in ("prior", "truncation", "label", "range")}
        said |= {"classes": self.classes or 0, "one_hot": self.class_as == "one-hot"}
        return Inputs(latent, **(said | found))

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of one z, where it is said."""
        return (self.latent,) if isinstance(self.latent, int) else self.latent
