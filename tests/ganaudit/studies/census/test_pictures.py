"""The pictures of a run: those the audit saw, with the labels it counted, kept without loss."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image as pillow

from ganaudit import spec as specs
from ganaudit.auditing import run as audit
from ganaudit.report.data import Picture
from ganaudit.studies.census import pictures, showing
from ganaudit.studies.census import work as blocks
from ganaudit.studies.census.blocks import missing
from ganaudit.studies.census.findings import materialise
from ganaudit.studies.census.section.kept import Beside, Kept, Samples

HERE = Path(__file__).parents[2]
NOISE = {"name": "g", "kind": "tiny_models:Noise", "options": {"light": -0.8}}


def worked(store, *generators, **parts):
    data = {"name": "n", "folder": str(HERE), "store": str(store), "parser": {"kind": "tiny_models:Brightness"},
            "real": {"name": "real", "kind": "tiny_models:Ramp", "options": {"images": 200, "unreadable": 3}},
            "generators": list(generators or [NOISE]), "sample": {"count": 50}, **parts}  # fmt: skip
    asked = specs.parse(data)
    planned, opened = audit.prepared(asked)
    list(audit.on_threads(1)(missing(planned, opened)))
    return planned, opened


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    planned, store = worked(tmp_path_factory.mktemp("run"))
    findings = materialise(store, planned.run)
    return planned, store, findings, pictures.collect(planned, store, findings)


def labels(pixels):
    grey = pixels.astype(np.float64).mean(axis=2) / 255
    return 1 + (grey > 0.4) + (grey > 0.6)


def test_samples_are_the_first_readable_images_with_the_labels_that_were_counted(run):
    planned, _, _, kept = run
    real, generated = kept.samples
    assert (real.source, real.role, generated.source, generated.role) == ("real", "real", "g", "generated")
    assert [picture.index for picture in real.pictures] == list(range(3, 15))
    assert [picture.index for picture in generated.pictures] == list(range(12))
    task = missing(planned, run[1].__class__(run[1].path / "empty"))[-1]
    read = blocks.opened(task)[1].read(range(12))
    for picture, pixels in zip(generated.pictures, read.pixels.numpy(), strict=True):
        assert (picture.image == pixels).all()
        assert (picture.labels == labels(pixels)).all()


def test_lost_classes_are_shown_by_the_real_images_that_hold_most_of_them(run):
    _, _, result, kept = run
    shown = kept.lost
    assert 3 in shown  # a dark generator makes no bright pixels
    verdicts = result["dropped_classes"].to_pylist()
    assert set(shown) == {row["class_id"] for row in verdicts if row["verdict"] in ("dropped", "reduced")}
    for class_id, result in shown.items():
        held = [int((each.real.labels == class_id).sum()) for each in result]
        assert held == sorted(held, reverse=True) and held[0] > 0 and len(result) <= showing.MOST
        assert all(each.real.name == f"image {each.real.index}" for each in result)
    assert {each.real.index for each in shown[3]} <= set(range(121, 200))


def rest(picture, class_id):
    """The shares of the other classes in what is left without one."""
    counts = np.bincount(picture.labels[picture.labels != class_id], minlength=4)
    return counts / counts.sum()


def test_the_generated_image_under_a_real_one_is_the_nearest_of_all_in_what_else_it_holds(run):
    planned, _, _, kept = run
    source = next(source for source in planned.sources if source.role == "generated")
    every = pictures.look(planned, source, range(source.count))
    compared = 0
    for class_id, shown in kept.lost.items():
        for each in shown:
            if (each.real.labels == class_id).all():
                assert each.nearest == {}
                continue
            others = {index: picture for index, picture in every.items() if (picture.labels != class_id).any()}
            apart = {
                index: np.abs(rest(picture, class_id) - rest(each.real, class_id)).sum() / 2
                for index, picture in others.items()
            }
            best = min(apart, key=lambda index: (round(apart[index], 9), index))
            assert each.nearest["g"].index == best and each.apart["g"] == pytest.approx(apart[best], abs=1e-9)
            compared += 1
    assert compared


def test_of_a_class_that_grew_the_largest_and_the_least_sure_are_kept(run):
    _, _, result, kept = run
    grew = {row["class_id"] for row in result["dropped_classes"].to_pylist() if row["verdict"] in ("increased", "invented")}
    assert grew and {each.class_id for each in kept.grown} <= grew
    for each in kept.grown:
        held = [int((picture.labels == each.class_id).sum()) for picture in each.largest]
        sure = [each.sure[picture.index] for picture in each.unsure]
        assert held == sorted(held, reverse=True) and sure == sorted(sure) and each.images >= len(held) > 0


def test_the_images_that_push_the_distance_up_most_are_kept_strongest_first(run):
    _, _, result, kept = run
    rows = result["influences"].to_pylist()
    for role in ("real", "generated"):
        best = sorted((row for row in rows if row["role"] == role), key=lambda row: (-row["influence"], row["image"]))
        expected = [row["image"] for row in best[: pictures.INFLUENTIAL] if row["influence"] > 0]
        assert [picture.index for picture in kept.influences["g"][role]] == expected and expected
    (real,) = {picture.name for picture in kept.influences["g"]["real"][:1]}
    assert real == f"image {kept.influences['g']['real'][0].index}"
    assert pictures.influential({}, "g", "real") == []


def test_what_is_saved_is_what_is_loaded_to_the_last_bit(run):
    planned, store, _, kept = run
    pictures.save(store, planned.run, kept)
    again = pictures.load(store, planned.run)
    assert [(group.source, group.role) for group in again.samples] == [(group.source, group.role) for group in kept.samples]
    beside = [[each for shown in one.lost.values() for each in shown] for one in (again, kept)]
    for a, b in zip(*beside, strict=True):
        assert same(a.real, b.real) and list(a.nearest) == list(b.nearest) and a.apart == b.apart
    assert list(again.lost) == list(kept.lost)
    said = [[(each.generator, each.class_id, each.images, each.sure) for each in one.grown] for one in (again, kept)]
    assert said[0] == said[1] and said[0]
    assert {g: list(r) for g, r in again.influences.items()} == {g: list(r) for g, r in kept.influences.items()}
    assert len(again.all) == len(kept.all) > 30
    assert all(same(a, b) for a, b in zip(again.all, kept.all, strict=True))


def same(a: Picture, b: Picture) -> bool:
    return (a.index, a.name) == (b.index, b.name) and np.array_equal(a.image, b.image) and np.array_equal(a.labels, b.labels)


def test_label_maps_of_many_classes_and_odd_names_survive(run):
    store = run[1]
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    picture = Picture(2**40, "a/b 'ü'.png", image, np.array([[0, 300], [32767, 255]]))
    store.finding("other", "fsd").parent.mkdir(parents=True)
    pictures.save(store, "other", Kept([Samples("s", "real", [picture])]))
    loaded = pictures.load(store, "other")
    assert same(loaded.samples[0].pictures[0], picture) and loaded.lost == loaded.influences == {}


def test_a_picture_that_stands_in_several_places_is_written_once(run):
    store, image = run[1], np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    picture, other = (Picture(i, str(i), image, np.zeros((4, 4), np.int64)) for i in range(2))
    sizes = []
    for lost in ({1: [Beside(picture)]}, {c: [Beside(picture, {"g": other}, {"g": 0.5})] for c in range(9)}):
        store.finding(f"twice-{len(sizes)}", "fsd").parent.mkdir(parents=True)
        pictures.save(store, f"twice-{len(sizes)}", Kept(lost=lost))
        sizes.append((store.findings(f"twice-{len(sizes)}") / "pictures.parquet").stat().st_size)
    again = pictures.load(store, "twice-1").lost
    assert sizes[1] < 3 * sizes[0] and len({id(each.real) for shown in again.values() for each in shown}) == 1


def test_pictures_of_an_older_ganaudit_are_shown(run):
    """It wrote the real pictures of a lost class once for each generator, with more effort."""
    store, image, labels = run[1], np.full((4, 4, 3), 9, np.uint8), np.full((2, 2), 40_000, np.uint16)
    photo, label_map = io.BytesIO(), io.BytesIO()
    pillow.fromarray(image).save(photo, "WEBP", lossless=True)
    pillow.fromarray(labels).save(label_map, "PNG")
    seen = {"picture": photo.getvalue(), "label_map": label_map.getvalue()}
    rows = [{"generator": name, "class_id": 3, "image": i, "name": str(i), **seen} for name in ("g", "h") for i in (7, 5)]
    store.finding("older", "fsd").parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), store.findings("older") / "pictures.parquet")
    shown = pictures.load(store, "older").lost[3]
    assert [(each.real.index, each.nearest) for each in shown] == [(7, {}), (5, {})]
    assert (shown[0].real.image == image).all() and (shown[0].real.labels == labels).all()


def test_a_run_without_pictures_has_none(run):
    assert pictures.load(run[1], "never").all == []


def test_large_pictures_are_kept_small_and_labels_beside_them_at_their_own_size(tmp_path):
    for number in range(3):
        pillow.fromarray(np.full((300, 600, 3), 90 * number, np.uint8)).save(tmp_path / f"{number}.png")
        pillow.fromarray(np.full((3, 6), number, np.uint8)).save(tmp_path / f"{number}.labels.png")
    masks = {"kind": "masks", "path": str(tmp_path)}
    planned, _ = worked(
        tmp_path / "s", {"name": "g", **masks}, real={"name": "real", **masks, "seed": 2}, sample={"count": 3},
        parser={"kind": "masks", "classes": ["a", "b"]},
    )  # fmt: skip
    result = pictures.look(planned, planned.sources[1], range(3))
    assert len(result) == 3
    for picture in result.values():
        assert picture.image.shape == (128, 256, 3) and picture.labels.shape == (3, 6)
        assert (picture.labels == int(picture.name[0])).all() and (picture.image == 90 * int(picture.name[0])).all()


def test_images_that_cannot_be_read_are_left_out(run):
    planned = run[0]
    assert list(pictures.look(planned, planned.sources[0], [0, 5, 1, 7])) == [5, 7]
    assert pictures.look(planned, planned.sources[0], []) == {}
