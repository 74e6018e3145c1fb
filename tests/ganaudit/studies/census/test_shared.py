"""Images that two sources of a run share, or that one of them repeats, counted on records whose answer is obvious."""

from __future__ import annotations

import pytest

from ganaudit.errors import RequestError
from ganaudit.records.tables import CLASS_PIXELS, IMAGES
from ganaudit.studies.census.shared import Shared, shared, shared_notes


def write(store, key, digests, clusters=()):
    """Records of a key: a digest for each image, None for one that was set aside; and their clusters."""
    rows = [
        {"key": key, "image": image, "name": str(image), "status": "quarantined", "error": "torn"}
        if digest is None
        else {"key": key, "image": image, "name": str(image), "digest": digest, "pixels": 9, "confidence": 1.0, "status": "ok"}
        for image, digest in enumerate(digests)
    ]
    for row, cluster in zip(rows, clusters, strict=False):
        row["cluster"] = cluster
    tables = {IMAGES.name: IMAGES.from_rows(rows), CLASS_PIXELS.name: CLASS_PIXELS.from_rows([])}
    store.write_shard(IMAGES.name, key, 0, len(rows) - 1, tables, {})


def ask(store, run, **sources):
    """A run whose sources are role__name: (key, first, count)."""
    run(store, "r", [(*name.split("__"), *used) for name, used in sources.items()])
    return {source.source: source for source in shared(store, "r")}


def test_images_that_stand_once_are_not_told(store, run):
    write(store, "ka", "abcd")
    write(store, "kb", "efgh")
    result = ask(store, run, real__photos=("ka", 0, 4), generated__ours=("kb", 0, 4))
    assert list(result.values()) == [Shared("real", "photos", 4, 0), Shared("generated", "ours", 4, 0)]
    assert shared_notes(store, "r") == []


def test_one_folder_on_both_sides(store, run):
    write(store, "ka", "abcd")
    result = ask(store, run, real__photos=("ka", 0, 4), generated__ours=("ka", 0, 4))
    assert result["ours"].shared == (("real", "photos", 4),)
    (note,) = shared_notes(store, "r")
    assert "All 4 images of 'ours' are also among the real images 'photos'" in note


def test_shared_images_are_counted_by_image_and_repeats_within_each_source(store, run):
    write(store, "ka", ["a", "a", "b", "c", None])
    write(store, "kb", ["a", "a", "a", "x", None, "c"])
    write(store, "kc", "xyz")
    result = ask(store, run, real__photos=("ka", 0, 5), generated__ours=("kb", 0, 6), generated__theirs=("kc", 0, 3))
    assert result == {
        "photos": Shared("real", "photos", 4, 1),
        "ours": Shared("generated", "ours", 5, 2, (("real", "photos", 4),)),
        "theirs": Shared("generated", "theirs", 3, 0),
    }
    notes = shared_notes(store, "r")
    assert any("4 of the 5 images of 'ours' are also among the real images 'photos'" in note for note in notes)
    assert any("2 of the 5 images of 'ours' are repeats" in note for note in notes)
    assert any("1 of the 4 images of 'photos' is a repeat" in note for note in notes) and len(notes) == 3


def test_only_the_images_that_a_run_uses_count(store, run):
    write(store, "ka", "abcd")
    result = ask(store, run, real__photos=("ka", 0, 2), heldout__held=("ka", 2, 2), generated__ours=("ka", 1, 2))
    assert result["held"].shared == () and result["ours"].shared == (("real", "photos", 1),)


def test_held_out_photos_among_real_and_training_photos(store, run):
    write(store, "ka", "abcd")
    write(store, "kb", "ab")
    write(store, "kc", "bxy")
    result = ask(
        store, run, real__photos=("ka", 0, 4), generated__g=("kb", 0, 2), heldout__held=("kc", 0, 3), train__seen=("kb", 0, 2)
    )
    assert result["held"].shared == (("real", "photos", 1), ("train", "seen", 1))
    assert "train" in {role for role, _, _ in result["g"].shared} and result["seen"].shared == ()
    assert any(
        "1 of the 3 images of 'held' is also among the training photos 'seen'" in note for note in shared_notes(store, "r")
    )


def test_resized_images_are_made_of_the_real_ones_and_are_no_repeats(store, run):
    write(store, "ka", "abcd")
    result = ask(store, run, real__photos=("ka", 0, 4), resized_real__small=("ka", 0, 4), truth__t=("ka", 0, 4))
    assert list(result) == ["photos"]


def test_a_run_that_is_not_there(store):
    with pytest.raises(RequestError, match="there is no run"):
        shared(store, "nope")


def test_clusters_are_counted(store, run):
    write(store, "ka", "aabcdef", ["1", "2", "1", None, "1", "3", None])
    result = ask(store, run, real__photos=("ka", 0, 7))
    assert result["photos"] == Shared("real", "photos", 7, 1, (), 3, 5)
    assert "5 of the 7 images of 'photos' are in 3 clusters" in shared_notes(store, "r")[1]
    write(store, "kb", "abc", ["1", "2", None])
    run(store, "r2", [("real", "each its own", "kb", 0, 3)])
    assert shared_notes(store, "r2") == []
