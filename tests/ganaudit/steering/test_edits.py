"""Edits against formulas written differently: whole-pixel loops, scipy's interpolation, rotations by hand, golden colours."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import map_coordinates

from ganaudit.errors import RequestError
from ganaudit.steering.edits import EDITS, edit_named, edited
from ganaudit.steering.lab import from_lab, to_lab

SIDE = 64
WARPS = ("zoom", "shift-x", "shift-y", "rotate", "turn")
STRONG = {"zoom": 1.7, "shift-x": -11.0, "shift-y": 5.5, "rotate": 33.0, "turn": -28.0}


@pytest.fixture
def images():
    return torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2.0 - 1.0


def apply(name, images, *alphas, reference_rims=False):
    return edit_named(name, reference_rims).apply(images[: len(alphas)], torch.tensor(alphas))


def looked_up(image, places):
    """scipy's linear interpolation of (3, H, W) at places (2, H, W), rows first, zeros outside."""
    return np.stack(
        [map_coordinates(channel, places, order=1, mode="grid-constant", cval=0.0) for channel in image.double().numpy()]
    )


def test_a_shift_rolls_the_pixels_and_leaves_zeros_behind(images):
    target, mask = apply("shift-x", images, 7.0, -7.0)
    assert torch.equal(target[0, :, :, 7:], images[0, :, :, :-7]) and not target[0, :, :, :7].any()
    assert torch.equal(target[1, :, :, :-7], images[1, :, :, 7:]) and not target[1, :, :, -7:].any()
    assert mask.mean(dim=(1, 2, 3)).tolist() == [57 / 64] * 2
    down, _ = apply("shift-y", images, 3.0)
    assert torch.equal(down[0, :, 3:], images[0, :, :-3])


@pytest.mark.parametrize("name", ["shift-x", "shift-y", "zoom", "rotate", "turn"])
def test_an_edit_is_undone_where_both_masks_know_the_pixels(name):
    rows, columns = torch.meshgrid(torch.arange(SIDE) / SIDE, torch.arange(SIDE) / SIDE, indexing="ij")
    smooth = torch.stack([torch.sin(3.0 * rows), torch.cos(3.0 * columns), rows * columns])[None]
    edit, alpha = EDITS[name], torch.tensor([7.0 if name.startswith("shift") else STRONG[name]])
    back, seen = edit.undo(edit.apply(smooth, alpha)[0], alpha)
    around = edit.undo(edit.apply(torch.ones_like(smooth), alpha)[0], alpha)[0][:, :1] >= 0.999
    known = (seen.bool() & around).expand_as(smooth)
    assert (back - smooth)[known].abs().max() < (1e-6 if name.startswith("shift") else 4e-3)
    assert known.float().mean() > 0.3


def test_zoom_at_the_identity_in_and_out(images):
    target, mask = apply("zoom", images, 1.0, 0.5, 2.0)
    assert torch.equal(target[0], images[0]) and mask[:2].all()
    inner = torch.zeros(SIDE, SIDE)
    inner[16:48, 16:48] = 1.0
    assert torch.equal(mask[2, 0], inner)


def test_zoom_is_a_resize_with_half_pixel_centres(images):
    board = (torch.arange(SIDE)[:, None] + torch.arange(SIDE)).remainder(2).float().expand(1, 3, -1, -1) * 2.0 - 1.0
    for picture in (board, images[:1]):
        cut = F.interpolate(picture[..., 16:48, 16:48], (SIDE, SIDE), mode="bilinear", align_corners=False)
        assert torch.allclose(apply("zoom", picture, 0.5)[0][..., 1:-1, 1:-1], cut[..., 1:-1, 1:-1], atol=1e-4)
        assert torch.allclose(apply("zoom", picture, 0.5, reference_rims=True)[0], cut, atol=1e-4)
        small = F.interpolate(F.pad(picture, [32] * 4), (SIDE, SIDE), mode="bilinear", align_corners=False)
        assert torch.allclose(apply("zoom", picture, 2.0, reference_rims=True)[0], small, atol=1e-4)
    odd, mask = apply("zoom", images, 1.2, reference_rims=True)  # a canvas of 76 pixels
    small = F.interpolate(F.pad(images[:1], [6] * 4), (SIDE, SIDE), mode="bilinear", align_corners=False)
    assert torch.allclose(odd, small, atol=1e-4)
    assert abs(float(mask.sum()) - (SIDE**2 / 76) ** 2) < 2 * SIDE  # rim of one pixel
    assert torch.equal(
        mask[0, 0], (F.interpolate(F.pad(torch.ones(1, 1, 64, 64), [6] * 4), (64, 64), mode="bilinear") > 0)[0, 0].float()
    )


