"""The options of every family with classes: of which classes its images are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from ganaudit.fields import Decimal, Whole
from ganaudit.options import WeightsSource

Label = Annotated[Whole, Field(ge=0)]
"""A class's number in the weights, from 0."""


def _shares(said: Mapping[int, float]) -> dict[int, float]:
    """Shares that sum to 1, in the order of classes: counts in the same proportions make the same images, so the same key."""
    total = sum(said.values())
    if not total > 0:
        raise ValueError(
            "label_shares gives each class its share of the images, such as {3: 0.2, 5: 0.8}; here none is above 0"
        )
    total = 1.0 if abs(total - 1.0) < 1e-9 else total
    return {label: share / total for label, share in sorted(said.items()) if share > 0}


class ClassedSource(WeightsSource):
    """A generator of a family that may have classes, with its weights."""

    label: Label | None = None
    """All images are of this class, from 0; default: the class of each is drawn uniformly, by its index."""
    label_shares: Annotated[dict[Label, Annotated[Decimal, Field(ge=0)]], AfterValidator(_shares)] | None = None
    """The class of each image is drawn, by its index, with these shares or counts: {3: 0.2, 5: 0.8}. Classes left out are not
    made."""

    @model_validator(mode="after")
    def _said_once(self) -> ClassedSource:
        if self.label is not None and self.label_shares is not None:
            raise ValueError("label and label_shares both say which classes are made; leave one out")
        return self
