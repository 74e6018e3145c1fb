"""Reconstructions that somebody else's inverter made of the held-out photos: parsed, and counted as our own.

Nothing is searched, so there is no control: what the same inverter finds in the generator's own samples is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganaudit import images
from ganaudit.errors import ImageError
from ganaudit.generators.shapes import SHARE
from ganaudit.inversion import fidelity
from ganaudit.inversion.inverters import InversionResult
from ganaudit.inversion.search import Curve, SearchResult
from ganaudit.keys import canonical, digest, source_key
from ganaudit.parsers.seeing import see
from ganaudit.records import catalog
from ganaudit.records.store import Store
from ganaudit.report.words import counted
from ganaudit.sources.planned import Plan
from ganaudit.sources.roles import GENERATED
from ganaudit.spec import RECONSTRUCTIONS
from ganaudit.studies.inversion import rows
from ganaudit.studies.inversion.choosing import TargetList
from ganaudit.studies.inversion.done import InversionDone, footer
from ganaudit.studies.inversion.models import InversionShard, Setup, parser_of
from ganaudit.studies.inversion.pairing import Collection, open_collection
from ganaudit.studies.inversion.record_tables import INVERSIONS
from ganaudit.studies.inversion.settings import HELDOUT, UNKNOWN, SearchSetting
from ganaudit.studies.inversion.targets import read_targets, resized
from ganaudit.studies.protocol import UsedKey

VERSION = 1
"""Enters the content keys: raised when the same images would give other records."""


@dataclass(frozen=True)
class Theirs:
    """Reconstructions of photos in a generator. place: in the audit file. generator_key: of the generator's samples. key: of
    the collection."""

    place: int
    name: str
    generator: str
    generator_key: str
    key: str
    free: int | None

    def setting(self, setup: Setup, targets: TargetList, names: Sequence[str]) -> SearchSetting:
        """What names their records. names: of the photos."""
        key = source_key({
            "reconstructions": VERSION, "collection": self.key, "targets": targets.key, "names": digest(list(names)),
            "generator": self.generator_key, "parser": setup.parser_key, "free": self.free,
        })  # fmt: skip
        return SearchSetting(key, targets.sample, self.name, None, None, len(targets))


@dataclass(frozen=True)
class ReconstructionShard(InversionShard):
    """One batch of photos with what somebody's inverter made of them. names: of the photos at the places first to last of the
    list of `count`."""

    theirs: Theirs
    setting: SearchSetting
    targets_key: str
    count: int
    names: tuple[str, ...]
    first: int
    last: int

    @property
    def group(self) -> str:
        return self.theirs.generator

    @property
    def images(self) -> int:
        return len(self.names)

    @property
    def label(self) -> str:
        return f"{self.theirs.generator} {self.theirs.name} {self.setting.sample} {self.first}-{self.last}"


def theirs(plan: Plan, setup: Setup) -> list[Theirs]:
    """The reconstructions that the audit file names. Raises RequestError for images that cannot be opened."""
    sources = {source.name: source for source in plan.sources if source.role == GENERATED}
    return [
        Theirs(
            place, asked.images.name, asked.generator, sources[asked.generator].key, open_collection(asked, setup.context).key,
            asked.free,
        )
        for place, asked in enumerate(setup.asked.reconstructions)
    ]  # fmt: skip


def planned(
    setup: Setup, store: Store, some: Theirs, targets: TargetList, names: Sequence[str]
) -> tuple[list[ReconstructionShard], UsedKey, str]:
    """The batches that are missing, what the run uses, and a sentence. names: of the photos of the list."""
    setting = some.setting(setup, targets, names)
    done = store.finished_blocks(setting.key, INVERSIONS.name)
    shards = [
        ReconstructionShard(setup, some, setting, targets.key, len(targets), tuple(names[first : last + 1]), first, last)
        for first, last in targets.batches if (first, last) not in done
    ]  # fmt: skip
    used = UsedKey(
        INVERSIONS.name, some.generator, GENERATED, setting.key, 0, len(targets), setting.variant() | {"targets": targets.key}
    )
    lacking = sum(not _collection(setup, some).holds(name) for name in names)
    missing = f", of {lacking:,} there is none" if lacking else ""
    return shards, used, (
        f"{some.generator!r} in reconstructions {some.name!r}: {counted(len(names), 'photo')}{missing}; there is no control, "
        "so a class that is lost in them is not testable."
    )  # fmt: skip


def photo_names(store: Store, run: str, targets: TargetList) -> list[str]:
    """Names of the photos of a list, as the run recorded them."""
    with catalog.of_run(store, run) as connection:
        statement = "SELECT image, name FROM run_images(?) WHERE role = ?"
        names = dict(connection.execute(statement, [run, HELDOUT]).fetchall())
    return [names[image] for image in targets.indices]


def _collection(setup: Setup, some: Theirs) -> Collection:
    """Opened once a process."""
    asked = setup.asked.reconstructions[some.place]
    known = canonical(["reconstructions", some.key, str(setup.spec.folder), asked.model_dump(mode="json")])
    return setup.context.opened(known, lambda: open_collection(asked, setup.context))


def read_reconstructions(shard: ReconstructionShard) -> InversionDone:
    """Parses one batch of reconstructions at the size of their photos, and writes everything."""
    setup, some = shard.setup.here(), shard.theirs
    places = range(shard.first, shard.last + 1)
    targets = read_targets(setup.store, shard.targets_key, shard.count, setup.asked.batch, places)
    collection = _collection(setup, some)
    height, width = collection.size or targets.size
    made, errors = torch.zeros((len(targets), height, width, 3), dtype=torch.uint8), list[str | None]()
    for place, name in enumerate(shard.names):
        try:
            made[place] = torch.from_numpy(np.array(collection.pixels(name, targets.size)))
            errors.append(None)
        except ImageError as error:
            errors.append(str(error))
    wanted = images.to_unit(resized(targets.pixels, (height, width)))
    outcome = _outcome(images.to_unit(made), wanted, errors, some.free)
    pixels = resized(made, targets.size)
    maps, confidence = see(parser_of(setup), pixels, setup.spec.sample.batch, setup.device)
    shared: dict[str, Any] = {
        "generator_key": some.generator_key, "parser_key": setup.parser_key, "inverter": None, "seed": 0, "penalty": 0.0,
        "perceptual": "none", "precision": None, "seconds": 0.0, "targets_key": targets.key,
    }  # fmt: skip
    recorded = replace(shard.setting, method=RECONSTRUCTIONS)
    batch = rows.SearchedBatch(recorded, targets, outcome, wanted, pixels, maps, confidence, shared, False, False)
    setup.store.write_shard(
        INVERSIONS.name, shard.setting.key, shard.first, shard.last, rows.tables(batch), footer(setup, shard.setting.key)
    )
    return InversionDone(shard.images, sum(error is not None for error in errors))


def _outcome(made: Tensor, wanted: Tensor, errors: Sequence[str | None], free: int | None) -> InversionResult:
    """As a search would say it that took no step: the loss is the mean squared difference, NaN where there is no image."""
    count, nothing = len(made), torch.zeros(len(made), dtype=torch.int64)
    unknown = torch.full((count,), torch.nan)
    loss = torch.where(torch.tensor([error is None for error in errors]), fidelity.mse(made, wanted), unknown)
    found = SearchResult(
        {}, made, unknown, loss, nothing, nothing, unknown, unknown, {}, tuple(errors), (Curve((), {}),) * count, 0.0
    )
    ratio = float("nan") if free is None else free / made[0].numel()
    return InversionResult(RECONSTRUCTIONS, UNKNOWN, UNKNOWN, ratio, not ratio > SHARE, found, nothing, unknown, (found,), None)