def test_a_quarter_turn_is_rot90(images):
    target, mask = apply("rotate", images, 90.0, -90.0)
    assert torch.allclose(target[0], torch.rot90(images[0], 1, (1, 2)), atol=1e-4) and mask.all()
    assert torch.allclose(target[1], torch.rot90(images[1], -1, (1, 2)), atol=1e-4)
    about_32, _ = apply("rotate", images, 90.0, reference_rims=True)
    assert torch.allclose(about_32[0, :, 1:], torch.rot90(images[0], 1, (1, 2))[:, :-1], atol=1e-4)


def test_the_turns_matrix_is_the_published_one():
    result_to_source = edit_named("turn", reference_rims=True).homographies(torch.tensor([30.0]), (256, 256))[0].double()
    to_corner = torch.tensor([[1.0, 0.0, 127.5], [0.0, 1.0, 127.5], [0.0, 0.0, 1.0]], dtype=torch.float64)
    matrix = to_corner @ torch.linalg.inv(result_to_source) @ torch.linalg.inv(to_corner)
    wanted = torch.tensor([[1.26306, 0.0, -6.87061], [0.21412, 1.21122, -27.03587], [0.00167, 0.0, 1.0]]).double()
    assert torch.allclose(matrix / matrix[2, 2], wanted, atol=1e-4)
    corner = matrix @ torch.tensor([255.0, 0.0, 1.0], dtype=torch.float64)
    assert (corner[:2] / corner[2]).tolist() == pytest.approx([220.96, 19.32], abs=0.01)


@pytest.mark.parametrize("name", WARPS)
def test_warps_are_scipys_linear_interpolation(name, images):
    alpha, middle = STRONG[name], (SIDE - 1) / 2.0
    y, x = np.mgrid[0:SIDE, 0:SIDE] - middle
    turn = math.radians(alpha)
    far = SIDE * math.sqrt(2.0)
    if name == "turn":
        u = far * x / (far * math.cos(turn) - x * math.sin(turn))
        source = y * (far + u * math.sin(turn)) / far, u
    else:
        source = {
            "zoom": (y * alpha, x * alpha), "shift-x": (y, x - alpha), "shift-y": (y - alpha, x),
            "rotate": (y * math.cos(turn) + x * math.sin(turn), x * math.cos(turn) - y * math.sin(turn)),
        }[name]  # fmt: skip
    target, mask = apply(name, images, alpha)
    assert np.abs(target[0].numpy() - looked_up(images[0], np.stack(source) + middle)).max() < 1e-4
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert np.array_equal(mask[0, 0].numpy(), np.maximum(*np.abs(source)) <= middle + 1e-3)
    rims = apply(name, images, alpha, reference_rims=True)[1]
    assert set(rims.unique().tolist()) == {0.0, 1.0} and rims.mean() >= mask.mean()


def test_colours_are_added_channel_by_channel(images):
    alpha = torch.tensor([0.3, 0.0, -0.7])
    for name, channels in (("luminance", [1, 1, 1]), ("red", [1, 0, 0]), ("green", [0, 1, 0]), ("blue", [0, 0, 1])):
        target, mask = EDITS[name].apply(images, alpha)
        assert torch.equal(target, images + alpha.view(3, 1, 1, 1) * torch.tensor(channels).view(1, 3, 1, 1)) and mask.all()
        assert torch.equal(target[1], images[1])
        assert torch.allclose(EDITS[name].undo(target, alpha)[0], images, atol=1e-6)


GOLDEN = {
    (255, 0, 0): (53.24059, 80.09231, 67.20275),
    (0, 128, 255): (54.71454, 18.77346, -70.91376),
    (12, 200, 90): (70.95516, -64.82006, 43.06523),
}
"""sRGB of 8 bits in L*a*b*, as scikit-image gives them."""


def test_lab_is_what_other_libraries_say_and_comes_back(images):
    for colour, wanted in GOLDEN.items():
        image = (torch.tensor(colour).float() / 127.5 - 1.0).view(1, 3, 1, 1)
        assert to_lab(image).flatten().tolist() == pytest.approx(wanted, abs=2e-2)
    assert torch.allclose(from_lab(to_lab(images)), images, atol=1e-4)
    alpha = torch.tensor([0.0, 0.1, -0.1])
    for place, (name, step) in enumerate((("lab-l", 50.0), ("lab-a", 128.0), ("lab-b", 128.0))):
        target, mask = EDITS[name].apply(0.2 * images, alpha)
        moved = to_lab(target) - to_lab(0.2 * images)
        assert moved[:, place].flatten(1).median(dim=1).values.tolist() == pytest.approx((alpha * step).tolist(), abs=0.3)
        assert torch.equal(target[0], 0.2 * images[0]) and mask.all()


