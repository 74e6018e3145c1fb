"""Held-out photos beside the nearest image that each generator can make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from ganaudit import devices
from ganaudit.inversion.presets import settings_of
from ganaudit.parsers.opening import OpenParser
from ganaudit.records.store import Store
from ganaudit.sources.opening import GeneratorSource, OpenSource
from ganaudit.sources.planned import Plan
from ganaudit.sources.roles import Asked
from ganaudit.spec import AuditSpec
from ganaudit.studies.protocol import Done, Stage


class Inversion:
    """See `protocol.Study`."""

    name = "inversion"
    stage_names = ("inverting",)

    def asked(self, spec: AuditSpec) -> bool:
        return spec.invert is not None

    def roles(self, spec: AuditSpec, opened: Sequence[tuple[Asked, OpenSource]]) -> Sequence[Asked]:
        return ()

    def validate(self, spec: AuditSpec, parser: OpenParser, opened: Sequence[tuple[Asked, OpenSource]]) -> None:
        assert spec.invert is not None
        settings_of(spec.invert, {}, spec.folder, devices.pick(spec.run.device))
        for _, source in opened:
            if spec.invert.layer != "auto" and isinstance(source, GeneratorSource):
                source.check_layer(spec.invert.layer)

    def check(self, plan: Plan, store: Store) -> Sequence[str]:
        raise NotImplementedError

    def stages(self, plan: Plan, store: Store) -> Iterator[Stage]:
        raise NotImplementedError

    def work(self, shard: Any) -> Done:
        raise NotImplementedError

    def findings(self, store: Store, run: str) -> Mapping[str, pa.Table]:
        raise NotImplementedError

    def keep(self, plan: Plan, store: Store, findings: Mapping[str, pa.Table]) -> None:
        return


STUDY = Inversion()
