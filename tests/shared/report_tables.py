"""A made-up audit to look at: numbers like the village's, little painted pictures, any number of generators."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from ganaudit.records.schema import FINDINGS
from ganaudit.report import Findings, Picture, Quarantined, ReportData, Used
from ganaudit.studies.census import showing
from ganaudit.studies.census.section import view
from ganaudit.studies.census.section.kept import Beside, Grown, Kept, Samples

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
NAMES = {"run": "r1", "real": "village"}


def stats_row(
    generator: str, class_id: int, name: str, real: tuple[float, float], made: tuple[float, float], n: int = 2000
) -> dict[str, Any]:
    """One row of class_stats, with the standard errors that `n` images a side give (sizes vary by their own mean)."""
    row: dict[str, Any] = {**NAMES, "generator": generator, "class_id": class_id, "class": name}
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


def decided(
    verdict: str, ratio: float | None = None, low: float | None = None, high: float | None = None, *,
    detectable: float | None = None, q: float | None = None, holding: tuple[int, int] = (600, 222),
) -> dict[str, Any]:  # fmt: skip
    """The columns of a verdict."""
    return {
        "verdict": verdict, "ratio": ratio, "ratio_low": low, "ratio_high": high, "p_value": q, "q_value": q,
        "detectable": detectable, "presence_threshold": 0.1, "real_holding": holding[0], "generated_holding": holding[1],
    }  # fmt: skip


def verdict_rows(stats: Mapping[str, Any], n: int = 2000) -> list[dict[str, Any]]:
    """The two rows of dropped_classes that go with a row of class_stats, by the plain log-normal interval."""
    rows = []
    for measure in ("presence", "area"):
        ratio, error = stats[f"{measure}_ratio"], stats[f"{measure}_ratio_se"]
        holding = (round(n * (stats["real_presence"] or 0)), round(n * (stats["generated_presence"] or 0)))
        if not holding[0]:
            verdict = decided("invented" if holding[1] > 20 else "not testable", holding=holding)
        elif holding[0] < 12:
            verdict = decided("not testable", ratio, 0.0, 9.0, holding=holding)
        else:
            factor = math.exp(min(2 * (error or 0) / ratio, 20)) if ratio else 1.0
            low, high = (ratio / factor, ratio * factor) if ratio else (0.0, 4 / holding[0])
            word = "inconclusive"
            if high < 0.8:
                word = "dropped" if high < 0.1 else "reduced"
            elif low > 1.25:
                word = "increased"
            elif low > 0.8 and high < 1.25:
                word = "equivalent"
            seen = max(0.0, 0.8 - 4 / math.sqrt(holding[0]))
            verdict = decided(word, ratio, low, high, detectable=seen or None, q=0.0004 if high < 0.8 else 0.4, holding=holding)
        same = {name: stats[name] for name in ("run", "real", "generator", "class_id", "class")}
        rows.append({**same, "measure": measure, **verdict})
    return rows


def fsd_row(generator: str, value: float = 1.93, **changes: Any) -> dict[str, Any]:
    """One row of fsd."""
    return {
        **NAMES, "generator": generator, "real_images": 2000, "generated_images": 2000, "live_classes": 16,
        "fsd": value + 0.2, "mean_part": 0.6 * value, "covariance_part": 0.4 * value + 0.2, "floor": 0.19,
        "resolution_floor": None, "corrected": value, "corrected_low": value - 0.2, "corrected_high": value + 0.2,
        "corrected_se": 0.1, "delta_se": 0.1, "mostly_bias": value < 0.2, "p_value": 0.01, "q_value": 0.03,
        "permutations": 99, **changes,
    }  # fmt: skip


def tables(**rows: Sequence[Mapping[str, Any]]) -> Findings:
    """Finding tables of these rows, as the schema wants them."""
    return {name: FINDINGS[name].from_rows(given) for name, given in rows.items()}


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


def compared(fsd: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of comparison and of ranks that go with rows of fsd, each known to ± 0.25."""
    pairs, order = [], sorted(fsd, key=lambda row: row["corrected"])
    for a, b in combinations(fsd, 2):
        apart = a["corrected"] - b["corrected"]
        verdict = "cannot be told apart" if abs(apart) < 0.25 else "a is nearer" if apart < 0 else "b is nearer"
        names = {"generator_a": a["generator"], "generator_b": b["generator"], "verdict": verdict, "p_value": 0.002}
        ends = {"difference_low": apart - 0.25, "difference_high": apart + 0.25, "difference_se": 0.12}
        pairs.append({**NAMES, **names, "difference": apart, **ends})
    ranks = [
        {
            **NAMES, "generator": row["generator"], "rank": place,
            "rank_low": 1 + sum(each["corrected"] < row["corrected"] - 0.25 for each in fsd),
            "rank_high": len(fsd) - sum(each["corrected"] > row["corrected"] + 0.25 for each in fsd),
        }
        for place, row in enumerate(order, 1)
    ]  # fmt: skip
    return pairs, ranks


