"""Concepts that overlap: boxes of the library itself, text by text, painted and counted; and where such a parser may stand."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import transformers as library

from ganaudit import spec as specs
from ganaudit.auditing.plan import plan
from ganaudit.errors import RequestError
from ganaudit.images import to_bytes
from ganaudit.parsers.outputs import wrong_labels
from ganaudit.tally import tally

from .scene_networks import opened

torch.manual_seed(0)
IMAGES = F.interpolate(torch.rand(2, 3, 6, 6) * 2 - 1, size=(48, 48), mode="bicubic").clamp(-1, 1)
TEXTS = {"glasses": "a pair of glasses", "hands": "hands", "eyes": "eye"}
SCORE = 0.5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny OWL-ViT with random weights."""
    folder = tmp_path_factory.mktemp("owl")
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = ["!", "<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    (folder / "vocab.json").write_text(json.dumps({token: place for place, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tiny = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = library.OwlViTConfig(
        text_config={**tiny, "vocab_size": 60, "max_position_embeddings": 32, "eos_token_id": 2, "bos_token_id": 1},
        vision_config={**tiny, "image_size": 32, "patch_size": 8}, projection_dim=16,
    )  # fmt: skip
    torch.manual_seed(4)
    model = library.OwlViTForObjectDetection(config).eval()
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim > 1:
                value.normal_(std=2.0 * value[0].numel() ** -0.5)
    model.save_pretrained(folder)
    size = {"height": 32, "width": 32}
    reader = library.OwlViTImageProcessor(size=size, crop_size=size)
    tokenizer = library.CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=32, pad_token="<|endoftext|>"
    )
    library.OwlViTProcessor(reader, tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def scored(folder):
    """(scores (N, boxes, texts), boxes (N, boxes, 4) in pixels) of the library's own model, processor and formulas."""
    model = library.OwlViTForObjectDetection.from_pretrained(folder).eval()
    processor = library.OwlViTProcessor.from_pretrained(folder)
    pictures = list(to_bytes(IMAGES).permute(0, 3, 1, 2))
    with torch.no_grad():
        outputs = model(**processor(text=[list(TEXTS.values())] * 2, images=pictures, return_tensors="pt"))
    middle, sides = outputs.pred_boxes[..., :2], outputs.pred_boxes[..., 2:]
    corners = torch.cat([middle - sides / 2, middle + sides / 2], dim=-1) * 48
    return outputs.logits.sigmoid().numpy(), corners.numpy()


def shared(a, b):
    """Intersection over union of two boxes."""
    width, height = (max(0.0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1))
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def kept(scores, boxes, apart):
    """Boxes from SCORE on, the surest first, none that shares more than `apart` with one before it."""
    found: list[tuple[float, np.ndarray]] = []
    for place in np.argsort(-scores, kind="stable"):
        if scores[place] > SCORE and all(shared(boxes[place], box) <= apart for _, box in found):
            found.append((float(scores[place]), boxes[place]))
    return found


def test_each_concept_is_where_its_boxes_are_and_concepts_overlap(folder, scored):
    parser = opened("owl", weights=str(folder), concepts=TEXTS, score=SCORE, size=48).model
    labels = parser.parse(IMAGES)
    assert wrong_labels(labels, 2, parser.classes) is None
    assert [(info.id, info.name, info.head) for info in parser.classes] == [(n, name, name) for n, name in enumerate(TEXTS, 1)]
    scores, boxes = scored
    centre, counted = np.arange(48) + 0.5, tally(labels.maps, labels.confidence, 4, labels.instances)
    rows = {(i, c): (n, p) for i, c, n, p in zip(counted.image, counted.class_id, counted.pixels, counted.parts, strict=True)}
    total = 0
    for image in range(2):
        for concept in range(3):
            sure = np.zeros((48, 48))
            found = kept(scores[image, :, concept], boxes[image], 0.5)
            for score, (left, top, right, bottom) in found:
                inside = np.outer((centre >= top) & (centre < bottom), (centre >= left) & (centre < right))
                sure = np.maximum(sure, np.where(inside, score, 0))
            assert np.array_equal(labels.maps[image, concept].numpy(), np.where(sure > 0, concept + 1, 0))
            assert labels.confidence[image, concept].numpy() == pytest.approx(sure, abs=1e-5)
            assert rows.get((image, concept + 1), (0, 0))[0] == (sure > 0).sum()
            total += len(found)
    assert total > 3 and ((labels.maps > 0).sum(1) > 1).any()
    alone = opened("owl", weights=str(folder), concepts={"hands": "hands"}, score=SCORE, size=48).model.parse(IMAGES)
    assert torch.equal(alone.maps[:, 0] > 0, labels.maps[:, 1] > 0)  # what else is asked for changes nothing


TINY = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}


