"""What own samples tell before any photo is inverted, once for a generator, a method and a setting: kept in the store."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from ganaudit import devices, images
from ganaudit.inversion.inverters import Task
from ganaudit.inversion.methods import inverter
from ganaudit.inversion.penalty import calibrate
from ganaudit.inversion.precision import IMAGES, STEPS, TOLERATED, choose_precision
from ganaudit.keys import source_key
from ganaudit.records.store import Store
from ganaudit.studies.inversion.photos import OWN_SEED
from ganaudit.studies.inversion.record_tables import INVERSION_CALIBRATIONS
from ganaudit.studies.inversion.targets import own_pixels, resized
from ganaudit.version import __version__

VERSION = 1


@dataclass(frozen=True)
class Calibration:
    """precision: what searches compute in. penalty: of the residuals at factor 1; None without residuals. note: a word where a
    lower precision was refused."""

    precision: str
    penalty: float | None
    note: str | None


def calibrated(
    store: Store, base: Task, method: str, count: int, wanted: str, known: Mapping[str, Any], generator_key: str
) -> Calibration:
    """Read from the store, or made from the first `count` own samples and written. known: what else enters the key."""
    method_has_residuals = method == "layerwise"
    key = source_key({
        "calibration": VERSION, "method": method, "precision": wanted, "count": count, "seed": OWN_SEED,
        "tolerated": [TOLERATED, IMAGES, STEPS], **known,
    })  # fmt: skip
    path = store.inversion_calibration(key)
    if not path.exists():
        began = time.perf_counter()
        task = _own_task(base, count if method_has_residuals else min(count, IMAGES))
        chosen = choose_precision(task, inverter(method), wanted)
        row: dict[str, Any] = {
            "key": key, "generator_key": generator_key, "method": method, "precision": chosen.name, "change": chosen.change,
            "precision_images": chosen.images, "penalty_images": 0,
        }  # fmt: skip
        if method_has_residuals and base.objective.penalty:
            row["penalty"] = base.objective.penalty  # a preset's: nothing is to be set
        elif method_has_residuals:
            found = calibrate(replace(task, search=replace(task.search, precision=chosen.name)))
            row |= {"penalty": found.weight, "size": found.size, "gain": found.gain, "penalty_images": found.images}
        row["seconds"] = time.perf_counter() - began
        device = base.targets.images.device.type
        footer = {"recipe": key, "code": __version__, "device": devices.describe(device), "torch": torch.__version__}
        store.write_inversion_calibration(row, footer)
    (row,) = store.read(INVERSION_CALIBRATIONS, path).to_pylist()
    return Calibration(row["precision"], row["penalty"], _note(method, row, wanted))


def _own_task(base: Task, count: int) -> Task:
    pixels = own_pixels(base.generator, range(count))
    side = base.shape.resolution
    target = images.to_unit(resized(pixels, (side, side))).to(base.targets.images.device)
    return replace(base, targets=base.objective.targets(target), indices=range(count))


def _note(method: str, row: Mapping[str, Any], wanted: str) -> str | None:
    if row["precision"] == wanted or not row["precision_images"]:
        return None
    found = "it is not finite" if row["change"] is None else f"it changes by {row['change']:.1%}"
    return f"{method} searches in float32: in {wanted} the final loss of own samples is not the same ({found})"
