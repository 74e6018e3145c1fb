"""The searches of one batch: in one generator by one method, at every penalty that is missing."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ganaudit import images
from ganaudit.inversion.inverters import InversionResult, InversionTask
from ganaudit.inversion.methods import inverter, needs, over_z, source_digest
from ganaudit.inversion.search import Search
from ganaudit.keys import source_key
from ganaudit.parsers.seeing import see
from ganaudit.records.schema import QUARANTINED
from ganaudit.studies.inversion import rows
from ganaudit.studies.inversion.done import InversionDone, footer
from ganaudit.studies.inversion.models import InversionShard, Invertible, Setup, base_of, frame, parser_of
from ganaudit.studies.inversion.record_tables import INVERSIONS
from ganaudit.studies.inversion.settings import SearchSetting
from ganaudit.studies.inversion.targets import ParsedTargets, read_targets, resized

LOG = logging.getLogger("ganaudit.inversion")
VERSION = 6
"""Enters the content keys: raised when the same images and settings would give other records."""

AGAIN = 3
"""Searches at a tenth and at ten times the penalty start from what was found at the penalty, with this part of the steps."""
WEIGHTED_STARTS = 3
"""Further starts of a mask-weighted search over z. What a generator makes rarely is at the rim of z, and an inverter's guess
may have no slope that leads there: a class is not made only where no start finds it."""


@dataclass(frozen=True)
class TunedMethod:
    """How a method searches in a generator, once own samples have been asked.

    inverters: digests of trained inverters by kind. penalty: of the residuals at factor 1; None without residuals;
    penalty_key: the key of the records that it was set from.
    """

    which: Invertible
    method: str
    inverters: tuple[tuple[str, str], ...]
    precision: str
    penalty: float | None = None
    penalty_key: str | None = None

    @property
    def inverter(self) -> str | None:
        """Digest of the trained inverter that the method starts from."""
        return dict(self.inverters).get(needs(self.method) or "")

    def weight(self, factor: float | None) -> float:
        """What residuals cost at a multiple of the penalty."""
        return 0.0 if factor is None or self.penalty is None else factor * self.penalty


@dataclass(frozen=True)
class SearchShard(InversionShard):
    """One batch of one list, inverted in one way at several penalties.

    settings: those that are missing. targets_key, count: of the list as it was parsed. places: of the batch in that list;
    first, last: of the batch in what is searched for.
    """

    way: TunedMethod
    settings: tuple[SearchSetting, ...]
    targets_key: str
    count: int
    places: tuple[int, ...]
    first: int
    last: int

    @property
    def group(self) -> str:
        return self.way.which.name

    @property
    def images(self) -> int:
        """Each image counts once for every setting."""
        return len(self.places) * len(self.settings)

    @property
    def label(self) -> str:
        some = self.settings[0]
        weighted = "" if some.weighted_class is None else f" for class {some.weighted_class}"
        return f"{self.way.which.name} {self.way.method} {some.sample}{weighted} {self.first}-{self.last}"


def setting_key(
    setup: Setup, way: TunedMethod, targets_key: str, sample: str, factor: float | None, weighted: int | None = None,
    part: str | None = None,
) -> str:  # fmt: skip
    """The key of the records of one list of images, or of a part of it (a digest of its places), inverted in one way."""
    base = base_of(setup, way.which, way.inverters)
    how = replace(base.search, precision=way.precision)
    return source_key({
        "inversion": VERSION, "targets": targets_key, "part": part, "sample": sample, "generator": way.which.key,
        "method": way.method,
        "objective": base.objective.recipe(), "penalty": factor, "calibration": way.penalty_key if factor is not None else None,
        "search": how.recipe(), "then": None if factor in (None, 1.0) else again(how, factor).recipe(),
        "residuals": list(base.choice.residuals), "r": base.choice.feature, "inverter": way.inverter,
        "parser": setup.parser_key, "seed": base.seed, "restarts": base.restarts, "weighted": weighted,
        "wide": _further_starts(way.method, weighted), "keep": setup.asked.keep,
        **({} if (digest := source_digest(way.method)) is None else {"source": digest}),
    })  # fmt: skip


def search_batch(shard: SearchShard) -> InversionDone:
    """Inverts one batch at every penalty that is missing: at the penalty itself first, because the others start there."""
    setup, way, weighted = shard.setup.here(), shard.way, shard.settings[0].weighted_class
    targets = read_targets(setup.store, shard.targets_key, shard.count, setup.asked.batch, shard.places)
    base = base_of(setup, way.which, way.inverters)
    size = frame(base.shape.resolution)
    target = images.to_unit(resized(targets.pixels, size)).to(setup.device)
    inside = None if weighted is None else _inside(targets, weighted, size, setup.device)
    how = replace(base.search, precision=way.precision)
    task = replace(base, indices=targets.indices, search=how, further_starts=_further_starts(way.method, weighted))
    start: InversionResult | None = None
    failed = 0
    for setting in sorted(shard.settings, key=lambda setting: setting.factor != 1.0):
        other = setting.factor not in (None, 1.0)
        if other and start is None:
            start, _ = _search(way, task, 1.0, target, inside)
        begun = None if start is None or not other else {n: v for n, v in start.found.free.items() if n != "z"}
        begin = replace(task, begin=begun, search=again(how, setting.factor))
        made, seconds = _search(way, begin, setting.factor, target, inside)
        if setting.factor == 1.0:
            start = made
        failed += _write(setup, shard, setting, targets, made, target, seconds, base)
    return InversionDone(shard.images, failed)


def _search(
    way: TunedMethod, task: InversionTask, factor: float | None, target: Tensor, inside: Tensor | None
) -> tuple[InversionResult, float]:
    """The outcome, and its wall time divided by its images."""
    began = time.perf_counter()
    objective = replace(task.objective, penalty=way.weight(factor))
    made = inverter(way.method)(
        replace(task, objective=objective, targets=objective.targets(target, inside))
    )  # fmt: skip
    if made.note is not None:
        LOG.warning("%r: %s", way.which.name, made.note)
    return made, (time.perf_counter() - began) / len(target)


def _write(
    setup: Setup, shard: SearchShard, setting: SearchSetting, targets: ParsedTargets, made: InversionResult, target: Tensor,
    seconds: float, base: InversionTask,
) -> int:  # fmt: skip
    """Parses the reconstructions at the size of their targets and writes everything; how many were set aside."""
    way, perceptual = shard.way, base.objective.perceptual
    pixels = resized(images.to_bytes(torch.nan_to_num(made.found.image)).cpu(), targets.size)
    maps, confidence = see(parser_of(setup), pixels, setup.spec.sample.batch, setup.device)
    shared: dict[str, Any] = {
        "generator_key": way.which.key, "parser_key": setup.parser_key, "inverter": way.inverter, "seed": base.seed,
        "penalty": way.weight(setting.factor), "perceptual": perceptual.name if perceptual else "none",
        "precision": way.precision, "seconds": seconds, "targets_key": targets.key,
    }  # fmt: skip
    as_lpips = perceptual is not None and perceptual.name.startswith("lpips")
    keep = setup.asked.keep == "residuals"
    batch = rows.SearchedBatch(setting, targets, made, target, pixels, maps, confidence, shared, as_lpips, keep)
    tables = rows.tables(batch)
    note = {} if made.note is None else {"note": made.note}
    setup.store.write_shard(
        INVERSIONS.name, setting.key, shard.first, shard.last, tables, footer(setup, setting.key, **note)
    )  # fmt: skip
    return sum(status == QUARANTINED for status in tables[INVERSIONS.name]["status"].to_pylist())


def _inside(targets: ParsedTargets, number: int, size: tuple[int, int], device: str) -> Tensor:
    """Where the loss counts ten times, (N, h, w) in the generator's frame."""
    mask = torch.from_numpy(targets.maps == number)[:, None].float()
    return (torch.nn.functional.interpolate(mask, size, mode="nearest")[:, 0] > 0).to(device)


def _further_starts(method: str, weighted: int | None) -> int:
    return WEIGHTED_STARTS if weighted is not None and over_z(method) else 0


def again(how: Search, factor: float | None) -> Search:
    """The search at a multiple of the penalty: at another, a part, because it starts from what was found at the penalty."""
    return how if factor in (None, 1.0) else how.part(AGAIN)
