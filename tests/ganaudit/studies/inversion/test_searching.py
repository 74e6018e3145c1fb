"""The searches of an audit, each against a plain loop over its image, at every penalty and mask-weighted; how they go on."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
import torch
from searched_by_hand import brightness, falling, latent
from statsmodels.stats.proportion import proportion_confint

from ganaudit.auditing.plan import plan
from ganaudit.errors import AuditError
from ganaudit.inversion import search as searching
from ganaudit.inversion.presets import default_search
from ganaudit.random import normals
from ganaudit.records.schema import RECORDS
from ganaudit.records.store import Store
from ganaudit.studies.inversion import stages
from ganaudit.studies.inversion.searching import again
from ganaudit.studies.inversion.study import STUDY
from ganaudit.studies.inversion.tuning import PenaltyShard
from ganaudit.studies.protocol import work

TABLES = ("inversions", "inversion_curves", "inversion_confusion", "inversion_classes", "inversion_latents")


def some(records, count=4):
    """A few of the images, from both ends, so that the last batch is among them."""
    images = sorted(records)
    return [records[image] for image in (*images[: count - 1], images[-1])]


def agrees(row, losses):
    """The record of a search tells the same losses as a loop by hand."""
    assert row["loss_first"] == pytest.approx(losses[0], rel=3e-4)
    assert row["loss_best"] == pytest.approx(min(losses), rel=3e-4)
    assert losses[row["best_step"]] == pytest.approx(min(losses), rel=3e-4)
    assert row["steps"] == len(losses) - 1


@pytest.mark.parametrize("sample", ["heldout", "own", "train"])
def test_residuals_are_searched_at_the_penalty_that_own_samples_set(inverted, sample):
    fell = 0
    for row in some(inverted.records[sample, "layerwise", 1.0, None]):
        losses, best = inverted.search(latent(row), inverted.target(sample, row["image"]), inverted.penalty)
        agrees(row, losses)
        assert (row["start"], row["penalty"]) == ("layered", inverted.penalty)
        fell += min(losses) < losses[0]
        size = torch.cat([value.flatten() for value in best.values()]).square().mean().sqrt()
        assert row["residual"] == pytest.approx(float(size), rel=1e-3)
    assert fell >= 2


@pytest.mark.parametrize("sample", ["heldout", "own"])
@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_other_penalties_go_on_from_there_for_a_third_of_the_steps(inverted, sample, factor):
    assert inverted.penalty > 0
    at_one = inverted.records[sample, "layerwise", 1.0, None]
    at_other = inverted.records[sample, "layerwise", factor, None]
    assert at_one.keys() == at_other.keys()
    for row in some(at_other):
        target = inverted.target(sample, row["image"])
        agrees(row, inverted.search_again(latent(row), target, factor)[0])
        assert row["penalty"] == pytest.approx(factor * inverted.penalty)
        assert row["start"] == "residuals at factor 1" and row["z"] == at_one[row["image"]]["z"]


def test_only_verdicts_and_their_control_are_searched_at_other_penalties(inverted):
    plain = [way for way in inverted.records if way[3] is None]
    ways = {(sample, factor) for sample, method, factor, _ in plain if method == "layerwise"}
    verdicts = {(sample, factor) for sample in ("heldout", "own") for factor in (0.1, 1.0, 10.0)}
    assert ways == verdicts | {("train", 1.0), ("masked", 1.0)}
    assert {way for way in plain if way[1] == "latent"} == {
        (sample, "latent", None, None) for sample in ("heldout", "own", "train", "masked")
    }


def classes_of(inverted, method):
    """By class: the photos that hold twelve pixels of it, and in how many of them at least half of those come back."""
    held = {}
    for image, row in inverted.records["heldout", method, 1.0 if method == "layerwise" else None, None].items():
        before = brightness(inverted.seen("heldout", image))
        after = brightness(inverted.made(row))
        for number in (1, 2, 3):
            if (before == number).sum() >= 12:
                held.setdefault(number, {})[image] = (after[before == number] == number).mean()
    return held


@pytest.mark.parametrize("method", ["layerwise", "latent"])
def test_a_search_is_weighted_for_the_classes_that_few_of_enough_photos_recover(inverted, method):
    wanted, held = {}, classes_of(inverted, method)
    for number, recalls in held.items():
        low, _ = proportion_confint(sum(recall >= 0.5 for recall in recalls.values()), len(recalls), method="wilson")
        if len(recalls) >= 20 and low <= 0.05:
            wanted[number] = sorted(recalls)
    result = {way[2:]: sorted(rows) for way, rows in inverted.records.items() if way[1] == method and way[3] is not None}
    factors = (0.1, 1.0, 10.0) if method == "layerwise" else (None,)  # a verdict at a penalty needs one at that penalty
    assert result == {(factor, number): images for factor in factors for number, images in wanted.items()}
    assert method != "layerwise" or set(wanted) == {1}  # the middle comes back, bright photos are too few
    assert 0 < len(held[3]) < 20 <= len(held[2]) and wanted


@pytest.mark.parametrize("factor", [1.0, 0.1, 10.0])
def test_the_mask_weighted_search_counts_the_class_ten_times(inverted, factor):
    for row in some(inverted.records["heldout", "layerwise", factor, 1]):
        weights = ten_times(inverted, row["image"], 1)
        target = inverted.target("heldout", row["image"])
        losses, best = inverted.search(latent(row), target, inverted.penalty, weights)
        if factor != 1.0:  # goes on from the mask-weighted search at the penalty itself
            losses, best = inverted.search(
                latent(row), target, factor * inverted.penalty, weights, begin=best, steps=2, rate=0.1
            )
        agrees(row, losses)
        plain = inverted.records["heldout", "layerwise", factor, None][row["image"]]
        assert row["loss_first"] != pytest.approx(plain["loss_first"], rel=0.01) and row["picture"] is None


@pytest.mark.parametrize("weighted", [None, 1])
def test_a_latent_is_searched_from_random_starts_of_which_the_best_is_kept(inverted, weighted):
    """Two starts; where it is mask-weighted, three more from twice as far out, and the class counts ten times."""
    for row in some(inverted.records["heldout", "latent", None, weighted], 3):
        starts = [normals(1, f"inversion start {number}", [row["image"]], 8) for number in range(2)]
        if weighted is not None:
            starts += [2.0 * normals(1, f"inversion wide start {number}", [row["image"]], 8) for number in range(3)]
        weights = torch.ones(16, 16) if weighted is None else ten_times(inverted, row["image"], weighted)
        best = [min(latent_search(inverted, torch.from_numpy(z), row["image"], weights)) for z in starts]
        assert row["loss_best"] == pytest.approx(min(best), rel=1e-4) and row["start"] == "random"
        assert best[row["restart"]] == pytest.approx(min(best), rel=1e-4)
        assert row["spread"] == pytest.approx((max(best) - min(best)) / min(best), abs=1e-3)


def test_a_search_at_another_penalty_has_a_third_of_the_steps_in_one_fall():
    how = default_search(600)
    assert again(how, 1.0) is how and len(how.falls) == 3
    assert again(how, 10.0) == replace(how, steps=200, falls=(1.0,), further=())


def latent_search(inverted, z, image, weights):
    """The losses of six steps on z, along its directions."""
    moved = (z @ inverted.directions["z"]).requires_grad_(True)
    optimiser, schedule = falling([moved], 0.2, 6)
    losses = []
    for _ in range(7):
        error = (inverted.image(moved @ inverted.directions["z"].T, {}) - inverted.target("heldout", image)).square()
        loss = (error * weights).sum() / (3 * weights.sum())
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return losses


def ten_times(inverted, image, number):
    """How much each pixel counts, (16, 16), in the mask-weighted search for a class."""
    inside = torch.from_numpy(brightness(inverted.seen("heldout", image)) == number).float()
    return 1.0 + 9.0 * inside.repeat_interleave(2, 0).repeat_interleave(2, 1)


def test_a_batch_that_does_not_fit_is_halved_and_told(inverted, copied, monkeypatch, caplog):
    real, sizes = searching.search, []

    def crowded(span, objective, targets, how):
        sizes.append(len(targets))
        if len(targets) > 5:
            raise torch.OutOfMemoryError("no room")
        return real(span, objective, targets, how)

    monkeypatch.setattr(searching, "search", crowded)
    monkeypatch.setattr(stages, "_weighted", lambda *_: [])
    (copied.store.path / "records/v1/inversions").rename(copied.store.path / "gone")
    done = copied.again(methods=("latent",))
    assert done.images == sum(len(rows) for way, rows in inverted.records.items() if way[1:] == ("latent", None, None))
    said = "the search ran out of memory at a batch of 16; it went on with 4"
    assert f"'tiny': {said}" in caplog.messages
    key = copied.records["own", "latent", None, None][min(copied.records["own", "latent", None, None])]["key"]
    footer = pq.read_metadata(copied.store.shard("inversions", key, 0, 15)).metadata
    assert footer[b"ganaudit.note"].decode() == said
    assert max(sizes) == 16
    whole = inverted.records["own", "latent", None, None]
    for row in some(copied.records["own", "latent", None, None]):
        assert row["loss_best"] == pytest.approx(whole[row["image"]]["loss_best"], rel=1e-4)


def shards(store, key, first, last):
    """Each table of one batch, without the time that it took."""
    result = {}
    for name in TABLES:
        table = store.read(RECORDS[name], store.shard(name, key, first, last))
        result[name] = table.drop_columns([column for column in ("seconds",) if column in table.column_names])
    return result


@pytest.mark.parametrize(("factor", "writes"), [(0.1, 1), (10.0, 2), (1.0, 4)])
def test_what_was_killed_between_two_tables_is_made_again_whole(copied, monkeypatch, factor, writes):
    store = copied.store
    key = next(iter(copied.records["heldout", "layerwise", factor, None].values()))["key"]
    before = shards(store, key, 0, 15)
    for name in TABLES:
        store.shard(name, key, 0, 15).unlink()
    real, written = Store._write, []

    def killed(self, table, rows, path, footer):
        if len(written) == writes:
            raise KeyboardInterrupt
        written.append(table.name)
        real(self, table, rows, path, footer)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "_write", killed)
        with pytest.raises(KeyboardInterrupt):
            copied.again()
    assert len(written) == writes
    assert copied.again().images == 16  # that batch alone
    assert all(table.equals(before[name]) for name, table in shards(store, key, 0, 15).items())


def test_killed_after_any_number_of_shards_the_same_rows_stand_in_the_end(inverted, copied):
    """Everything that inversion wrote goes; shard by shard it is made again, killed after each number of shards."""
    for name in (*TABLES, "inversion_targets", "inversion_calibrations"):
        shutil.rmtree(copied.store.path / "records/v1" / name)
    rounds = 0
    while True:
        rounds += 1
        done = copied.again(limit=9)
        if done.done.total() < 9:
            break
    assert rounds > 3
    for name in (*TABLES, "inversion_targets", "inversion_calibrations"):
        before, after = (_rows(store, name) for store in (inverted.store, copied.store))
        assert before and before == after, name


def _rows(store, name):
    """Every row of a table but the time that it took, by file."""
    result = {}
    for path in sorted(store.folder(name).rglob("shard-*.parquet")):
        table = store.read(RECORDS[name], path)
        result[str(path.relative_to(store.path))] = [
            {column: value for column, value in row.items() if column != "seconds"} for row in table.to_pylist()
        ]
    return result


def test_an_inverter_that_is_not_the_planned_one_is_told(copied):
    for method in copied.again().done:
        raise AssertionError(method)  # everything stands
    planned = replace(plan(copied.spec.model_copy(update={"invert": copied.spec.invert.model_copy(update={"steps": 5})})),
                      run=copied.audit.run)  # fmt: skip
    going = STUDY.stages(planned, copied.store)
    shard = next(shard for stage in going for shard in stage.shards if isinstance(shard, PenaltyShard))
    other = PenaltyShard(**{**vars(shard), "inverters": (("layered", "0" * 64),)})
    with pytest.raises(AuditError, match="inverter of kind layered for 'tiny'"):
        work(other)
