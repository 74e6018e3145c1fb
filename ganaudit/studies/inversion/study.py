"""Held-out photos beside the nearest image that each generator can make."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import torch

from ganaudit import devices
from ganaudit.parsers.opening import OpenParser
from ganaudit.records.store import Store
from ganaudit.sources.opening import DatasetSource, GeneratorSource, OpenSource
from ganaudit.sources.planned import Plan
from ganaudit.sources.roles import GENERATED, HELDOUT, OWN, SourceRole
from ganaudit.spec import AuditSpec
from ganaudit.studies.inversion.asked import settings_of
from ganaudit.studies.inversion.choosing import POOL
from ganaudit.studies.inversion.cost import cost_notes
from ganaudit.studies.inversion.done import InversionDone
from ganaudit.studies.inversion.findings import materialise
from ganaudit.studies.inversion.models import reason
from ganaudit.studies.inversion.pairing import check_names, open_collection
from ganaudit.studies.inversion.photos import OWN_SEED
from ganaudit.studies.inversion.reconstructions import ReconstructionShard, read_reconstructions
from ganaudit.studies.inversion.searching import SearchShard, search_batch
from ganaudit.studies.inversion.section.section import InversionSection
from ganaudit.studies.inversion.stages import STAGES, stages
from ganaudit.studies.inversion.targets import TargetShard, parse_targets
from ganaudit.studies.inversion.training import InverterShard, train_inverter
from ganaudit.studies.inversion.tuning import PenaltyShard, tune_on_own_samples
from ganaudit.studies.protocol import Checked, Stage, Study

WORK: Mapping[type, Callable[[Any], InversionDone]] = {
    InverterShard: train_inverter, TargetShard: parse_targets, PenaltyShard: tune_on_own_samples, SearchShard: search_batch,
    ReconstructionShard: read_reconstructions,
}  # fmt: skip
"""What is done with each kind of shard."""


class Inversion(Study):
    """See `protocol.Study`."""

    name = "inversion"
    stage_names = STAGES
    section = InversionSection()

    def asked(self, spec: AuditSpec) -> bool:
        return spec.invert is not None

    def roles(self, spec: AuditSpec, opened: Sequence[tuple[SourceRole, OpenSource]]) -> Sequence[SourceRole]:
        """Own samples of each generator that can be inverted, among which those that are inverted are chosen."""
        assert spec.invert is not None
        return [
            SourceRole(OWN, asked.place, seed=OWN_SEED, count=POOL * spec.invert.own)
            for asked, source in (opened if spec.invert.searched else ())
            if asked.role == GENERATED and isinstance(source, GeneratorSource) and reason(source.generator) is None
        ]

    def validate(self, spec: AuditSpec, parser: OpenParser, opened: Sequence[tuple[SourceRole, OpenSource]]) -> None:
        assert spec.invert is not None
        settings_of(spec.invert, {}, spec.folder, devices.pick(spec.run.device))
        for _, source in opened:
            if spec.invert.layer != "auto" and isinstance(source, GeneratorSource):
                source.check_layer(spec.invert.layer)
        photos = next((source for role, source in opened if role.role == HELDOUT), None)
        context = spec.context(devices.pick(spec.run.device), "float32")
        for asked in spec.invert.reconstructions:
            collection = open_collection(asked, context)
            if isinstance(photos, DatasetSource) and photos.length is not None:
                check_names(collection, asked.generator, map(photos.name, range(photos.length)))

    def check(self, plan: Plan, store: Store, detect: float | None) -> Checked:
        return Checked(cost_notes(plan, store))

    def stages(self, plan: Plan, store: Store) -> Iterator[Stage]:
        return stages(plan, store)

    def work(self, shard: Any) -> InversionDone:
        torch.set_num_threads(1)
        return WORK[type(shard)](shard)

    def findings(self, store: Store, run: str) -> Mapping[str, pa.Table]:
        return materialise(store, run)


STUDY = Inversion()
