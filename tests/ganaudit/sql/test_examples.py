"""Images to look at, and pairs of classes, against plain loops."""

from itertools import combinations

import pytest

from ganaudit.records import catalog
from ganaudit.studies.census.tables import INFLUENCES

REAL = [{1: 60, 2: 40}, {1: 50, 2: 30, 3: 20}, None, {0: 10, 1: 87, 3: 3}, {1: 100}, {2: 80, 3: 20}, {1: 50, 3: 50}]
GENERATED = [{1: 50, 2: 50}, {1: 50, 3: 50}, {3: 100}, {1: 90, 2: 10}]
NAMES = {1: "sky", 2: "tree", 3: "person"}


@pytest.fixture
def filled(store, pictures, run):
    pictures(store, "ka", REAL)
    pictures(store, "kb", GENERATED)
    run(store, "r1", [("real", "photos", "ka", 0, 6), ("generated", "gan", "kb", 1, 3), ("generated", "again", "kb", 0, 4)])
    return store


def rows(store, statement):
    return catalog.query(store, statement).to_pylist()


@pytest.mark.parametrize(("threshold", "pixels"), [(0.1, 4), (25, 25)])
def test_pairs_seen_together(filled, threshold, pixels):
    found = {(r["source"], r["class_a"], r["class_b"]): r for r in rows(filled, f"FROM seen_together('r1', {threshold})")}
    expected = {}
    for source, images in {"photos": REAL[:6], "gan": GENERATED[1:], "again": GENERATED}.items():
        held = [{c for c in NAMES if picture.get(c, 0) >= pixels} for picture in images if picture]
        for a, b in combinations(NAMES, 2):
            together, with_a, with_b = (sum(pair <= result for result in held) for pair in ({a, b}, {a}, {b}))
            if together:
                expected[source, NAMES[a], NAMES[b]] = (len(held), with_a, with_b, together)
    assert found.keys() == expected.keys() and len(expected) > 3
    for pair, (images, with_a, with_b, together) in expected.items():
        row = found[pair]
        counted = tuple(row[f"images{name}"] for name in ("", "_with_a", "_with_b", "_with_both"))
        assert counted == (images, with_a, with_b, together)
        assert row["expected"] == pytest.approx(with_a * with_b / images)
        assert row["likelier_together"] == pytest.approx(together / images / (with_a / images * with_b / images))


def test_the_images_with_most_influence_have_their_names(filled):
    pushes = {("real", "ka", 1): 0.5, ("real", "ka", 4): -9.0, ("generated", "kb", 1): 0.25, ("generated", "kb", 3): 2.0}
    made = [
        {"run": "r1", "real": "photos", "generator": generator, "role": role, "key": key, "image": image, "influence": push}
        for generator in ("gan", "again")
        for (role, key, image), push in pushes.items()
    ]
    filled.write_finding("r1", "influences", INFLUENCES.from_rows(made))
    result = rows(filled, "FROM most_influence('r1', 'gan', 3)")
    assert [(r["role"], r["source"], r["name"], r["influence"]) for r in result] == [
        ("generated", "gan", "3.png", 2.0),
        ("real", "photos", "1.png", 0.5),
        ("generated", "gan", "1.png", 0.25),
    ]
    assert rows(filled, "FROM most_influence('r1', 'nobody', 3)") == []