def test_the_sliders_are_the_published_ones():
    alpha, size = torch.tensor([0.25, 1.0, 3.0], dtype=torch.float64), (64, 128)
    wanted = {
        "zoom": alpha.log(),
        "shift-x": alpha / 64,
        "shift-y": alpha / 32,
        "rotate": alpha / 45,
        "turn": alpha / 45,
        "red": alpha,
    }
    for name, sliders in wanted.items():
        assert torch.allclose(EDITS[name].slider(alpha, size), sliders, atol=1e-9, rtol=0)
        assert torch.allclose(EDITS[name].alpha(sliders, size), alpha, atol=1e-9, rtol=0)
    assert EDITS["zoom"].ends(size) == pytest.approx((0.25, 4.0)) and EDITS["shift-x"].ends(size) == (-64.0, 64.0)


def test_a_grid_has_the_identity_in_its_middle():
    for name, edit in EDITS.items():
        grid = edit.grid(5, (SIDE, SIDE)).tolist()
        assert grid[2] == edit.identity and grid == sorted(grid), name
        edit.check(grid, (SIDE, SIDE), whole_grid=True)
    with pytest.raises(RequestError, match="odd number"):
        EDITS["zoom"].grid(4, (SIDE, SIDE))


@pytest.mark.parametrize(
    "name, alphas, words",
    [
        ("shift-x", [0.0, 33.0], ["shift-x by 33 pixels", "64×64", "-32 to 32"]),
        ("zoom", [1.0, 17.0], ["0.0625 to 16"]),
        ("turn", [0.0, 90.0], ["90 degrees", "-85 to 85"]),
        ("zoom", [0.5, 2.0], ["no 1,", "changes nothing"]),
        ("red", [math.nan, 0.0], ["nan"]),
    ],
)
def test_what_images_cannot_hold_is_one_sentence(name, alphas, words):
    with pytest.raises(RequestError) as error:
        EDITS[name].check(alphas, (SIDE, SIDE), whole_grid=True)
    assert all(word in str(error.value) for word in words)


def test_small_images_are_zoomed_as_far_as_they_hold_it():
    zoom = EDITS["zoom"]
    assert zoom.ends((16, 16)) == pytest.approx((0.25, 4.0)) and zoom.ends((8, 32)) == pytest.approx((0.5, 2.0))
    assert zoom.grid(3, (12, 12)).tolist() == pytest.approx([1 / 3, 1.0, 3.0])
    with pytest.raises(RequestError, match="4×4 pixels are too small for zoom: it leaves 4 pixels of a side"):
        zoom.grid(3, (4, 4))


def test_an_unknown_edit_names_the_nearest():
    with pytest.raises(RequestError, match="did you mean rotate"):
        edit_named("rotat")
    with pytest.raises(RequestError, match="there are zoom, shift-x"):
        edit_named("sharpen")


def test_several_edits_follow_each_other_and_the_mask_is_of_what_all_see(images):
    edits = [EDITS["shift-x"], EDITS["zoom"], EDITS["red"]]
    alphas = torch.tensor([[16.0, 2.0, 0.25], [0.0, 1.0, 0.0]])
    target, mask = edited(edits, images[:2], alphas)
    assert torch.equal(target[1], images[1]) and mask[1].all()
    shifted, _ = apply("shift-x", images, 16.0)
    small, _ = apply("zoom", shifted, 2.0)
    assert torch.allclose(target[0], small[0] + torch.tensor([0.25, 0.0, 0.0]).view(3, 1, 1), atol=1e-6)
    seen = torch.zeros(SIDE, SIDE)
    seen[16:48, 24:48] = 1.0
    assert torch.equal(mask[0, 0], seen)


def test_a_published_zoom_into_images_that_are_not_square_is_a_cut_made_larger():
    wide = torch.rand(1, 3, 16, 32, generator=torch.Generator().manual_seed(1))
    target, _ = apply("zoom", wide, 0.5, reference_rims=True)
    cut = F.interpolate(wide[:, :, 4:12, 8:24], size=(16, 32), mode="bilinear", align_corners=False)
    assert torch.allclose(target, cut, atol=1e-5)
