"""Unified Perceptual Parsing: the network as plain formulas, its maps, its names, and what of a folder is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import yaml

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.kinds import find
from ganaudit.parsers.networks.prroi import prroi_pool
from ganaudit.parsers.opening import open_parser
from ganaudit.parsers.outputs import wrong_labels
from ganaudit.parsers.unified_parsing import read_labels
from ganaudit.tally import tally

from .scene_networks import LABELS, computed, encoded, levels, opened, up

torch.manual_seed(0)
IMAGES = F.interpolate(torch.rand(3, 3, 12, 12) * 2 - 1, size=(96, 64), mode="bicubic").clamp(-1, 1)


def head_logits(encoder, t, images):
    """Logits of each head at a quarter of the images' size."""
    x = (images + 1) / 2 * 255
    blue_first = torch.stack([x[:, 2] - 102.9801, x[:, 1] - 115.9465, x[:, 0] - 122.7717], dim=1)
    pyramid = levels(t, encoded(encoder, blue_first), prroi_pool)
    fusion = torch.cat([pyramid[0], *(up(level, pyramid[0]) for level in pyramid[1:])], 1)
    fusion = computed(t, fusion, "conv_fusion.0", "conv_fusion.1")
    logits = {}
    for head in ("object", "material", "part"):
        y = computed(t, pyramid[0] if head == "material" else fusion, f"{head}_head.0.0", f"{head}_head.0.1")
        logits[head] = F.conv2d(y, t[f"{head}_head.1.weight"], t[f"{head}_head.1.bias"])
    return logits


def test_maps_and_confidences_are_those_of_the_plain_formulas(upp_folder, upp_tensors):
    labels = opened("upp", weights=str(upp_folder), size=[96, 64]).model.parse(IMAGES)
    logits = {head: up(value, IMAGES) for head, value in head_logits(*upp_tensors, IMAGES).items()}
    objects, materials, parts = labels.maps.unbind(1)
    sure, chosen = logits["object"].softmax(1).max(1)
    assert (objects == chosen).float().mean() > 0.999 and len(objects.unique()) > 2
    assert labels.confidence[:, 0] == pytest.approx(sure, abs=1e-4)
    chosen = logits["material"].argmax(1)
    assert (materials == torch.tensor([0, 6, 7])[chosen]).float().mean() > 0.999 and len(materials.unique()) > 1
    ids = {3: torch.tensor([0, 8, 0]), 5: torch.tensor([0, 9, 10, 11])}  # a house's door is counted as an object alone
    of_owners = torch.zeros_like(objects)
    for owner, channels in ((3, slice(0, 3)), (5, slice(3, 7))):
        of_owners = torch.where(objects == owner, ids[owner][logits["part"][:, channels].argmax(1)], of_owners)
    assert (parts == of_owners).float().mean() > 0.999 and len(parts.unique()) > 2


def test_classes_are_objects_materials_and_parts_that_are_no_objects(upp_folder):
    classes = opened("upp", weights=str(upp_folder)).model.classes
    assert [(c.id, c.name, c.head) for c in classes] == [
        (1, "sky", "object"), (2, "door", "object"), (3, "house", "object"), (4, "tree", "object"), (5, "person", "object"),
        (6, "wood", "material"), (7, "glass", "material"),
        (8, "roof", "part"), (9, "head", "part"), (10, "arm", "part"), (11, "leg", "part"),
    ]  # fmt: skip


def test_the_published_numbers_of_names_are_472_labels_and_void(tmp_path):
    named = {"object": 335, "material": 25, "part": 112}
    objects, materials, parts = (["-", *(f"{what} {n}" for n in range(1, count + 1))] for what, count in named.items())
    owned = {name: ["-", parts[1 + n], parts[1 + (n + 40) % 112], "object 300"] for n, name in enumerate(objects[1:78])}
    (tmp_path / "labels.json").write_text(json.dumps({"object": objects, "material": materials, "object_part": owned}))
    said, _ = read_labels(tmp_path / "labels.json")
    ids = [info.id for info in said.classes(("object", "material", "part"))]
    heads = [info.head for info in said.classes(("object", "material", "part"))]
    assert ids == list(range(1, 473)) and [heads.count(head) for head in named] == [335, 25, 112]
    assert all(channels[-1] == 0 for _, channels in said.owners) and [place for place, _ in said.owners] == list(range(1, 78))


def test_heads_alone_give_what_they_give_together(upp_folder):
    together = opened("upp", weights=str(upp_folder)).model.parse(IMAGES)
    for place, head in enumerate(("object", "material", "part")):
        alone = opened("upp", weights=str(upp_folder), heads=[head]).model
        labels = alone.parse(IMAGES)
        assert torch.equal(labels.maps[:, 0], together.maps[:, place]) and {info.head for info in alone.classes} == {head}


