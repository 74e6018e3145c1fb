"""What an inverted batch becomes: the rows of every record table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit.encoded import label_png, webp
from ganaudit.inversion import fidelity
from ganaudit.inversion.inverters import InversionResult
from ganaudit.records.schema import OK, QUARANTINED, RECORDS
from ganaudit.studies.inversion.class_rows import View, class_rows
from ganaudit.studies.inversion.settings import SearchSetting
from ganaudit.studies.inversion.targets import ParsedTargets, untouched
from ganaudit.studies.inversion.verdicts import confusion

Row = dict[str, Any]
_TERMS = {"loss": "loss", "pixel": "pixel", "perceptual_term": "perceptual", "prior": "prior", "residual_term": "residual"}
"""Columns of `inversion_curves` and the search's names for them."""


@dataclass(frozen=True)
class SearchedBatch:
    """One inverted batch. target: (N, 3, h, w) in [-1, 1], as it was searched for. pixels, maps, confidence: the
    reconstructions at the size of their targets, and what the parser saw in them. shared: columns that are the same in all
    rows of `inversions`. as_lpips: whether the perceptual term is LPIPS. keep: whether residuals are kept."""

    setting: SearchSetting
    targets: ParsedTargets
    made: InversionResult
    target: Tensor
    pixels: Tensor
    maps: NDArray[np.int64]
    confidence: NDArray[np.float32]
    shared: Row
    as_lpips: bool
    keep: bool


def tables(batch: SearchedBatch) -> dict[str, pa.Table]:
    """The rows of all tables, by table."""
    setting, targets = batch.setting, batch.targets
    common = [_common(setting, image) for image in targets.indices]
    rows_of: dict[str, list[Row]] = {"inversion_confusion": [], "inversion_classes": []}
    rows_of["inversions"] = [common[place] | _row(batch, place) for place in range(len(targets))]
    for place, row in enumerate(rows_of["inversions"]):
        wanted, fine = targets.maps[place], row["status"] == OK
        before = View(targets.pixels[place].numpy(), targets.confidence[place].astype(np.float64))
        after = View(batch.pixels[place].numpy(), batch.confidence[place].astype(np.float64)) if fine else None
        rows_of["inversion_classes"] += class_rows(common[place], wanted, before, after)
        if fine:
            rows_of["inversion_confusion"] += [
                {**common[place], "target_class": a, "reconstruction_class": b, "pixels": n}
                for a, b, n in confusion(wanted, batch.maps[place])
            ]
    rows_of["inversion_curves"] = _curve_rows(common, batch.made)
    rows_of["inversion_latents"] = [common[place] | _latent(batch, place) for place in range(len(targets))]
    return {name: RECORDS[name].from_rows(rows) for name, rows in rows_of.items()}


def set_aside(batch: SearchedBatch, place: int) -> bool:
    """Whether an image's search was set aside."""
    return not math.isfinite(float(batch.made.found.loss_best[place]))


def _row(batch: SearchedBatch, place: int) -> Row:
    result, made = batch.made.found, batch.made
    measured: Row = {} if set_aside(batch, place) else _measured(batch, place)
    return {
        **batch.shared,
        **measured,
        "weight": batch.targets.weights[place],
        "layer": made.layer,
        "ratio": made.ratio if math.isfinite(made.ratio) else None,
        "evidential": made.evidential,
        "start": made.start,
        "restart": int(made.restart[place]),
        "spread": _finite(made.spread[place]),
        "steps": int(result.steps[place]),
        "loss_first": _finite(result.loss_first[place]),
        "best_step": int(result.best_step[place]),
        "status": OK if measured else QUARANTINED,
        "error": result.errors[place],
    }


def _measured(batch: SearchedBatch, place: int) -> Row:
    """Fidelity of one reconstruction; of a masked sample outside its patch, where it is known what should come back."""
    setting, targets, result = batch.setting, batch.targets, batch.made.found
    image, wanted = result.image[place : place + 1], batch.target[place : place + 1]
    measured: Row = {"loss_best": float(result.loss_best[place]), "gradient_norm": _finite(result.gradient_norm[place])}
    if targets.patches is None:
        measured |= {"mse": float(fidelity.mse(image, wanted)), "psnr": _finite(fidelity.psnr(image, wanted)),
                     "ssim": float(fidelity.ssim(image, wanted))}  # fmt: skip
    else:
        at = (image.shape[2], image.shape[3])
        outside = torch.from_numpy(untouched(targets.patches[place : place + 1], targets.size, at)[0])
        error = float((image - wanted).square()[0][:, outside.to(image.device)].mean())
        measured |= {"mse": error, "psnr": 10.0 * math.log10(4.0 / error) if error > 0.0 else None}
    if setting.factor is not None:
        measured["residual"] = float(result.residual[place])
    if batch.as_lpips:
        measured["lpips"] = float(result.terms["perceptual"][place])
    if setting.shown:
        measured |= {"picture": webp(batch.pixels[place].numpy()), "label_map": label_png(batch.maps[place])}
    return measured


def _latent(batch: SearchedBatch, place: int) -> Row:
    made = batch.made
    if set_aside(batch, place):
        return {}
    codes = {"z": made.z, "w": made.w}
    kept: Row = {name: code[place].float().cpu().tolist() for name, code in codes.items() if code is not None}
    if batch.keep and batch.setting.factor is not None:
        parts = {name: value for name, value in made.found.free.items() if name not in codes}
        kept["layers"] = list(parts)
        kept["residuals"] = torch.cat([value[place].flatten() for value in parts.values()]).float().cpu().tolist()
    return kept


def _common(setting: SearchSetting, image: int) -> Row:
    return {
        "key": setting.key, "sample": setting.sample, "method": setting.method, "penalty_factor": setting.factor,
        "weighted_class": setting.weighted_class, "image": image,
    }  # fmt: skip


def _curve_rows(common: Sequence[Row], made: InversionResult) -> list[Row]:
    rows: list[Row] = []
    for place, curve in enumerate(made.found.curves):
        for number, step in enumerate(curve.steps):
            terms = {column: curve.terms[term][number] for column, term in _TERMS.items() if term in curve.terms}
            if all(math.isfinite(value) for value in terms.values()):
                rows.append({**common[place], "step": step, **terms})
    return rows


def _finite(value: Tensor) -> float | None:
    return float(value) if bool(torch.isfinite(value)) else None
