"""From images in [-1, 1] to a network's input: range, order, means, sizes, filters."""

from __future__ import annotations

import pytest
import torch

from ganaudit.parsers.preprocessing import Preprocessing

IMAGE = torch.tensor([-1.0, 0.0, 1.0]).view(1, 3, 1, 1).expand(1, 3, 4, 6)


def test_range_order_and_means_are_of_the_networks_training():
    (rgb,) = Preprocessing()(IMAGE)
    assert rgb[0, :, 0, 0].tolist() == pytest.approx([-0.485 / 0.229, (0.5 - 0.456) / 0.224, (1 - 0.406) / 0.225])
    (bgr,) = Preprocessing((102.9801, 115.9465, 122.7717), (1.0, 1.0, 1.0), 255.0, "bgr")(IMAGE)
    assert bgr[0, :, 0, 0].tolist() == pytest.approx([255 - 102.9801, 127.5 - 115.9465, -122.7717])


def test_each_size_is_given_and_filters_differ():
    ramp = torch.linspace(-1, 1, 8).expand(1, 3, 8, 8)
    plain = Preprocessing((0.0,) * 3, (1.0,) * 3)
    for size in ((8, 8), (4, 2), (16, 12)):
        for how in ("area", "bilinear", "bicubic"):
            seen = list(Preprocessing(plain.mean, plain.std, sizes=((8, 8), size), filter=how)(ramp))
            assert [tuple(x.shape[2:]) for x in seen] == [(8, 8), size]
    (area,) = Preprocessing(plain.mean, plain.std, sizes=((4, 2),), filter="area")(ramp)
    assert area[0, 0, 0].tolist() == pytest.approx([1.5 / 7, 5.5 / 7])
    (stripes,) = Preprocessing(plain.mean, plain.std, sizes=((2, 2),))(torch.tensor([-1.0, 1.0]).repeat(4).expand(1, 3, 8, 8))
    assert stripes.mean().item() == pytest.approx(0.5, abs=0.1)  # antialiased: no stripe is passed over
