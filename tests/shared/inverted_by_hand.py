"""A store of inversions written by hand: label maps go in, every record that findings read comes out."""

from __future__ import annotations

import numpy as np

from ganaudit.records.store import Store
from ganaudit.studies.inversion.findings import written
from ganaudit.studies.inversion.record_tables import (
    INVERSION_CLASSES,
    INVERSION_CONFUSION,
    INVERSION_CURVES,
    INVERSION_LATENTS,
    INVERSIONS,
)
from ganaudit.studies.inversion.settings import SearchSetting
from ganaudit.studies.inversion.verdicts import confusion

NAMES = {0: "", 1: "sky", 2: "person", 3: "road"}
BATCH = 4


def inverted(
    image, before, after, *, mse=0.1, ssim=0.5, lpips=None, weight=1.0, status="ok", colours=None, confidence=0.9,
    contrasts=None,
):  # fmt: skip
    """One image: label maps (h, w), and for each class (target, reconstruction) of red, green, blue, sharpness.

    confidence: of the parser inside each class's mask, in the reconstruction; in the image it is 0.9. contrasts: by class,
    0.5 where it is not said.
    """
    return {"image": image, "before": np.asarray(before), "after": np.asarray(after), "mse": mse, "ssim": ssim, "lpips": lpips,
            "weight": weight, "status": status, "colours": colours or {}, "confidence": confidence,
            "contrasts": contrasts or {}}  # fmt: skip


def write(store, setting, images, *, layer="z", ratio=0.01, start="random", evidential=True, generator_key="k00"):
    """All records of a setting."""
    common = {"key": setting.key, "sample": setting.sample, "method": setting.method, "penalty_factor": setting.factor,
              "weighted_class": setting.weighted_class}  # fmt: skip
    for first in range(0, len(images), BATCH):
        part = images[first : first + BATCH]
        rows, pairs, classes = [], [], []
        for result in part:
            mine, ok = {**common, "image": result["image"]}, result["status"] == "ok"
            rows.append({
                **mine, "generator_key": generator_key, "parser_key": "p00", "weight": result["weight"], "layer": layer,
                "ratio": ratio, "evidential": evidential, "start": start, "restart": 0, "seed": 1, "penalty": 0.0,
                "perceptual": "none", "steps": 1, "seconds": 0.1, "best_step": 1, "status": result["status"],
                "mse": result["mse"] if ok else None, "psnr": 10 * np.log10(4 / result["mse"]) if ok else None,
                "ssim": result["ssim"] if ok else None, "lpips": result["lpips"] if ok else None,
            })  # fmt: skip
            if ok:
                pairs += [
                    {**mine, "target_class": a, "reconstruction_class": b, "pixels": n}
                    for a, b, n in confusion(result["before"], result["after"])
                ]
            for number in np.unique(result["before"]).tolist():
                known = result["colours"].get(number, ((0.0,) * 4, (0.0,) * 4))
                row = {**mine, "class_id": number, "target_pixels": int((result["before"] == number).sum()),
                       "contrast": result["contrasts"].get(number, 0.5), "target_confidence": 0.9}  # fmt: skip
                names = ("red", "green", "blue", "sharpness")
                row |= {f"target_{name}": value for name, value in zip(names, known[0], strict=True)}
                if ok:
                    row |= {**dict(zip(names, known[1], strict=True)), "confidence": result["confidence"]}
                classes.append(row)
        tables = {
            "inversions": INVERSIONS.from_rows(rows), "inversion_confusion": INVERSION_CONFUSION.from_rows(pairs),
            "inversion_classes": INVERSION_CLASSES.from_rows(classes), "inversion_curves": INVERSION_CURVES.from_rows([]),
            "inversion_latents": INVERSION_LATENTS.from_rows([]),
        }  # fmt: skip
        store.write_shard("inversions", setting.key, first, first + len(part) - 1, tables, {})


def resolution(store, key, pixels):
    store.write_source({"key": key, "kind": "progan", "recipe": "{}", "digests": "{}", "resolution": pixels})


def setting(key, sample, images, method="latent", factor=None, weighted=None):
    return SearchSetting(key, sample, method, factor, weighted, len(images))


def findings(store: Store, done: dict[str, list[SearchSetting]], dropped=frozenset()):
    """The finding tables, as lists of rows."""
    made = written(store, "r1", done, NAMES, {7: "seven.png"}, set(dropped))
    return {name: table.to_pylist() for name, table in made.items()}
