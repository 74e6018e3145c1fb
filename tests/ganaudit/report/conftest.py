"""A made-up audit to look at: numbers like the village's, little painted pictures, any number of generators."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ganaudit.report import Picture, Quarantined, ReportData, Samples, most_reduced

# Presence (share of images) and size (percent of pixels where present) in the real images.
VILLAGE: Mapping[str, tuple[float, float]] = {
    "sky": (1.0, 45.9),
    "cloud": (0.60, 3.98),
    "sun": (0.31, 0.81),
    "grass": (1.0, 22.1),
    "road": (0.69, 11.7),
    "building": (1.0, 9.13),
    "roof": (1.0, 3.62),
    "dome": (0.38, 1.46),
    "door": (1.0, 1.02),
    "window": (1.0, 1.43),
    "tree": (0.77, 4.79),
    "person": (0.30, 1.27),
    "car": (0.26, 2.15),
    "fence": (0.25, 2.54),
    "lamp": (0.25, 1.10),
}
# Presence ratio and size ratio of what each generator draws differently.
CHANGED: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "wgan-gp": {
        "person": (0.37, 0.64), "fence": (2.2, 0.41), "lamp": (0.94, 0.57), "sun": (0.53, 0.86), "dome": (0.79, 0.63),
        "car": (1.25, 0.75), "window": (1, 0.87), "roof": (1, 1.06),
    },
    "progan": {"person": (0.71, 0.9), "lamp": (0.9, 0.8), "sun": (0.85, 0.9), "window": (1, 0.95)},
    "no-people": {"person": (0, 0), "fence": (0, 0), "sun": (0.9, 0.9), "tree": (1.05, 1.03)},
}  # fmt: skip

MEASURES = ("area", "presence", "size")


def stats_row(
    generator: str, class_id: int, name: str, real: tuple[float, float], made: tuple[float, float], n: int = 2000
) -> dict[str, Any]:
    """One row of class_stats, with the standard errors that `n` images a side give (sizes vary by their own mean)."""
    row: dict[str, Any] = {"run": "r1", "real": "village", "generator": generator, "class_id": class_id, "class": name}
    relative: dict[str, list[float | None]] = {measure: [] for measure in MEASURES}
    for side, (presence, size) in (("real", real), ("generated", made)):
        values = {"area": presence * size, "presence": presence, "size": size if presence else None}
        seen = presence * n
        spread = {
            "area": math.sqrt((1 - presence + 0.5) / seen) if seen else None,
            "presence": math.sqrt((1 - presence) / seen) if seen else None,
            "size": math.sqrt(0.5 / seen) if seen else None,
        }
        for measure in MEASURES:
            value, error = values[measure], spread[measure]
            row[f"{side}_{measure}"] = value
            row[f"{side}_{measure}_se"] = 0.0 if value == 0 else None if value is None or error is None else value * error
            relative[measure].append(error)
        row[f"{side}_confidence"] = (0.985 if side == "real" else 0.93) if presence else None
    for measure in MEASURES:
        top, bottom = row[f"generated_{measure}"], row[f"real_{measure}"]
        ratio = top / bottom if bottom and top is not None else None
        errors = [error or 0.0 for error in relative[measure]]
        row[f"{measure}_ratio"] = ratio
        row[f"{measure}_ratio_se"] = None if ratio is None else ratio * math.hypot(*errors)
    row["presence_threshold"] = 0.1
    return row


def paint(seed: int, side: int = 64, classes: Sequence[int] = (12, 13, 14), name: str = "village") -> Picture:
    """A scene of sky (1), grass (4), a house (6, 7, 10), a tree (11) and small things, with texture."""
    draw = np.random.default_rng(seed)
    labels = np.full((side, side), 1, dtype=np.int16)
    y, x = np.mgrid[:side, :side] / side
    horizon = draw.uniform(0.5, 0.65)
    labels[y > horizon] = 4
    labels[(y > horizon + 0.12) & (y < horizon + 0.25)] = 5
    left, top = draw.uniform(0.1, 0.5), draw.uniform(0.2, 0.35)
    labels[(x > left) & (x < left + 0.3) & (y > top) & (y < horizon + 0.06)] = 6
    labels[(abs(x - left - 0.15) < (y - top + 0.15)) & (y > top - 0.15) & (y < top)] = 7
    labels[(x > left + 0.05) & (x < left + 0.1) & (y > top + 0.05) & (y < top + 0.13)] = 10
    labels[(x - 0.85) ** 2 + (y - 0.45) ** 2 < 0.012] = 11
    for class_id in classes:
        at, size = draw.uniform(0.1, 0.8), draw.uniform(0.05, 0.12)
        labels[(x > at) & (x < at + size) & (y > horizon + 0.1 - size) & (y < horizon + 0.1 + size)] = class_id
    tones = draw.integers(60, 220, size=(max(16, int(labels.max()) + 1), 3))
    tones[1], tones[4], tones[5], tones[6], tones[7] = (
        (150, 190, 230),
        (95, 150, 70),
        (120, 118, 115),
        (210, 190, 160),
        (150, 70, 50),
    )
    tones[11], tones[12] = (40, 95, 45), (180, 40, 60)
    image = tones[labels] + draw.normal(0, 9, size=(side, side, 1)) + draw.normal(0, 4, size=(side, side, 3))
    return Picture(seed, f"{name}-{seed:06d}", image.clip(0, 255).astype(np.uint8), labels)


def build(
    generators: Mapping[str, Mapping[str, tuple[float, float]]] = CHANGED,
    real: Mapping[str, tuple[float, float]] = VILLAGE,
    invented: Mapping[str, tuple[float, float]] | None = None,
    side: int = 64,
    pictures: int = 12,
    audit: str = "village-nightly",
    quarantined: Sequence[Quarantined] = (),
    n: int = 2000,
) -> ReportData:
    """The data of a report. `generators`: (presence ratio, size ratio) of every class that is not drawn as it is."""
    draw = np.random.default_rng(7)
    rows, fsd = [], []
    for place, (generator, changed) in enumerate(generators.items()):
        for class_id, (name, (presence, size)) in enumerate(real.items(), 1):
            more, larger = changed.get(name, (1, 1))
            wobble = 1 + draw.normal(0, 0.02)
            made = (
                min(1.0, presence * more * (wobble if presence < 1 else 1)),
                size * larger * (1 + draw.normal(0, 0.01)),
            )
            rows.append(stats_row(generator, class_id, name, (presence, size), made, n))
        for class_id, (name, made) in enumerate((invented or {}).items(), len(real) + 1):
            rows.append(stats_row(generator, class_id, name, (0.0, 0.0), made, n))
        mean = 0.06 + sum(abs(real[name][0] * real[name][1] * (a * b - 1)) for name, (a, b) in changed.items() if name in real)
        fsd.append(
            {
                "run": "r1", "real": "village", "generator": generator, "real_images": n, "generated_images": n,
                "fsd": mean * 2.1 + 0.2, "mean_part": mean, "covariance_part": mean * 1.1 + 0.2,
                "floor": 0.187 + 0.01 * place,
            }
        )  # fmt: skip
    frame = pd.DataFrame(rows)
    comparison = [
        {
            "run": "r1",
            "real": "village",
            "generator_a": a["generator"],
            "generator_b": b["generator"],
            "difference": a["fsd"] - b["fsd"],
        }
        for place, a in enumerate(fsd)
        for b in fsd[place + 1 :]
    ]
    scenes: dict[int, list[Picture]] = {}
    holders: dict[str, dict[int, Sequence[Picture]]] = {}
    for generator in generators:
        holders[generator] = {}
        for each in most_reduced(frame, generator):
            scenes.setdefault(
                each.class_id,
                [paint(1000 * each.class_id + i, side, [each.class_id], "photo") for i in range(min(6, pictures))],
            )
            holders[generator][each.class_id] = scenes[each.class_id]
    started = datetime(2026, 11, 21, 2, 0, 5, tzinfo=UTC)
    return ReportData(
        audit=audit,
        run="20261121-0200-7f3a9c",
        started=started,
        finished=started + timedelta(seconds=104),
        device="CPU, 2 cores",
        versions={"ganaudit": "0.1.0", "torch": "2.14.1", "duckdb": "2.0.0", "python": "3.11.9"},
        audit_yaml="name: village-nightly\nstore: audits\nreal: {name: village, kind: village, count: 2000}\n",
        command="ganaudit run village-nightly.yaml --store audits",
        exit_status=3 if quarantined else 0,
        class_stats=frame,
        fsd=pd.DataFrame(
            fsd,
            columns=[
                "run",
                "real",
                "generator",
                "real_images",
                "generated_images",
                "fsd",
                "mean_part",
                "covariance_part",
                "floor",
            ],
        ),
        comparison=pd.DataFrame(comparison, columns=["run", "real", "generator_a", "generator_b", "difference"]),
        samples=[
            Samples("village", "real", [paint(i, side) for i in range(pictures)]),
            *(
                Samples(generator, "generated", [paint(100 * place + i, side, (14, 15), generator) for i in range(pictures)])
                for place, generator in enumerate(generators, 1)
            ),
        ],
        holders=holders,
        quarantined=quarantined,
    )


@pytest.fixture(scope="session")
def audit() -> Callable[..., ReportData]:
    """Builds the data of a report; see `build`."""
    return build


@pytest.fixture(scope="session")
def row() -> Callable[..., dict[str, Any]]:
    """Builds one row of class_stats; see `stats_row`."""
    return stats_row
