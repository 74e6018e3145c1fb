"""What own samples say before any photo is inverted: what a method's searches compute in, and what residuals cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from ganaudit import images
from ganaudit.inversion import precision as lower
from ganaudit.inversion.inverters import InversionTask
from ganaudit.inversion.methods import inverter
from ganaudit.inversion.penalty import free_residuals, penalty_of
from ganaudit.keys import source_key
from ganaudit.records.store import Store
from ganaudit.studies.inversion.done import InversionDone, footer
from ganaudit.studies.inversion.models import InversionShard, Inverters, Invertible, Setup, base_of
from ganaudit.studies.inversion.photos import OWN_SEED
from ganaudit.studies.inversion.record_tables import INVERSION_CALIBRATIONS, INVERSION_PRECISIONS
from ganaudit.studies.inversion.targets import own_pixels

VERSION = 2
"""Enters the keys: raised when the same own samples would say something else."""
SEARCHED = ("latent", "encoder+latent", "layered+latent", "layerwise", "feature")
"""The methods that search, and so have something to gain from a lower precision."""


@dataclass(frozen=True)
class OwnShard(InversionShard):
    """A few own samples of a generator, first to last, tried out by one method. inverters: digests by kind."""

    which: Invertible
    method: str
    key: str
    inverters: tuple[tuple[str, str], ...]
    precision: str
    """What is wanted, or what was chosen."""
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


class PrecisionShard(OwnShard):
    """Whether a lower precision changes where the searches end."""


class PenaltyShard(OwnShard):
    """How large residuals get where they cost nothing, and what they save."""


def known(setup: Setup, which: Invertible, inverters: Inverters) -> dict[str, Any]:
    """What enters the key of anything that own samples of a generator say. inverters: that are started from."""
    base = base_of(setup, which, inverters)
    return {
        "version": VERSION, "generator": which.key, "objective": base.objective.recipe(),
        "residuals": list(base.choice.residuals), "r": base.choice.feature, "inverter": dict(inverters), "latents": base.seed,
        "seed": OWN_SEED,
    }  # fmt: skip


def precision_key(setup: Setup, which: Invertible, method: str, inverters: Inverters, wanted: str) -> str:
    return source_key({
        "precision": wanted, "method": method, "search": base_of(setup, which, inverters).search.recipe(),
        "tolerated": [lower.TOLERATED, tried(setup), lower.STEPS], **known(setup, which, inverters),
    })  # fmt: skip


def penalty_key(setup: Setup, which: Invertible, inverters: Inverters, precision: str) -> str:
    how = replace(base_of(setup, which, inverters).search, precision=precision)
    return source_key({"penalty": setup.asked.own, "search": how.recipe(), **known(setup, which, inverters)})


def tried(setup: Setup) -> int:
    """Own samples on which a lower precision is tried out."""
    return min(setup.asked.own, lower.IMAGES)


def choose_precision(shard: PrecisionShard) -> InversionDone:
    """Writes the one row that says what a method's searches compute in."""
    began, setup = time.perf_counter(), shard.setup.here()
    task = _own_task(setup, shard, range(tried(setup)))
    chosen = lower.choose_precision(task, inverter(shard.method), shard.precision)
    row = {
        "key": shard.key, "generator_key": shard.which.key, "method": shard.method, "precision": chosen.name,
        "change": chosen.change, "images": chosen.images, "seconds": time.perf_counter() - began,
    }  # fmt: skip
    _write(setup, shard, INVERSION_PRECISIONS.name, [row])
    return InversionDone(shard.images, 0)


def free_own_samples(shard: PenaltyShard) -> InversionDone:
    """Writes size and gain of each own sample of a batch."""
    setup, indices = shard.setup.here(), range(shard.first, shard.last + 1)
    task = _own_task(setup, shard, indices)
    freed = free_residuals(replace(task, search=replace(task.search, precision=shard.precision)))
    size, gain = ([value if abs(value) < float("inf") else None for value in part.float().tolist()] for part in freed)
    rows = [
        {
            "key": shard.key, "image": image, "generator_key": shard.which.key, "method": shard.method, "size": size[place],
            "gain": gain[place],
        }
        for place, image in enumerate(indices)
    ]  # fmt: skip
    _write(setup, shard, INVERSION_CALIBRATIONS.name, rows)
    return InversionDone(shard.images, sum(value is None for value in size))


def _own_task(setup: Setup, shard: OwnShard, indices: Sequence[int]) -> InversionTask:
    base = base_of(setup, shard.which, shard.inverters)
    target = images.to_unit(own_pixels(base.generator, indices)).to(setup.device)
    return replace(base, targets=base.objective.targets(target), indices=indices)


def _write(setup: Setup, shard: OwnShard, name: str, rows: Sequence[dict[str, Any]]) -> None:
    table = {INVERSION_PRECISIONS.name: INVERSION_PRECISIONS, INVERSION_CALIBRATIONS.name: INVERSION_CALIBRATIONS}[name]
    first, last = (0, 0) if table is INVERSION_PRECISIONS else (shard.first, shard.last)
    setup.store.write_shard(name, shard.key, first, last, {name: table.from_rows(rows)}, footer(setup, shard.key))


def chosen_precision(store: Store, key: str, name: str, wanted: str) -> tuple[str, str | None]:
    """What a method's searches compute in, and a sentence where a lower precision was refused. name: of the generator."""
    columns = ("method", "precision", "change", "images")
    (row,) = store.read_block(INVERSION_PRECISIONS, key, (0, 0), columns).to_pylist()
    if row["precision"] != "float32" or not row["images"]:
        return row["precision"], None
    how = "it is not finite" if row["change"] is None else f"it changes by {row['change']:.1%}"
    return "float32", (
        f"{name!r}: {row['method']} searches in float32: in {wanted} the final loss of own samples is not the same ({how})."
    )


def chosen_penalty(store: Store, key: str, count: int) -> float:
    """The residuals' penalty at factor 1, from the first `count` own samples. Raises AuditError where it cannot be set."""
    blocks = sorted(store.finished_blocks(key, INVERSION_CALIBRATIONS.name))
    rows = [store.read_block(INVERSION_CALIBRATIONS, key, block, ("size", "gain")) for block in blocks if block[0] < count]
    size, gain = (
        torch.tensor([float("nan") if v is None else v for part in rows for v in part[name].to_pylist()], dtype=torch.float32)
        for name in ("size", "gain")
    )
    return penalty_of(size, gain).weight
