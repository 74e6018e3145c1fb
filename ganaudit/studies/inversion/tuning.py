"""What own samples say before any photo is inverted: what residuals cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch

from ganaudit import images
from ganaudit.inversion.penalty import own_penalties, typical
from ganaudit.keys import source_key
from ganaudit.records.store import Store
from ganaudit.studies.inversion.done import InversionDone, footer
from ganaudit.studies.inversion.models import InversionShard, Inverters, Invertible, Setup, base_of
from ganaudit.studies.inversion.photos import OWN_SEED
from ganaudit.studies.inversion.record_tables import INVERSION_CALIBRATIONS
from ganaudit.studies.inversion.targets import own_pixels

VERSION = 4
"""Enters the keys: raised when the same own samples would say something else."""


@dataclass(frozen=True)
class PenaltyShard(InversionShard):
    """The penalty that each of a few own samples of a generator tolerates, first to last. inverters: digests by kind.
    precision: what the search computes in."""

    which: Invertible
    method: str
    key: str
    inverters: tuple[tuple[str, str], ...]
    precision: str
    first: int
    last: int

    @property
    def group(self) -> str:
        return self.which.name

    @property
    def images(self) -> int:
        return self.last - self.first + 1

    @property
    def label(self) -> str:
        return f"{self.which.name} {self.method} own samples {self.first}-{self.last}"


def known(setup: Setup, which: Invertible, inverters: Inverters) -> dict[str, Any]:
    """What enters the key of anything that own samples of a generator say. inverters: that are started from."""
    base = base_of(setup, which, inverters)
    return {
        "version": VERSION, "generator": which.key, "objective": base.objective.recipe(),
        "residuals": list(base.choice.residuals), "r": base.choice.feature, "inverter": dict(inverters), "latents": base.seed,
        "seed": OWN_SEED,
    }  # fmt: skip


def penalty_key(setup: Setup, which: Invertible, inverters: Inverters, precision: str) -> str:
    how = replace(base_of(setup, which, inverters).search, precision=precision)
    return source_key({"penalty": setup.asked.own, "search": how.recipe(), **known(setup, which, inverters)})


def tune_on_own_samples(shard: PenaltyShard) -> InversionDone:
    """Writes what residuals do for each own sample of a batch."""
    setup, indices = shard.setup.here(), range(shard.first, shard.last + 1)
    base = base_of(setup, shard.which, shard.inverters)
    target = images.to_unit(own_pixels(base.generator, indices)).to(setup.device)
    task = replace(base, targets=base.objective.targets(target), indices=indices)
    penalties = own_penalties(replace(task, search=replace(task.search, precision=shard.precision)), shard.method)
    columns = {
        name: [value if math.isfinite(value) else None for value in getattr(penalties, name).float().tolist()]
        for name in ("size", "gain", "penalty")
    }
    rows = [
        {
            "key": shard.key, "image": image, "generator_key": shard.which.key, "method": shard.method,
            **{name: values[place] for name, values in columns.items()},
        }
        for place, image in enumerate(indices)
    ]  # fmt: skip
    table = INVERSION_CALIBRATIONS
    setup.store.write_shard(
        table.name, shard.key, shard.first, shard.last, {table.name: table.from_rows(rows)}, footer(setup, shard.key)
    )
    return InversionDone(shard.images, columns["penalty"].count(None))


def chosen_penalty(store: Store, key: str, count: int) -> float:
    """The residuals' penalty at factor 1, from the first `count` own samples. Raises AuditError where it cannot be set."""
    blocks = sorted(store.finished_blocks(key, INVERSION_CALIBRATIONS.name))
    values = [
        value
        for block in blocks
        if block[0] < count
        for value in store.read_block(INVERSION_CALIBRATIONS, key, block, ("penalty",))["penalty"].to_pylist()
    ]
    return typical(torch.tensor([math.nan if value is None else value for value in values], dtype=torch.float32))