def sam3(folder, tokenizer):
    """A tiny SAM 3 with random weights, and its processor."""
    layers, text = {**TINY, "num_layers": 1}, {"vocab_size": 60, "max_position_embeddings": 32, "projection_dim": 16}
    vit = {
        "model_type": "sam3_vit_model",
        "image_size": 56,
        "pretrain_image_size": 56,
        "window_size": 2,
        "num_hidden_layers": 1,
    }
    config = library.Sam3Config(
        vision_config={
            "model_type": "sam3_vision_model", "fpn_hidden_size": 16, "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
            "backbone_config": {**TINY, **vit, "global_attn_indexes": [0]},
        },
        text_config={**TINY, **text, "num_hidden_layers": 1, "eos_token_id": 2, "bos_token_id": 1, "pad_token_id": 2},
        geometry_encoder_config=layers, detr_encoder_config=layers, detr_decoder_config={**layers, "num_queries": 8},
        mask_decoder_config={"hidden_size": 16, "num_attention_heads": 2},
    )  # fmt: skip
    reader = library.Sam3ImageProcessor(size={"height": 56, "width": 56})
    return library.Sam3Model(config), library.Sam3Processor(reader, tokenizer)


def grounding_dino(folder, _):
    """A tiny Grounding DINO with random weights, and its processor."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "a", "eye", "hands", "glasses", "of", "pair"]
    (folder / "vocab.txt").write_text("\n".join(words))
    config = library.GroundingDinoConfig(
        backbone_config=library.SwinConfig(
            image_size=32, embed_dim=8, depths=[1] * 4, num_heads=[1] * 4, window_size=2,
            out_features=["stage2", "stage3", "stage4"],
        ),
        text_config={
            **TINY, "model_type": "bert", "num_hidden_layers": 1, "vocab_size": len(words), "max_position_embeddings": 16
        },
        d_model=32, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=16, decoder_ffn_dim=16, num_queries=8, max_text_len=16,
    )  # fmt: skip
    reader = library.GroundingDinoImageProcessor(size={"shortest_edge": 96, "longest_edge": 128})
    tokenizer = library.BertTokenizer(str(folder / "vocab.txt"))
    return library.GroundingDinoForObjectDetection(config), library.GroundingDinoProcessor(reader, tokenizer)


def of_library(kind, folder, text, image, score):
    """(masks (K, 48, 48), scores (K,)) of one text and one image, by the library's own model and post-processing."""
    processor = library.AutoProcessor.from_pretrained(folder)
    automatic = library.AutoModel if kind == "sam3" else library.AutoModelForZeroShotObjectDetection
    model = automatic.from_pretrained(folder).eval()
    picture = to_bytes(image[None])[0].permute(2, 0, 1)
    with torch.no_grad():
        if kind == "sam3":
            outputs = model(**processor(text=text, images=picture, return_tensors="pt"))
            (found,) = processor.post_process_instance_segmentation(outputs, score, target_sizes=[(48, 48)])
            return found["masks"].numpy() > 0, found["scores"].numpy()
        given = processor(text=text + ".", images=picture, return_tensors="pt")
        found = processor.post_process_grounded_object_detection(
            model(**given), given["input_ids"], score, score, [(48, 48)]
        )[0]  # fmt: skip
    centre, masks = np.arange(48) + 0.5, []
    for left, top, right, bottom in found["boxes"].numpy():
        masks.append(np.outer((centre >= top) & (centre < bottom), (centre >= left) & (centre < right)))
    return np.array(masks).reshape(-1, 48, 48), found["scores"].numpy()


