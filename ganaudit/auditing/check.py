"""What an audit would do, without doing it: sources, weights and shapes are opened, one batch of each source is parsed."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ganaudit import devices, kinds
from ganaudit.auditing.plan import plan
from ganaudit.datasets.village import VillageSource
from ganaudit.records.store import Store
from ganaudit.sources.roles import not_measured
from ganaudit.spec import AuditSpec
from ganaudit.studies.protocol import Power, SourceCheck, asked_for


@dataclass(frozen=True)
class Check:
    """The plan of an audit, with what it would cost."""

    audit: str
    store: str
    device: str
    precision: str
    runner: str
    workers: int
    where: str
    """How many blocks at once and where, in words."""
    parser: str
    classes: int
    sources: tuple[SourceCheck, ...]
    blocks: int
    missing_blocks: int
    seconds: float
    megabytes: float
    free_gigabytes: float
    notes: tuple[str, ...]
    power: Power | None
    """What these numbers of images could find; None where no two real images can be read."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def check(spec: AuditSpec, detect: float | None = None) -> Check:
    """Opens everything and parses one batch of each source. Writes no records. Raises RequestError for what cannot work.

    detect: a ratio of generated to real; then the check also says how many images would find it.
    """
    store = Store(spec.path(spec.store))
    store.check_place()
    planned = plan(spec)
    checked = [study.check(planned, store, detect) for study in asked_for(spec)]
    sources = tuple(source for each in checked for source in each.sources)
    missing = sum(each.missing for each in checked)
    by_key = {source.key: source for source in sources}
    seconds = sum(source.missing_images / source.rate for source in by_key.values()) / min(planned.workers, max(missing, 1))
    precision = planned.precision if "precision" in kinds.find("parsers", spec.parser.kind).offers else "its own precision"
    parsers = " and ".join(part.kind for part in (spec.parser, spec.second_parser) if part is not None)
    return Check(
        audit=spec.name, store=str(store.path), device=planned.device, precision=precision,
        runner=spec.run.runner, workers=planned.workers, where=planned.where,
        parser=parsers, classes=len(planned.classes), sources=sources, blocks=planned.blocks,
        missing_blocks=missing, seconds=seconds, megabytes=sum(each.megabytes for each in checked),
        free_gigabytes=shutil.disk_usage(_existing(store.path)).free / 1e9,
        notes=(*filter(None, [not_measured(spec)]), *_notes(spec, planned.precision, planned.device), *planned.notes,
               *(note for each in checked for note in each.notes)),
        power=next((each.power for each in checked if each.power is not None), None),
    )  # fmt: skip


def _notes(spec: AuditSpec, precision: str, device: str) -> list[str]:
    notes = []
    if precision == "bfloat16" and not devices.has_bfloat16(device):
        notes.append(f"{device} here has no bfloat16 arithmetic; run: {{precision: auto}} is faster (other keys: parsed anew)")
    real = spec.real
    for generator in spec.generators:
        if not (isinstance(real, VillageSource) and isinstance(generator, VillageSource)):
            continue
        if (spec.sample.seed if generator.seed is None else generator.seed) == (real.seed or 0):
            notes.append(
                f"{generator.name!r} and {real.name!r} draw the same scenes (one seed): they are paired, not independent"
            )
    return notes


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())
