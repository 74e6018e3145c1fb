"""Runs whose generators omit, reduce or invent a class as often as a test says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from ganaudit.spec import Decide
from ganaudit.studies.census.findings import materialise

REAL = {"sky": 1.0, "tree": 0.7, "person": 0.4}
IDS = {"sky": 1, "tree": 2, "person": 3}


def scenes(seed: int, n: int, presence: Mapping[str, float]) -> list[dict[int, int]]:
    """n pictures of 100 pixels; each class is in an image with its own probability, sky fills the rest."""
    rng, made = np.random.default_rng(seed), []
    for _ in range(n):
        held = {name: int(rng.integers(5, 25)) for name, p in presence.items() if name != "sky" and rng.random() < p}
        made.append({IDS[name]: pixels for name, pixels in held.items()} | {1: 100 - sum(held.values())})
    return made


@pytest.fixture
def audited(store: Any, pictures: Callable[..., None], run: Callable[..., None]) -> Callable[..., str]:
    """`audited("r1", {"gan": {"person": 0.0}})` writes a run and its findings; other classes are as in the real images."""
    keys: dict[str, str] = {}

    def key_of(seed: int, n: int, presence: Mapping[str, float], size: int = 100) -> str:
        said = repr((seed, n, sorted(presence.items()), size))
        if said not in keys:
            keys[said] = f"k{len(keys):x}"
            factor = size // 100
            made = [{result: pixels * factor for result, pixels in scene.items()} for scene in scenes(seed, n, presence)]
            pictures(store, keys[said], made, size=size, block=1024)
        return keys[said]

    def write(
        name: str, generators: Mapping[str, Mapping[str, float]], /, *, real_seed: int = 0, real: int = 600,
        real_used: int | None = None, n: int = 600, seed: int = 1, hour: int = 0, size: int = 100, parser: str = "p0",
        **spec: Any,
    ) -> str:  # fmt: skip
        sources = [("real", "photos", key_of(real_seed, real, REAL, size), 0, real_used or real)]
        for place, (generator, changes) in enumerate(generators.items()):
            sources.append(("generated", generator, key_of(seed + place, n, {**REAL, **changes}, size), 0, n))
        run(store, name, sources, hour=hour, spec=spec, parser=parser)
        decide = Decide.model_validate({"permutations": 0} | spec.get("decide", {}))  # permutations are no part of a verdict
        materialise(store, name, decide, spec.get("groups"))
        return name

    return write
