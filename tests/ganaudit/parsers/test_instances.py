"""Instances: painted as a plain loop over pixels paints them, counted one by one, and read as torchvision itself reads them."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torchvision.models import get_model

from ganaudit.parsers.instances import painted
from ganaudit.parsers.outputs import wrong_labels
from ganaudit.parsers.protocol import ClassInfo, Labels
from ganaudit.tally import tally

from .scene_networks import opened

RANDOM = np.random.default_rng(0)


def by_hand(masks, values, scores):
    """Of the instances at each pixel, the surest, of equals the first."""
    made = np.zeros((3, *masks.shape[1:]))
    order = sorted(range(len(values)), key=lambda k: (-scores[k], k))
    for row, column in np.ndindex(*masks.shape[1:]):
        here = next(((values[k], scores[k], place) for place, k in enumerate(order, 1) if masks[k, row, column]), (-1, 0, 0))
        made[:, row, column] = here
    return made


def test_where_two_instances_lie_the_surer_is_on_top():
    masks, scores = RANDOM.random((6, 5, 7)) < 0.4, np.array([0.5, 0.9, 0.5, 0.75, 0.25, 0.9])
    values = np.array([1, 2, 3, 1, 2, 4])
    made = painted(torch.from_numpy(masks), torch.from_numpy(values), torch.from_numpy(scores))
    assert np.allclose(torch.stack([each.double() for each in made]).numpy(), by_hand(masks, values, scores))
    nothing = painted(torch.zeros(0, 5, 7), torch.zeros(0), torch.zeros(0))
    assert (nothing[0] == -1).all() and (nothing[1] == 0).all() and (nothing[2] == 0).all()


def test_things_that_touch_are_two_and_one_in_two_pieces_is_one():
    maps, things = torch.zeros(2, 8, 12, dtype=torch.long), torch.zeros(2, 8, 12, dtype=torch.long)
    maps[0, :, :6], things[0, :, :3], things[0, :, 3:6] = 1, 1, 2  # two that touch
    maps[0, 0, 8:10], things[0, 0, 8:10] = 1, 3  # a crumb
    maps[1, :, 0:2], maps[1, :, 4:6] = 1, 1
    things[1, :, 0:2], things[1, :, 4:6] = 1, 1  # one behind another
    maps[1, :, 8:9] = 2  # no thing: a region
    found = tally(maps, None, 3, things)
    rows = {(i, c): (p, n) for i, c, p, n in zip(found.image, found.class_id, found.parts, found.largest, strict=True)}
    assert rows[0, 1] == (2, 24) and rows[1, 1] == (1, 32) and rows[1, 2] == (1, 8)
    plain = tally(maps, None, 3)
    assert plain.parts[plain.class_id == 1].tolist() == [1, 2]
    heads = tally(torch.stack([torch.full_like(maps, 2), maps], 1), None, 3, torch.stack([things * 0, things], 1))
    assert heads.parts[heads.class_id == 1].tolist() == [2, 1]
    assert tally(maps, None, 3, torch.zeros_like(things)).parts.tolist() == plain.parts.tolist()


def test_instances_of_another_shape_are_told():
    maps = torch.zeros(2, 4, 4, dtype=torch.long)
    for instances in (torch.zeros(2, 4, 5, dtype=torch.long), torch.zeros(2, 4, 4), maps - 1):
        wrong = wrong_labels(Labels(maps, torch.ones(2, 4, 4), instances), 2, (ClassInfo(1, "a"),))
        assert wrong is not None and "the parser's instances are whole numbers (2, 4, 4)" in wrong.sentence
    assert wrong_labels(Labels(maps, torch.ones(2, 4, 4), maps), 2, (ClassInfo(1, "a"),)) is None


def test_mask_rcnn_reads_as_torchvision_itself(tmp_path):
    torch.manual_seed(3)
    more = {"min_size": 64, "box_detections_per_img": 6, "box_score_thresh": 0.3}
    network = get_model("maskrcnn_resnet50_fpn", weights=None, weights_backbone=None, num_classes=3, **more).eval()
    tensors = {name: value for name, value in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.0  # as torchvision has it for its first weights, whose norms were frozen
    torch.save(tensors, tmp_path / "maskrcnn_resnet50_fpn_coco-x.pth")
    asked = {"weights": str(tmp_path / "maskrcnn_resnet50_fpn_coco-x.pth"), "classes": ["background", "cat", "dog"], "size": 64}
    parser = opened("torchvision_instances", short_side=64, most=6, score=0.3, **asked).model
    images = torch.rand(2, 3, 48, 80) * 2 - 1
    labels = parser.parse(images)
    with torch.no_grad():
        found = network([image / 2 + 0.5 for image in images])
    assert sum(len(each["scores"]) for each in found) > 2
    for place, each in enumerate(found):
        expected = by_hand((each["masks"][:, 0] >= 0.5).numpy(), each["labels"].numpy(), each["scores"].numpy())
        assert np.array_equal(labels.maps[place].numpy(), np.maximum(expected[0], 0))
        assert np.allclose(labels.confidence[place].numpy(), expected[1], atol=1e-5)
    assert [info.name for info in parser.classes] == ["cat", "dog"] and labels.maps.max() > 0
