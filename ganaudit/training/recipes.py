"""What recipes of trainings have in common, and recipes with some of their values changed, as in the ablations of a paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from ganaudit.datasets.village import VillageDataset
from ganaudit.errors import RequestError
from ganaudit.kinds.mistakes import nearest
from ganaudit.training.data import Data
from ganaudit.village.scene import Prevalence

R = TypeVar("R")
Weight = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Keep = Annotated[float, Field(ge=0.0, lt=1.0)]
"""Of a running average, what stays of it at a step."""
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Steps = Annotated[int, Field(ge=0)]
Every = Annotated[int, Field(gt=0)]
Batch = Annotated[int, Field(ge=2)]
"""Of a training with R1, which half of a batch is given to."""


@dataclass(frozen=True, kw_only=True)
class SceneRecipe:
    """The village's scenes that a training sees where no other data are given."""

    prevalence: Prevalence = field(default_factory=Prevalence)
    data_seed: int = 1_000_002
    images: Every = 30_000

    def data(self) -> Data:
        """Those scenes."""
        return Data(VillageDataset(self.data_seed, asdict(self.prevalence)), self.images)


@dataclass(frozen=True, kw_only=True)
class JudgedRecipe:
    """A training against a discriminator."""

    batch: Batch = 32
    penalty: Weight = 0.2
    penalty_every: Every = 16
    decay_from: Share = 0.6
    """Share of the budget after which learning rates fall linearly, to 2 % of themselves at the end."""


def shared_out(changes: Sequence[str], *recipes: Any) -> list[list[str]]:
    """For each of several recipes the changes that are of it. Raises RequestError for a name that none of them has."""
    names = [[each.name for each in fields(recipe)] for recipe in recipes]
    every = list(dict.fromkeys(name for own in names for name in own))
    for change in changes:
        name = change.partition("=")[0]
        if name not in every:
            raise RequestError(f"--set {change}: the recipes have no {name!r}{nearest(name, every)}")
    return [[change for change in changes if change.partition("=")[0] in own] for own in names]


def changed(recipe: R, changes: Sequence[str]) -> R:
    """The recipe (a dataclass) with changes such as `latent_weight=0.25`.

    Raises RequestError for a name that it does not have, naming the nearest, and for a value that is none of that name.
    """
    values: dict[str, Any] = asdict(recipe)  # type: ignore[call-overload]
    names = [each.name for each in fields(recipe)]  # type: ignore[arg-type]
    for change in changes:
        name, is_set, value = change.partition("=")
        if not is_set:
            raise RequestError(f"--set {change}: a change of the recipe is NAME=VALUE, such as {names[0]}={values[names[0]]}")
        if name not in names:
            raise RequestError(f"--set {change}: the recipe has no {name!r}{nearest(name, names)}")
        values[name] = _read(change, value)
    try:
        return TypeAdapter(type(recipe)).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RequestError(f"--set {place}={first['input']}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None


def _read(change: str, value: str) -> Any:
    """A word or number as it stands, or a [list] or {mapping} of them."""
    if not value.startswith(("[", "{")):
        return value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        raise RequestError(f"--set {change}: {value} cannot be read; write a list as [1, 2]") from None
