"""A bar that a latent moves no farther than it can: what is recorded, in any number of shards, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from steered_audit import ALPHAS, BARS, IMAGES, gone_through

from ganaudit.auditing.plan import plan
from ganaudit.errors import RequestError
from ganaudit.maintenance.verify import verify
from ganaudit.studies.steering.reading import read_walk, steered_of
from ganaudit.studies.steering.record_tables import STEERING, STEERING_IMAGES
from ganaudit.studies.steering.study import STUDY
from ganaudit.training.walks import WalkTraining

ORDER = ("image", "alpha", "class_id")


def recorded(steering, table, count=IMAGES):
    """Rows along walks but for their keys, of the first `count` images, in order."""
    rows = [row for row in steering.rows(table) if row["image"] < count]
    rows = [{name: value for name, value in row.items() if name != "key"} for row in rows]
    return sorted(rows, key=lambda row: [row.get(name, 0) for name in ORDER])


def of(steering, table, generator="bars", **wanted):
    rows = steering.findings[table].to_pylist()
    return [row for row in rows if row["generator"] == generator and all(row[name] == value for name, value in wanted.items())]


def test_every_image_is_a_row_at_every_strength_and_so_is_a_class_that_is_lost(asked):
    steering = gone_through(asked(images=8, shard=8, steps=2))
    images, classes = recorded(steering, "steering_images", 8), recorded(steering, "steering", 8)
    assert [(row["image"], row["alpha"]) for row in images] == [(image, alpha) for image in range(8) for alpha in ALPHAS]
    assert all((row["width"], row["height"], row["status"]) == (16, 16, "ok") for row in images)
    assert [row["distance"] is None for row in images] == [row["alpha"] == ALPHAS[0] for row in images]
    assert all(row["error"] == row["error_still"] == 0.0 and row["known"] == 1.0 for row in images if row["alpha"] == 0.0)
    assert {row["known"] for row in images if abs(row["alpha"]) == 4.0} == {0.75}
    for image in range(8):
        held = [row for row in classes if row["image"] == image]
        there = {row["class_id"] for row in held if row["pixels"]}
        assert [(row["alpha"], row["class_id"]) for row in held] == [(alpha, c) for alpha in ALPHAS for c in sorted(there)]
        for alpha in ALPHAS:
            assert sum(row["pixels"] for row in held if row["alpha"] == alpha) == 256
    real = steering.rows("steering_images", role="real", alpha=None)
    assert [row["image"] for row in real] == list(range(8)) and all(row["error"] is None for row in real)


def test_what_a_generator_says_of_its_images_and_equal_pixels_make_clusters(asked):
    steering = gone_through(asked([{"name": "paired", "kind": "bar_models:PairedBars"}], images=8, shard=4, steps=2))
    rows = recorded(steering, "steering_images", 8)
    assert [row["cluster"] for row in rows] == [f"prompt {image // 2}" for image in range(8) for _ in ALPHAS]
    assert all((row["digest"] is not None) == (row["alpha"] == 0.0) for row in rows)
    real = steering.rows("steering_images", role="real")
    assert all(row["cluster"] is None and row["digest"] for row in real)
    twice = [{**row, "image": row["image"] + place * len(real)} for place in range(2) for row in real]
    walk = steering.rows("steering_images")[0]["key"]
    assert read_walk(steering.store, walk, ALPHAS, 0, 8, 0.1).clusters.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    none = STEERING.arrow.empty_table()
    assert steered_of(STEERING_IMAGES.from_rows(real), none, (None,), 0.1).clusters is None
    assert steered_of(STEERING_IMAGES.from_rows(twice), none, (None,), 0.1).clusters.tolist() == 2 * list(range(len(real)))


def test_a_bar_follows_as_far_as_its_generator_reaches_and_a_stiff_one_does_not(steered):
    (bar,) = of(steered, "steerability", **{"class": "bright"})
    assert bar["verdict"] == "follows" and bar["slope_low"] > 0.1 and bar["images"] == IMAGES
    (curve, *_), values = of(steered, "steering_curves", measure="x", **{"class": "bright"}), {}
    for row in of(steered, "steering_curves", measure="x", **{"class": "bright"}):
        values[row["alpha"]] = row["value"]
        assert row["asked"] == pytest.approx(values.get(0.0, row["asked"] - row["alpha"] / 16) + row["alpha"] / 16, abs=1e-9)
    assert list(values) == list(ALPHAS) and (np.diff(list(values.values())) > -0.005).all()
    assert values[7.0] - values[-7.0] < 9.0 / 16  # it cannot go farther
    assert curve["real_sd"] == pytest.approx(9.0 / 12**0.5 / 16, rel=0.25)
    (stiff,) = of(steered, "steerability", "stiff", **{"class": "bright"})
    assert stiff["verdict"] == "does not follow"
    (reach,), (still,) = of(steered, "steering_reach"), of(steered, "steering_reach", "stiff")
    assert reach["sure_low"] >= reach["reach_low"] >= reach["possible_low"] >= -7.0 and reach["followed_low"] > 0.1
    assert still["followed"] < 0.02
    (never,) = of(steered, "steerability", **{"class": "never"}) or [None]
    assert never is None


def test_the_store_is_sound_and_whole(steered):
    assert verify(steered.store, deep=True).sound


def test_what_cannot_be_steered_gets_a_word(steered):
    assert steered.notes == ["'photos' is not steered: a source of kind 'npy' is images, not a generator."]


def test_the_rows_are_the_same_in_one_four_and_seven_shards_and_after_five_kills(steered, asked):
    """Of the same walk: the trained file is that of the audit in one shard."""
    whole = {table: recorded(steered, table) for table in ("steering", "steering_images")}
    for shard, shards in ((16, 4), (8, 7)):
        spec = asked([BARS], shard=shard)
        kills = 0
        while len((steering := gone_through(spec, limit=3)).done) == 3 and kills < 5:
            kills += 1  # each goes on where the one before was killed
        steering = gone_through(spec)
        assert kills >= 2 and not steering.done[shards:]
        for table, rows in whole.items():
            assert recorded(steering, table) == rows, (shards, table)


def test_a_walk_that_is_trained_again_has_the_same_keys(asked, tmp_path):
    """Its file need not have the same bytes: metadata stand in any order."""
    keys = []
    for store in ("store", "again", "once more"):
        steering = gone_through(asked([BARS], images=8, shard=8, steps=2, store=tmp_path / store))
        keys.append([row["key"] for row in steering.rows("steering_images")])
    assert keys[0] == keys[1] == keys[2]


def test_images_that_are_not_finite_along_a_walk_are_rows_that_say_why(asked, monkeypatch):
    def far(training, *_):
        training.walk.directions.data.fill_(3.0)
        return {"l2": 0.0}

    monkeypatch.setattr(WalkTraining, "step", far)
    monkeypatch.setattr(WalkTraining, "picture", lambda _, path: path.touch())
    spec = asked([{**BARS, "options": {"nan_beyond": 2.0}}], images=16, shard=16, steps=1)
    steering = gone_through(spec)
    lost = [row for row in recorded(steering, "steering_images", 16) if row["status"] != "ok"]
    assert (
        7.0 in (strengths := {row["alpha"] for row in lost})
        and min(strengths) > 0.0
        and all("not finite" in row["error_text"] and row["confidence"] is None for row in lost)
    )
    assert not {(row["image"], row["alpha"]) for row in recorded(steering, "steering", 16)} & {
        (row["image"], row["alpha"]) for row in lost
    }
    assert of(steering, "steerability")


def test_an_image_after_one_that_is_not_finite_has_no_distance_from_it(asked, monkeypatch):
    def far(training, *_):
        training.walk.directions.data.fill_(-3.0)
        return {"l2": 0.0}

    monkeypatch.setattr(WalkTraining, "step", far)
    monkeypatch.setattr(WalkTraining, "picture", lambda _, path: path.touch())
    spec = asked([{**BARS, "options": {"nan_beyond": 2.0}}], images=16, shard=16, steps=1)
    rows = {(row["image"], row["alpha"]): row for row in recorded(gone_through(spec), "steering_images", 16)}
    after = [
        row for (image, alpha), row in rows.items()
        if alpha > ALPHAS[0] and row["status"] == "ok" and rows[image, ALPHAS[ALPHAS.index(alpha) - 1]]["status"] != "ok"
    ]  # fmt: skip
    assert after and all(row["distance"] is None and row["error"] is not None for row in after)


def test_a_run_that_wants_more_images_parses_no_real_image_twice(asked):
    gone_through(asked(images=24, shard=16, steps=2))
    more = gone_through(asked(images=40, shard=16, steps=2))
    assert [label for label in more.done if label.startswith("real")] == ["real 32-47"]
    assert verify(more.store, deep=True).sound


def test_strengths_on_one_side_of_the_identity_alone_are_looked_at(asked):
    steering = gone_through(asked(at={"shift-x": [0, 2, 4]}, images=24, shard=24, steps=20))
    (bar,) = of(steering, "steerability", **{"class": "bright"})
    assert bar["slope"] is not None and bar["saturation_below"] is None and bar["detection_below"] == 1.0


def test_a_generator_without_gradients_gets_a_word_and_the_others_are_steered(asked):
    steering = gone_through(asked([{"name": "frozen", "kind": "bar_models:FrozenBars"}, BARS], images=8, shard=8, steps=2))
    assert steering.notes == ["'frozen' is not steered: no walk can be trained in it: it has no gradients."]
    assert {row["generator"] for row in steering.findings["steering_reach"].to_pylist()} == {"bars"}


@pytest.mark.parametrize("steer, reason", [
    ({"at": {"shift-x": [-9, 0, 9]}}, "shift-x by -9 pixels is more than images of 16×16 pixels can hold"),
    ({"at": {"shift-x": [-3, 1, 3]}}, "has no 0, at which shift-x changes nothing"),
    ({"edits": ["shift-z"], "at": {}}, "there is no edit 'shift-z'"),
])  # fmt: skip
def test_strengths_and_edits_that_cannot_be_are_refused_before_anything_is_parsed(asked, steer, reason):
    with pytest.raises(RequestError, match=reason):
        plan(asked(**steer))


def test_real_label_maps_without_images_are_refused(asked, tmp_path):
    for name in ("0.png", "0.labels.png", "1.png", "1.labels.png"):
        Image.fromarray(np.ones((16, 16), np.uint8)).save(tmp_path / name)
    with pytest.raises(RequestError, match="the real source brings label maps alone"):
        plan(asked(real={"name": "real", "kind": "masks", "path": str(tmp_path)}))


@pytest.mark.parametrize("steer, reason", [
    ({"at": {}, "alphas": 4}, "alphas: 4 is even"), ({"at": {"zoom": [0.5, 1, 2]}}, "at.zoom: edits does not ask for it"),
    ({"edits": ["shift-x", "shift-x"]}, "shift-x stands there twice"),
])  # fmt: skip
def test_a_steer_part_that_contradicts_itself_is_refused(asked, steer, reason):
    with pytest.raises(RequestError, match=reason):
        asked(**steer)


def test_a_space_that_a_generator_has_not_and_costs_are_said_before_anything_is_done(asked):
    spec = asked(spaces=["w"])
    assert any("'bars' is not steered" in note and "no space 'w'" in note for note in STUDY.check(plan(spec), None, None).notes)
