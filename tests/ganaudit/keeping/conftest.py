"""A store with findings: two runs of one audit, and a key that neither uses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ganaudit.findings import materialise
from ganaudit.records.store import Store
from ganaudit.spec import Decide


def _pictures_of(count: int, step: int) -> list[dict[int, int] | None]:
    """Images of 100 pixels whose share of sky changes; every seventh was set aside."""
    return [None if i % 7 == 6 else {1: 40 + (i * step) % 50, 2: 60 - (i * step) % 50} for i in range(count)]


def _roll_up(store: Store, run: str) -> None:
    materialise(store, run, Decide(permutations=200))


@pytest.fixture
def pictures_of() -> Callable[[int, int], list[dict[int, int] | None]]:
    return _pictures_of


@pytest.fixture
def roll_up() -> Callable[[Store, str], None]:
    return _roll_up


@pytest.fixture
def filled(store: Store, pictures: Callable[..., None], run: Callable[..., None]) -> Store:
    for key, step in (("ka", 3), ("kb", 5), ("kc", 7)):
        pictures(store, key, _pictures_of(18, step))
        store.write_source({"key": key, "kind": "folder", "recipe": "{}", "digests": "{}"})
    run(store, "r1", [("real", "photos", "ka", 0, 18), ("generated", "gan", "kb", 0, 18)])
    run(store, "r2", [("real", "photos", "ka", 0, 18), ("generated", "gan", "kc", 0, 16)], hour=1)
    _roll_up(store, "r1")
    _roll_up(store, "r2")
    return store
