"""How far each generator can be moved by walks in its latents, and why it stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import torch

from ganaudit.errors import RequestError
from ganaudit.parsers.opening import OpenParser
from ganaudit.records.store import Store
from ganaudit.sources.opening import OpenSource
from ganaudit.sources.planned import Plan
from ganaudit.sources.roles import GENERATED, REAL, SourceRole
from ganaudit.spec import AuditSpec
from ganaudit.studies.protocol import Checked, Stage, Study
from ganaudit.studies.steering.cost import cost_notes
from ganaudit.studies.steering.findings import materialise
from ganaudit.studies.steering.models import checked
from ganaudit.studies.steering.section.section import SteeringSection
from ganaudit.studies.steering.stages import STAGES, stages
from ganaudit.studies.steering.training import WalkShard, train_walk
from ganaudit.studies.steering.walking import SteeringDone, StillShard, WalkedShard, parse_block, walk_block

WORK: Mapping[type, Callable[[Any], SteeringDone]] = {
    WalkShard: train_walk, StillShard: parse_block, WalkedShard: walk_block
}  # fmt: skip
"""What is done with each kind of shard."""


class Steering(Study):
    """See `protocol.Study`."""

    name = "steering"
    stage_names = STAGES
    section = SteeringSection()

    def asked(self, spec: AuditSpec) -> bool:
        return spec.steer is not None

    def roles(self, spec: AuditSpec, opened: Sequence[tuple[SourceRole, OpenSource]]) -> Sequence[SourceRole]:
        return ()

    def validate(self, spec: AuditSpec, parser: OpenParser, opened: Sequence[tuple[SourceRole, OpenSource]]) -> None:
        assert spec.steer is not None
        sides = {name: [source for role, source in opened if role.role == name] for name in (REAL, GENERATED)}
        if any(source.maps for source in sides[REAL]):
            raise RequestError(
                "steer: samples along a walk are held against real images, their colours too, and the real source brings "
                "label maps alone; name images under real"
            )
        checked(spec.steer, sides[GENERATED])

    def check(self, plan: Plan, store: Store, detect: float | None) -> Checked:
        return Checked(cost_notes(plan, store))

    def stages(self, plan: Plan, store: Store) -> Iterator[Stage]:
        return stages(plan, store)

    def work(self, shard: Any) -> SteeringDone:
        torch.set_num_threads(1)
        return WORK[type(shard)](shard)

    def findings(self, store: Store, run: str) -> Mapping[str, pa.Table]:
        return materialise(store, run)


STUDY = Steering()
