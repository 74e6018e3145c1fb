"""What the inversions of a run say: fidelity, a verdict on every class in every photo, and on every class of a generator."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ganaudit.inversion.settings import HELD, OWN, InversionsDone, Setting, confusion_of, shards
from ganaudit.inversion.verdicts import (
    Case,
    Control,
    Rules,
    Seen,
    class_verdict,
    control,
    photo_verdict,
    seen,
    weighted_mean,
)
from ganaudit.records.schema import FINDINGS, INVERSIONS, OK
from ganaudit.records.store import Store

Row = dict[str, Any]
MEASURES = ("mse", "psnr", "ssim", "lpips")
READ = ("image", "weight", "layer", "evidential", "status", *MEASURES)


def materialise_inversions(
    store: Store, run: str, done: Sequence[InversionsDone], classes: Mapping[int, str], names: Mapping[int, str],
    dropped: set[tuple[str, int]], batch: int,
) -> dict[str, pa.Table]:  # fmt: skip
    """Writes inversion_summary, photo_verdicts and omissions of a run, and returns them.

    classes: names of the parser's classes. names: of the held-out photos. dropped: (generator, class) whose presence in
    samples is dropped.
    """
    rows: dict[str, list[Row]] = {"inversion_summary": [], "photo_verdicts": [], "omissions": []}
    for one in done:
        read = {setting: _read(store, setting, batch) for setting in one.settings}
        for setting, images in read.items():
            if setting.paid is None:
                rows["inversion_summary"].append(_summary(run, one.generator, setting, images))
        for setting in (s for s in one.settings if s.sample == HELD and s.paid is None):
            own = next(
                (s for s in one.settings if (s.sample, s.method, s.factor) == (OWN, setting.method, setting.factor)), None
            )
            paid = {s.paid: s for s in one.settings if s.paid is not None and s.method == setting.method}
            judged = _judged(store, run, one.generator, setting, own, paid, read, classes, names, dropped, batch)
            rows["photo_verdicts"] += judged[0]
            rows["omissions"] += judged[1]
    tables = {name: FINDINGS[name].from_rows(found) for name, found in rows.items()}
    for name, table in tables.items():
        store.write_finding(run, name, table)
    return tables


def _read(store: Store, setting: Setting, batch: int) -> list[Row]:
    return [
        row for path in shards(store, "inversions", setting, batch) for row in store.read(INVERSIONS, path, READ).to_pylist()
    ]


def _named(run: str, generator: str, setting: Setting, images: Sequence[Row]) -> Row:
    return {
        "run": run, "generator": generator, "method": setting.method, "layer": images[0]["layer"],
        "penalty_factor": setting.factor,
    }  # fmt: skip


def _summary(run: str, generator: str, setting: Setting, images: Sequence[Row]) -> Row:
    weights = np.array([row["weight"] for row in images])
    found = {**_named(run, generator, setting, images), "sample": setting.sample, "images": len(images),
             "failed": sum(row["status"] != OK for row in images)}  # fmt: skip
    for name in MEASURES:
        values = np.array([math.nan if row[name] is None else row[name] for row in images], dtype=np.float64)
        found |= _interval(name, values, weights)
    return found


def _interval(name: str, values: np.ndarray[Any, np.dtype[np.float64]], weights: np.ndarray[Any, np.dtype[np.float64]]) -> Row:
    share = weighted_mean(values, weights)
    if share.images == 0:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: share.value, f"{name}_low": share.low, f"{name}_high": share.high}


def _cases(by_image: Mapping[int, Sequence[tuple[int, int, int]]], rules: Rules) -> dict[int, list[Case]]:
    """By class: where own samples hold enough of it. Contrast is not recorded, so all count as of one contrast."""
    found: dict[int, list[Case]] = {}
    for rows in by_image.values():
        for number, one in seen(rows).items():
            if number > 0 and one.target >= rules.least_pixels:
                found.setdefault(number, []).append(Case(one.target, 1.0, one.recall))
    return found


def _judged(
    store: Store, run: str, generator: str, setting: Setting, own: Setting | None, paid: Mapping[int, Setting],
    read: Mapping[Setting, Sequence[Row]], classes: Mapping[int, str], names: Mapping[int, str], dropped: set[tuple[str, int]],
    batch: int,
) -> tuple[list[Row], list[Row]]:  # fmt: skip
    """Rows of photo_verdicts and of omissions."""
    rules, images = Rules(), read[setting]
    named = _named(run, generator, setting, images)
    by_image = confusion_of(store, setting, batch)
    cases = _cases(confusion_of(store, own, batch), rules) if own is not None else {}
    held: dict[int, list[tuple[Row, Seen]]] = {}
    for row in images:
        for number, one in seen(by_image.get(row["image"], [])).items():
            if number > 0:
                held.setdefault(number, []).append((row, one))
    photos: list[Row] = []
    omissions: list[Row] = []
    for number, photo_rows in sorted(held.items()):
        tested = [(row, one) for row, one in photo_rows if one.target >= rules.least_pixels]
        area = float(np.median([one.target for _, one in tested])) if tested else 0.0
        others = [case for other, some in cases.items() if other != number for case in some]
        known: Control = control(cases.get(number, []), others, area, 1.0, rules)
        for row, one in photo_rows:
            photos.append({
                **named, "key": setting.key, "image": row["image"], "name": names.get(row["image"], f"image {row['image']}"),
                "class_id": number, "class": classes.get(number, str(number)), "target_pixels": one.target,
                "recall": one.recall, "verdict": photo_verdict(one, known.passes(rules), row["status"] != OK, rules),
            })  # fmt: skip
        by_payment = confusion_of(store, paid[number], batch) if number in paid else {}
        bought = [found.recall for rows in by_payment.values() if (found := seen(rows).get(number)) is not None]
        recalls = [one.recall for _, one in tested]
        weights = np.array([row["weight"] for row, _ in tested])
        omissions.append({
            **named, "class_id": number, "class": classes.get(number, str(number)), "images": len(tested),
            **_interval("recall", np.array(recalls, dtype=np.float64), weights),
            "control": known.kind if known.recovered.images else None, "control_images": known.recovered.images,
            "control_recall": None if math.isnan(known.recall) else known.recall,
            "paid_recall": float(np.mean(bought)) if bought else None,
            "verdict": class_verdict(
                recalls, (generator, number) in dropped, bought, bool(images[0]["evidential"]), known.passes(rules), rules
            ),
        })  # fmt: skip
    return photos, omissions
