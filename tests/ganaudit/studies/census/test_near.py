"""Near duplicates on records whose hashes are written by hand, and in an audit of images that were altered."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pillow
from scipy.stats import poisson

from ganaudit import audit
from ganaudit import spec as specs
from ganaudit.auditing.report_data import report_data
from ganaudit.maintenance.verify import verify
from ganaudit.records import catalog
from ganaudit.records.building import Tables
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASS_PIXELS, IMAGES
from ganaudit.records.used import sources_of
from ganaudit.studies.census import near
from ganaudit.studies.census.section.near import near_notes
from ganaudit.studies.census.tables import NEAR_DUPLICATE_COUNTS
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence

FAR = [
    0,
    0x00000000FFFFFFFF,
    0x0000FFFF0000FFFF,
    0x00FF00FF00FF00FF,
    0x0F0F0F0F0F0F0F0F,
    0x3333333333333333,
    0x5555555555555555,
]


def write(store, key, hashes, digests=None):
    """Records of a key: a hash for each image, None for an image without, 'torn' for one that was set aside."""
    rows = []
    for image, value in enumerate(hashes):
        row = {"key": key, "image": image, "name": f"{key}-{image}.png"}
        if value == "torn":
            rows.append(row | {"status": "quarantined", "error": "torn"})
        else:
            digest = f"{key} {image}" if digests is None else digests[image]
            rows.append(row | {"digest": digest, "phash": value, "pixels": 9, "confidence": 1.0, "status": "ok"})
    for first in range(0, len(rows), 4):  # blocks of four
        part = rows[first : first + 4]
        tables = {IMAGES.name: IMAGES.from_rows(part), CLASS_PIXELS.name: CLASS_PIXELS.from_rows([])}
        store.write_shard(IMAGES.name, key, first, first + len(part) - 1, tables, {})


def ask(store, run, **sources):
    """The counts by (source_a, source_b) and the pairs of a run whose sources are role__name: (key, first, count)."""
    run(store, "r", [(*name.split("__"), *used) for name, used in sources.items()])
    tables = Tables()
    near.add(tables, store, "r", sources_of(store, "r"))
    counts = tables.so_far("near_duplicate_counts").to_pylist()
    return {(row["source_a"], row["source_b"]): row for row in counts}, tables.so_far("near_duplicates").to_pylist()


def test_within_and_between_by_hand(store, run):
    write(store, "ka", [*FAR[:4], FAR[1] ^ 0b1011, "torn", None, FAR[2]])
    write(store, "kb", [FAR[0] ^ 1, FAR[5], FAR[0] ^ 0b11111, FAR[0] ^ 0b1111])
    counts, pairs = ask(store, run, real__photos=("ka", 0, 8), generated__ours=("kb", 0, 4))
    assert set(counts) == {("photos", "photos"), ("ours", "ours"), ("photos", "ours")}
    within = counts["photos", "photos"]
    assert (within["what"], within["images_a"], within["unhashed_a"]) == ("within", 6, 1)
    assert (within["pairs"], within["near_a"], within["near_b"], within["by_chance"]) == (2, 4, 4, None)
    between = counts["photos", "ours"]
    assert (between["what"], between["pairs"], between["near_a"], between["near_b"]) == ("memorised", 2, 1, 2)
    assert [(row["what"], row["name_a"], row["name_b"], row["distance"]) for row in pairs] == [
        ("within", "ka-2.png", "ka-7.png", 0), ("within", "ka-1.png", "ka-4.png", 3),
        ("within", "kb-2.png", "kb-3.png", 1), ("within", "kb-0.png", "kb-3.png", 3), ("within", "kb-0.png", "kb-2.png", 4),
        ("memorised", "ka-0.png", "kb-0.png", 1), ("memorised", "ka-0.png", "kb-3.png", 4),
    ]  # fmt: skip
    shares = (2 + 1) / 15, (3 + 1) / 6
    assert between["by_chance"] == pytest.approx(min(shares) * 6 * 4)
    assert between["p_value"] == pytest.approx(1 - sum(poisson.pmf(k, between["by_chance"]) for k in range(2)))


def test_equal_images_of_one_source_count_once(store, run):
    write(store, "ka", [5, 5, 5, FAR[3]], ["a", "a", "b", "c"])
    write(store, "kb", [5, 5], ["a", "a"])
    counts, pairs = ask(store, run, real__photos=("ka", 0, 4), generated__ours=("kb", 0, 2))
    assert counts["photos", "photos"]["images_a"] == 3 and counts["photos", "photos"]["pairs"] == 1
    assert counts["ours", "ours"]["pairs"] == 0 and counts["photos", "ours"]["pairs"] == 2
    assert [(row["image_a"], row["image_b"]) for row in pairs] == [(0, 2), (0, 0), (2, 0)]


def test_which_sources_should_share_no_image(store, run):
    write(store, "ka", FAR)
    counts, _ = ask(
        store, run, real__r=("ka", 0, 2), generated__g=("ka", 2, 2), heldout__h=("ka", 4, 1), train__t=("ka", 5, 1),
        generated__g2=("ka", 6, 1), resized_real__small=("ka", 0, 2), truth__true=("ka", 0, 2), own__o=("ka", 0, 2),
    )  # fmt: skip
    between = {sources: row["what"] for sources, row in counts.items() if sources[0] != sources[1]}
    assert between == {
        ("r", "h"): "leak", ("t", "h"): "leak", **{(seen, made): "memorised" for seen in "rth" for made in ("g", "g2")},
    }  # fmt: skip


def test_all_are_counted_and_the_nearest_kept(store, run, monkeypatch):
    monkeypatch.setattr(near, "MOST", 3)
    write(store, "ka", [(1 << bit) for bit in range(8)] + [0])
    counts, pairs = ask(store, run, real__photos=("ka", 0, 9))
    assert counts["photos", "photos"]["pairs"] == 36 and [row["distance"] for row in pairs] == [1, 1, 1]


def findings(counts):
    return {"near_duplicate_counts": NEAR_DUPLICATE_COUNTS.from_rows(counts.values())}


def test_what_is_said_and_what_is_left_to_chance(store, run):
    rng = np.random.default_rng(0)
    real, made, held = (rng.integers(0, 2**63, n, dtype=np.uint64) for n in (200, 200, 50))
    write(store, "ka", real.tolist())
    write(store, "kb", [*(real[:20] ^ np.uint64(9)).tolist(), *made[20:].tolist()])
    write(store, "kc", [*(real[:9] ^ np.uint64(9)).tolist(), *held[9:].tolist()])
    write(store, "kd", [*made[:100].tolist(), *(made[:100] ^ np.uint64(1)).tolist()])
    counts, _ = ask(
        store, run, real__photos=("ka", 0, 200), generated__ours=("kb", 0, 200), heldout__held=("kc", 0, 50),
        generated__theirs=("kd", 0, 200),
    )  # fmt: skip
    notes = near_notes(findings(counts))
    assert any(
        "20 of the 200 different images of 'ours' are near duplicates of images of 'photos' (2.0 by ch" in n for n in notes
    )
    assert any("9 of the 50 different images of 'held'" in n and n.endswith("they are not held out.") for n in notes)
    assert any("200 of the 200 different images of 'theirs' are near duplicates of others in it" in n for n in notes)
    assert not any("'photos' are near" in n for n in notes)


def test_images_without_a_hash_are_counted(store, pictures, run):
    pictures(store, "ka", [{1: 100}] * 4)
    counts, pairs = ask(store, run, real__photos=("ka", 0, 4))
    assert not pairs and near_notes(findings(counts)) == []
    assert (counts["photos", "photos"]["images_a"], counts["photos", "photos"]["unhashed_a"]) == (0, 4)


# in an audit


def jpeg(pixels):
    file = io.BytesIO()
    pillow.fromarray(pixels).save(file, "JPEG", quality=60)
    return np.asarray(pillow.open(file).convert("RGB"))


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """Scenes and held-out scenes; a generator that copies, and recompresses, every fourth one."""
    folder = tmp_path_factory.mktemp("near")
    scenes = render(Prevalence(), 11, range(160))[0]
    for name, images in {
        "real": scenes[:64],
        "held": scenes[64:96],
        "copies": [jpeg(scenes[k // 4]) if k % 4 == 0 else scenes[96 + k] for k in range(64)],
    }.items():
        (folder / name).mkdir()
        for place, pixels in enumerate(images):
            pillow.fromarray(pixels).save(folder / name / f"{place:02}.png")
    spec = specs.parse({
        "name": "near", "folder": str(folder), "store": "store", "parser": {"kind": "unet", "weights": "builtin:village"},
        "real": {"name": "real", "kind": "folder", "path": "real"},
        "heldout": {"name": "held", "kind": "folder", "path": "held"},
        "generators": [{"name": "copies", "kind": "folder", "path": "copies"}],
        "decide": {"permutations": 0}, "run": {"device": "cpu", "workers": 1},
    })  # fmt: skip
    return audit(spec)


def test_copies_are_found_whatever_the_compression(audited):
    pairs = audited.table("near_duplicates")
    between = pairs[pairs.what == "memorised"]
    copied = {(f"{place:02}.png", f"{4 * place:02}.png") for place in range(16)}
    assert set(zip(between[between.source_a == "real"].name_a, between.name_b, strict=False)) >= copied
    assert any("16 of the 64 different images of 'copies' are near duplicates of images of 'real'" in n for n in audited.notes)
    assert not any("not held out" in note for note in audited.notes)


def test_the_page_shows_the_nearest_pairs(audited):
    page = Path(audited.report).read_text()
    section = page[page.index('<section id="near">') :]
    section = section[: section.index("</section>")]
    assert "16 of 64" in section and section.count("<figure>") >= 3 and "itself" not in section.partition("<h3>")[2]
    (one, *_) = report_data(Store(audited.store), audited.run).kept["census"].near
    assert [source for source, _ in one] == ["real", "copies"]
    assert np.abs(one[0][1].image.astype(int) - one[1][1].image).mean() < 12  # compressed, and the same


def test_in_sql_and_sound(audited):
    store = Store(audited.store)
    asked = """SELECT count(*) FROM audited_images AS a JOIN audited_images AS b ON bit_count(xor(a.phash, b.phash)) <= 4
        WHERE a.role = 'real' AND b.role = 'generated'"""
    counted = audited.table("near_duplicate_counts")
    (pairs,) = counted[(counted.source_a == "real") & (counted.source_b == "copies")].pairs
    assert catalog.query(store, asked).column(0).to_pylist() == [pairs]
    assert not verify(store, deep=True).problems