PAGE = (Path(__file__).parents[3] / "docs" / "bring-your-model.md").read_text(encoding="utf-8")
SHOWN = [yaml.safe_load(block).get("parser") for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.parametrize("parser", [each for each in SHOWN if each], ids=str)
def test_what_the_page_shows_opens(upp_folder, parser):
    if parser["kind"] != "upp":
        assert find("parsers", parser["kind"]).options(**parser).weights
        return
    model = opened(**parser | {"weights": str(upp_folder)}).model
    assert model.resolution == (256, 256) and model.classes[0].head == "object"


def test_a_head_is_named_once(upp_folder):
    with pytest.raises(ValueError, match="name it once"):
        opened("upp", weights=str(upp_folder), heads=["object", "object"])


def test_counts_of_objects_and_void_add_up_to_the_pixels(upp_folder):
    parser = open_parser(find("parsers", "upp").options(kind="upp", weights=str(upp_folder), size=[96, 64]), Context(Path("/")))
    labels = parser.read(IMAGES)
    assert parser.heads == ("object", "material", "part") and wrong_labels(labels, 3, parser.parser.classes) is None
    counted = tally(labels.maps, labels.confidence, parser.class_count)
    for image, maps in enumerate(labels.maps):
        rows = counted.image == image
        found = dict(zip(counted.class_id[rows].tolist(), counted.pixels[rows].tolist(), strict=True))
        expected = {i: int((maps == i).sum()) for i in range(1, 12)} | {0: int((maps[0] == 0).sum())}
        assert found == {number: n for number, n in expected.items() if n}
        assert sum(n for number, n in found.items() if number <= 5) == 96 * 64


def test_several_scales_add_up_probabilities_of_means_over_bins(upp_folder, upp_tensors):
    labels = opened("upp", weights=str(upp_folder), scales=[[96, 64], [48, 32]], heads=["object"]).model.parse(IMAGES)
    small = IMAGES.unflatten(2, (48, 2)).unflatten(4, (32, 2)).mean(dim=(3, 5))
    mean = sum(up(head_logits(*upp_tensors, x)["object"], (96, 64)).softmax(1) for x in (IMAGES, small)) / 2
    assert (labels.maps[:, 0] == mean.argmax(1)).float().mean() > 0.999
    assert labels.confidence[:, 0] == pytest.approx(mean.max(1)[0], abs=1e-4)


def test_the_key_is_of_the_files_the_preprocessing_and_the_precision(upp_folder):
    said = [
        opened("upp", weights=str(upp_folder)).recipe, opened("upp", "bfloat16", weights=str(upp_folder)).recipe,
        opened("upp", weights=str(upp_folder), scales=[256, 320]).recipe,
        opened("upp", weights=str(upp_folder), scales=[320], filter="bilinear").recipe,
    ]  # fmt: skip
    assert len({json.dumps(recipe, sort_keys=True) for recipe in said}) == 4
    how = said[0]["preprocessing"]
    assert (how["order"], how["white"], how["sizes"], how["filter"]) == ("bgr", 255.0, ((256, 256),), "area")


def broken(folder, change):
    labels = json.loads(json.dumps(LABELS))
    change(labels)
    (folder / "labels.json").write_text(json.dumps(labels))


def _swapped(labels):
    labels["object_part"] = dict(reversed(labels["object_part"].items()))


@pytest.mark.parametrize("change, says", [
    (_swapped, ["'person'", "'house'", "sort"]),
    (lambda labels: labels["object"].append("car"), ["7 channels", "object", "has 6"]),
    (lambda labels: labels["object_part"]["house"].pop(), ["6 channels", "part", "has 7"]),
    (lambda labels: labels["object_part"].update(zebra=["-"]), ["zebra", "none of its objects"]),
    (lambda labels: labels["material"].pop(0), ["labels.json", "'-'"]),
    (lambda labels: labels.pop("object_part"), ["labels.json", "object_part"]),
])  # fmt: skip
def test_names_that_would_go_to_other_channels_are_refused(upp_folder, change, says):
    broken(upp_folder, change)
    with pytest.raises(RequestError) as error:
        opened("upp", weights=str(upp_folder))
    assert all(word in str(error.value) for word in [*says, str(upp_folder)])


def test_a_folder_that_lacks_a_file_or_has_other_ones_is_refused(upp_folder, upp_tensors):
    with pytest.raises(RequestError, match=r"are a file; the folder with encoder_epoch_40\.pth"):
        opened("upp", weights=str(upp_folder / "labels.json"))
    with pytest.raises(RequestError, match="not 0000"):
        opened("upp", weights=str(upp_folder), sha256="0" * 64)
    torch.save(upp_tensors[0], upp_folder / "encoder_epoch_39.pth")
    with pytest.raises(RequestError, match=r"encoder_epoch_39\.pth, encoder_epoch_40\.pth: keep one"):
        opened("upp", weights=str(upp_folder))
    for file in upp_folder.glob("encoder*"):
        file.unlink()
    with pytest.raises(RequestError, match=r"has no encoder\*\.pth"):
        opened("upp", weights=str(upp_folder))
    torch.save(upp_tensors[1], upp_folder / "encoder_epoch_40.pth")
    with pytest.raises(RequestError, match=r"no usable conv1\.weight"):
        opened("upp", weights=str(upp_folder))
    (upp_folder / "labels.json").unlink()
    with pytest.raises(RequestError, match=r"labels\.json cannot be read"):
        opened("upp", weights=str(upp_folder))


def test_a_state_dict_with_more_or_less_than_the_network_is_refused(upp_folder, upp_tensors):
    torch.save(upp_tensors[1] | {"object_head.2.weight": torch.zeros(1)}, upp_folder / "decoder_epoch_40.pth")
    with pytest.raises(RequestError, match=r"object_head\.2\.weight is unknown"):
        opened("upp", weights=str(upp_folder))


def test_bfloat16_keeps_nearly_all_labels(upp_folder):
    exact = opened("upp", weights=str(upp_folder)).model.parse(IMAGES)
    lower = opened("upp", "bfloat16", weights=str(upp_folder)).model.parse(IMAGES)
    assert (exact.maps == lower.maps).float().mean() > 0.95  # of a network that was never trained
    assert lower.confidence.dtype == torch.float32 and lower.confidence.min() > 0 and lower.confidence.max() <= 1
