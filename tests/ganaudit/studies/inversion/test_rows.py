"""The records of inverted images, each number against the image that latent and residuals give again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from searched_by_hand import brightness, latent, residuals, unit

from ganaudit import images
from ganaudit.random import uniforms

WAYS = [
    ("heldout", "layerwise", 1.0, None), ("heldout", "layerwise", 10.0, None), ("own", "layerwise", 0.1, None),
    ("heldout", "layerwise", 1.0, 1), ("train", "latent", None, None), ("own", "latent", None, None),
]  # fmt: skip


def remade(inverted, row):
    """(16, 16, 3) in [-1, 1]."""
    return inverted.image(latent(row), residuals(row))[0].permute(1, 2, 0).numpy()


def similarity(a, b):
    """Wang et al. (2004), window by window: 11 pixels wide, Gaussian of 1.5, on images in [-1, 1]."""
    row = np.exp(-np.square(np.arange(11) - 5) / (2 * 1.5**2))
    w = (row[:, None] * row / row.sum() ** 2)[..., None]
    result = []
    for top in range(len(a) - 10):
        for left in range(a.shape[1] - 10):
            x, y = a[top : top + 11, left : left + 11], b[top : top + 11, left : left + 11]
            mx, my = (w * x).sum((0, 1)), (w * y).sum((0, 1))
            vx, vy = (w * np.square(x - mx)).sum((0, 1)), (w * np.square(y - my)).sum((0, 1))
            both = (w * (x - mx) * (y - my)).sum((0, 1))
            result.append((2 * mx * my + 4e-4) * (2 * both + 3.6e-3) / ((mx**2 + my**2 + 4e-4) * (vx + vy + 3.6e-3)))
    return np.mean(result)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_latent_and_residuals_make_the_reconstruction_again(inverted, way):
    rows = inverted.records[way]
    for image, row in rows.items():
        made, target = remade(inverted, row), inverted.target(way[0], image)[0].permute(1, 2, 0).numpy()
        error = np.square(made - target).mean()
        assert row["mse"] == pytest.approx(error, rel=1e-4) and row["psnr"] == pytest.approx(10 * np.log10(4 / error), abs=1e-3)
        if way[1] == "layerwise":
            kept = np.array(row["residuals"])
            parts = np.square(kept[:64]).mean() + np.square(kept[64:]).mean()
            assert row["layers"] == ["layer1", "layer2"] and row["residual"] == pytest.approx(np.sqrt(np.square(kept).mean()))
            if way[3] is None:
                assert row["loss_best"] == pytest.approx(error + way[2] * inverted.penalty * parts, rel=1e-4)
        else:
            assert (row["layers"], row["residuals"], row["residual"]) == (None, None, None)
            assert row["loss_best"] == pytest.approx(error, rel=1e-4)
    last = rows[max(rows)]
    made, target = remade(inverted, last), inverted.target(way[0], max(rows))[0].permute(1, 2, 0).numpy()
    assert last["ssim"] == pytest.approx(similarity(made, target), abs=1e-4)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_confusion_is_counted_pixel_by_pixel(inverted, way):
    told = inverted.rows(f"""
        SELECT image, target_class, reconstruction_class, pixels FROM inversion_confusion
        WHERE key = '{next(iter(inverted.records[way].values()))["key"]}'""")  # fmt: skip
    result = {(row["image"], row["target_class"], row["reconstruction_class"]): row["pixels"] for row in told}
    by_hand = {}
    for image, row in inverted.records[way].items():
        before, after = brightness(inverted.seen(way[0], image)), brightness(inverted.made(row))
        for pair in zip(before.ravel().tolist(), after.ravel().tolist(), strict=True):
            by_hand[image, *pair] = by_hand.get((image, *pair), 0) + 1
    assert result == by_hand


def test_a_masked_sample_is_searched_with_its_patch_and_told_outside_it(inverted):
    """The patch stands for what a generator cannot make: the loss sees it like any pixel, and what is told is the rest."""
    rows = inverted.records["masked", "layerwise", 1.0, None]
    own = inverted.records["own", "layerwise", 1.0, None]
    assert sorted(rows) == sorted(own)[:4]
    for image, row in rows.items():
        top, left = uniforms(1, "masked patch", [image], 2)[0] * 0.75

        pixel = np.arange(8)
        rows_of, columns = [(pixel + 1 > 8 * start) & (pixel < 8 * (start + 0.25)) for start in (top, left)]
        touched = rows_of[:, None] & columns

        def shown(grey, image=image, touched=touched):
            patched = np.where(touched[..., None], np.uint8(grey), inverted.seen("masked", image))
            return images.resize(patched, (16, 16))

        target = unit(shown(127))
        losses, best = inverted.search(latent(row), target, inverted.penalty)
        assert row["loss_best"] == pytest.approx(min(losses), rel=1e-4)
        made = inverted.image(latent(row), residuals(row))
        assert torch.allclose(made, inverted.image(latent(row), best), atol=5e-3)  # of two steps with the same loss, either
        outside = (shown(0) == shown(255)).all(axis=2)
        error = (made - target)[0].permute(1, 2, 0).numpy()[outside]
        assert row["mse"] == pytest.approx(np.square(error).mean(), rel=1e-4) and row["ssim"] is None
        assert row["psnr"] == pytest.approx(10 * np.log10(4 / np.square(error).mean()), abs=1e-3)
        void = inverted.rows(f"""
            SELECT sum(pixels)::int AS pixels FROM inversion_confusion WHERE key = '{row["key"]}' AND image = {image}
            AND target_class = 0""")  # fmt: skip
        assert void == [{"pixels": int(touched.sum())}]


def test_curves_hold_the_first_and_the_last_loss_with_its_parts(inverted):
    curves = {}
    for row in inverted.rows("SELECT * FROM inversion_curves ORDER BY key, image, step"):
        curves.setdefault((row["key"], row["image"]), []).append(row)
    for (sample, method, factor, weighted), rows in inverted.records.items():
        steps = [0, 6] if factor in (None, 1.0) else [0, 2]
        for image, row in rows.items():
            curve = curves.pop((row["key"], image))
            assert [result["step"] for result in curve] == steps
            assert curve[0]["loss"] == pytest.approx(row["loss_first"], rel=1e-6)
            assert min(result["loss"] for result in curve) >= row["loss_best"] * (1 - 1e-5)
            for result in curve:
                residual = 0.0 if method == "latent" else row["penalty"] * result["residual_term"]
                assert (
                    result["loss"] == pytest.approx(result["pixel"] + residual, rel=1e-5) and result["perceptual_term"] is None
                )
            if row["best_step"] in steps:
                (best,) = [result for result in curve if result["step"] == row["best_step"]]
                assert best["loss"] == pytest.approx(row["loss_best"], rel=1e-4)
                if weighted is None and sample != "masked":
                    assert best["pixel"] == pytest.approx(row["mse"], rel=1e-4)
    assert not curves
