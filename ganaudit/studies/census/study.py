"""Class statistics: every source parsed once, distances and verdicts from what was counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from ganaudit.parsers.opening import OpenParser
from ganaudit.records.store import Store
from ganaudit.sources.opening import OpenSource
from ganaudit.sources.planned import Plan
from ganaudit.sources.roles import SourceRole
from ganaudit.spec import AuditSpec
from ganaudit.studies.census import pictures, precision
from ganaudit.studies.census.blocks import PARSING, parsing
from ganaudit.studies.census.checking import checked
from ganaudit.studies.census.classes import check_accept, check_groups, check_slices
from ganaudit.studies.census.expectations import check_expect
from ganaudit.studies.census.findings import materialise
from ganaudit.studies.census.section.section import CensusSection
from ganaudit.studies.census.work import BlockDone, make_block
from ganaudit.studies.protocol import Checked, Stage


class Census:
    """See `protocol.Study`."""

    name = "census"
    stage_names = (PARSING,)
    section = CensusSection()

    def asked(self, spec: AuditSpec) -> bool:
        return True

    def roles(self, spec: AuditSpec, opened: Sequence[tuple[SourceRole, OpenSource]]) -> Sequence[SourceRole]:
        return ()

    def validate(self, spec: AuditSpec, parser: OpenParser, opened: Sequence[tuple[SourceRole, OpenSource]]) -> None:
        names = {info.id: info.name for info in parser.parser.classes}
        check_groups(spec.groups, names)
        check_accept(spec.accept, spec.groups, names)
        check_expect(spec.expect, names)
        check_slices(spec.slices, Store(spec.path(spec.store)), names)

    def check(self, plan: Plan, store: Store, detect: float | None) -> Checked:
        return checked(plan, store, detect)

    def stages(self, plan: Plan, store: Store) -> Iterator[Stage]:
        yield parsing(plan, store)
        precision.record(plan, store)

    def work(self, shard: Any) -> BlockDone:
        return make_block(shard)

    def findings(self, store: Store, run: str) -> Mapping[str, pa.Table]:
        spec = AuditSpec.model_validate_json(store.run_row(run)["spec"])
        return materialise(store, run, spec.decide, spec.groups, spec.slices, spec.expect)

    def keep(self, plan: Plan, store: Store, findings: Mapping[str, pa.Table]) -> None:
        pictures.save(store, plan.run, pictures.collect(plan, store, findings))


STUDY = Census()