@pytest.mark.parametrize("made", [sam3, grounding_dino])
def test_each_text_is_what_the_library_finds_for_it_alone(made, folder, tmp_path):
    kind = made.__name__
    torch.manual_seed(5)
    model, processor = made(tmp_path, library.CLIPTokenizer.from_pretrained(folder))
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim > 1 and "bbox_embed" not in name:  # which leaves boxes an area
                value.normal_(std=2.0 * value[0].numel() ** -0.5)
    model.eval().save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    every = np.concatenate([of_library(kind, tmp_path, "eye", image, 0.0)[1] for image in IMAGES])
    score = float(np.median(every))
    options = {} if kind == "sam3" else {"apart": 1.0}
    parser = opened(kind, weights=str(tmp_path), concepts=["eye", "hands"], score=score, size=48, **options).model
    network, seen = parser.prompted.model, []
    image_network = network.vision_encoder if kind == "sam3" else network.model.backbone.conv_encoder
    image_network.register_forward_hook(lambda *_: seen.append(kind))
    labels = parser.parse(IMAGES)
    assert seen == [kind]  # once for both texts
    assert wrong_labels(labels, 2, parser.classes) is None and [info.head for info in parser.classes] == ["eye", "hands"]
    for image in range(2):
        for place, text in enumerate(("eye", "hands")):
            masks, scores = of_library(kind, tmp_path, text, IMAGES[image], score)
            sure = np.zeros((48, 48))
            for mask, of_mask in zip(masks, scores, strict=True):
                sure = np.maximum(sure, mask * of_mask)
            assert labels.confidence[image, place].numpy() == pytest.approx(sure, abs=1e-5)
            assert np.array_equal(labels.maps[image, place].numpy(), np.where(sure > 0, place + 1, 0))
    assert 0 < (labels.maps > 0).float().mean() < 1


def test_it_stands_beside_a_parser_and_not_for_it(folder, tmp_path):
    owl = {"kind": "owl", "weights": str(folder), "concepts": ["eye"], "size": 64}
    said = {
        "name": "c", "store": str(tmp_path), "real": {"name": "real", "kind": "village", "count": 8},
        "generators": [{"name": "g", "kind": "village", "seed": 2, "count": 8}], "sample": {"batch": 8},
    }  # fmt: skip
    with pytest.raises(RequestError, match=r"finds concepts that overlap.*name it as second_parser"):
        plan(specs.parse({**said, "parser": owl}))
    planned = plan(specs.parse({**said, "parser": {"kind": "unet", "weights": "builtin:village"}, "second_parser": owl}))
    assert [info.name for info in planned.second_parser.classes] == ["eye"]


def test_another_model_is_told(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "clipseg"}))
    with pytest.raises(RequestError, match="of the model 'clipseg'; kind owl reads owlvit and owlv2"):
        opened("owl", weights=str(tmp_path), concepts=["eye"])


def test_a_text_longer_than_the_model_reads_is_told_before_work_begins(folder):
    fits, long = "z" * 30, "z" * 31  # a token a letter here, between one at the start and one at the end
    assert opened("owl", weights=str(folder), concepts=[fits, "eye"], size=48).model.parse(IMAGES).maps.shape == (2, 2, 48, 48)
    with pytest.raises(RequestError, match=r"the text of 'hat' has 33 tokens .* reads 32; say it in fewer words"):
        opened("owl", weights=str(folder), concepts={"eye": "eye", "hat": long}, size=48)