def curve_rows(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The distance of one generator at 125, 250, … images: the plain one falls, the corrected one stays."""
    result = []
    for images in (125, 250, 500, 1000, 2000):
        bias, half = 400 / images, 9 / math.sqrt(images)
        plain, right = row["corrected"] + bias, row["corrected"]
        result.append({
            **NAMES, "generator": row["generator"], "real_images": images, "generated_images": images, "fsd": plain,
            "fsd_low": plain - half, "fsd_high": plain + half, "corrected": right, "corrected_low": right - half,
            "corrected_high": right + half,
        })  # fmt: skip
    return result


def build(
    generators: Mapping[str, Mapping[str, tuple[float, float]]] = CHANGED,
    real: Mapping[str, tuple[float, float]] = VILLAGE,
    invented: Mapping[str, tuple[float, float]] | None = None,
    side: int = 64,
    pictures: int = 12,
    audit: str = "village-nightly",
    quarantined: Sequence[Quarantined] = (),
    n: int = 2000,
    extra: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> ReportData:
    """The data of a report. `generators`: (presence ratio, size ratio) of every class that is not drawn as it is."""
    draw = np.random.default_rng(7)
    stats: list[dict[str, Any]] = []
    fsd: list[dict[str, Any]] = []
    shares: list[dict[str, Any]] = []
    for place, (generator, changed) in enumerate(generators.items()):
        for class_id, (name, (presence, size)) in enumerate(real.items(), 1):
            more, larger = changed.get(name, (1, 1))
            wobble = 1 + draw.normal(0, 0.02)
            made = (
                min(1.0, presence * more * (wobble if presence < 1 else 1)),
                size * larger * (1 + draw.normal(0, 0.01)),
            )
            stats.append(stats_row(generator, class_id, name, (presence, size), made, n))
        for class_id, (name, made) in enumerate((invented or {}).items(), len(real) + 1):
            stats.append(stats_row(generator, class_id, name, (0.0, 0.0), made, n))
        mean = 0.06 + sum(abs(real[name][0] * real[name][1] * (a * b - 1)) for name, (a, b) in changed.items() if name in real)
        fsd.append(fsd_row(generator, mean * 1.3 if changed else 0.05, floor=0.187 + 0.01 * place, generated_images=n))
        parts = {name: (presence * size) ** 0.5 for name, (presence, size) in real.items()}
        shares += [
            {**NAMES, "generator": generator, "class_id": class_id, "class": name,
             "share": fsd[-1]["fsd"] * part / sum(parts.values())}
            for class_id, (name, part) in enumerate(parts.items(), 1)
        ]  # fmt: skip
    pairs, ranks = compared(fsd)
    findings = tables(
        class_stats=stats, fsd=fsd, dropped_classes=[row for each in stats for row in verdict_rows(each, n)],
        comparison=pairs, ranks=ranks, fsd_by_class=shares, fsd_curve=[row for each in fsd for row in curve_rows(each)],
        **(extra or {}),
    )  # fmt: skip
    chosen = showing.lost(findings, list(generators))
    shown = min(6, pictures)
    lost = {
        class_id: [
            Beside(
                paint(1000 * class_id + i, side, [class_id], "photo"),
                {name: paint(60_000 + 1000 * class_id + 10 * place + i, side, (), name) for place, name in enumerate(losing)},
                {name: 0.02 + 0.01 * i for name in losing},
            )
            for i in range(shown)
        ]
        for class_id, losing in chosen.items()
        if shown
    }
    grown = []
    for generator, finding in showing.grown(findings, list(generators)):
        rows = [[paint(first + i, side, [finding.class_id], generator) for i in range(shown)] for first in (80_000, 80_100)]
        sure = {picture.index: 0.9 - 0.001 * picture.index / 100 for row in rows for picture in row}
        grown.append(Grown(generator, finding.class_id, 1234, *rows, sure))
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
        findings=findings,
        kept={"census": Kept(
            samples=[
                Samples("village", "real", [paint(i, side) for i in range(pictures)]),
                *(
                    Samples(name, "generated", [paint(100 * place + i, side, (14, 15), name) for i in range(pictures)])
                    for place, name in enumerate(generators, 1)
                ),
            ],
            lost=lost,
            grown=grown,
            influences={
                name: {
                    "real": [paint(40_000 + 10 * place + i, side) for i in range(min(6, pictures))],
                    "generated": [paint(50_000 + 10 * place + i, side, (14, 15), name) for i in range(min(6, pictures))],
                }
                for place, name in enumerate(generators)
            },
        )},
        sources=[
            Used("real", "village", "village", "k" + "0a" * 12, "p" + "0b" * 12, n, {}),
            *(
                Used("generated", name, "progan", "k" + "1c" * 12, "p" + "0b" * 12, n, {"weights": "5e" * 32})
                for name in generators
            ),
        ],
        quarantined=quarantined,
    )  # fmt: skip


@pytest.fixture(scope="session")
def audit() -> Callable[..., ReportData]:
    """Builds the data of a report; see `build`."""
    return build


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """No generator's figures on a page: they are most of the time that it takes, and have tests of their own."""
    for figure in ("forest_figure", "area_figure", "parts_figure"):
        monkeypatch.setattr(view, figure, lambda *_: None)


@pytest.fixture(scope="session")
def row() -> Callable[..., dict[str, Any]]:
    """Builds one row of class_stats; see `stats_row`."""
    return stats_row


@pytest.fixture(scope="session")
def verdict() -> Callable[..., dict[str, Any]]:
    """Builds the columns of a verdict; see `decided`."""
    return decided


@pytest.fixture(scope="session")
def distance() -> Callable[..., dict[str, Any]]:
    """Builds one row of fsd; see `fsd_row`."""
    return fsd_row


@pytest.fixture(scope="session")
def findings() -> Callable[..., Findings]:
    """Builds finding tables; see `tables`."""
    return tables
