"""What the shards of a study that works on generators share: enough to open any of an audit's models."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from ganaudit import devices
from ganaudit.context import Context
from ganaudit.records.store import Store
from ganaudit.spec import AuditSpec


@dataclass(frozen=True)
class StudySetup:
    """What all shards of an audit share. precision: the parser's."""

    spec: AuditSpec
    device: str
    precision: str
    parser_key: str

    @property
    def store(self) -> Store:
        return Store(self.spec.path(self.spec.store))

    @property
    def context(self) -> Context:
        return self.spec.context(self.device, self.precision)

    def here(self) -> Self:
        """With the device of this thread: each has its own GPU where there are several."""
        return replace(self, device=devices.of_this_thread(self.device))
