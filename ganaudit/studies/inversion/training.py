"""Inverters that an audit trains for itself before it inverts, one a generator and kind: kept in the folder of the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ganaudit.encoders import OWN_ENCODER
from ganaudit.errors import RequestError
from ganaudit.keys import digest
from ganaudit.spec import Invert
from ganaudit.studies.inversion.done import InversionDone
from ganaudit.studies.inversion.models import (
    InversionShard,
    Invertible,
    Setup,
    generator_of,
    inverters_folder,
    inverters_of,
    mark_of,
    needed,
)
from ganaudit.training.inverters import InverterRecipe
from ganaudit.training.loop import Budget
from ganaudit.training.making import SMALL, make_inverter


@dataclass(frozen=True)
class InverterShard(InversionShard):
    """An inverter of one kind that is missing for a generator."""

    which: Invertible
    kind: str

    images: ClassVar[int] = 1
    """It has none; it counts as one step of the way."""

    @property
    def group(self) -> str:
        return self.which.name

    @property
    def label(self) -> str:
        return f"{self.which.name} inverter {self.kind}"

    @property
    def note(self) -> str:
        minutes = minutes_of(self.setup.asked, self.kind)
        return f"an inverter of kind {self.kind} was trained for {self.which.name!r} in {minutes:g} minutes."


def minutes_of(asked: Invert, kind: str) -> float:
    """Minutes, by the wall clock, that such an inverter is trained."""
    return asked.inverter_minutes or SMALL[kind]


def missing_inverters(setup: Setup, generators: list[Invertible]) -> list[InverterShard]:
    """Those that the methods asked for start from, each generator's weights once."""
    missing: dict[tuple[str, str], InverterShard] = {}
    for which in generators:
        there = inverters_of(setup, which, needed(setup.asked))
        for kind in needed(setup.asked):
            if kind not in there and kind != OWN_ENCODER:
                missing.setdefault((mark_of(setup, which), kind), InverterShard(setup, which, kind))
    return list(missing.values())


def train_inverter(shard: InverterShard) -> InversionDone:
    """Trains one, or goes on where one was begun. Raises RequestError where the generator's layers do not fit."""
    setup, folder = shard.setup.here(), inverters_folder(shard.setup)
    mark, minutes = mark_of(setup, shard.which), minutes_of(setup.asked, shard.kind)
    # What another layer or budget left unfinished is another training: it has a folder of its own.
    unfinished = folder / f"{mark}-{shard.kind}-{digest([setup.asked.layer, minutes])[:8]}"
    try:
        path = make_inverter(
            generator_of(setup, shard.which), mark, InverterRecipe(shard.kind, setup.asked.layer),
            unfinished, lambda *_: None, Budget(minutes=minutes), device=setup.device,
            command="an audit with invert.inverter: auto",
        )  # fmt: skip
    except RequestError as error:
        raise RequestError(f"{shard.which.name!r} cannot be inverted: {error}") from None
    path.replace(folder / path.name)
    return InversionDone(1, 0)
