"""Models of transformers: labels and names as the library itself gives them; folders that are incomplete or bring code."""

from __future__ import annotations

import json
import sys

import pytest
import torch
import torch.nn.functional as F
import transformers as library
from PIL import Image

from ganaudit.errors import RequestError
from ganaudit.images import to_bytes
from ganaudit.parsers.outputs import wrong_labels

from .scene_networks import opened

NAMES = {0: "wall", 1: "sky", 2: "tree", 3: "sky"}
LABELS = {"id2label": NAMES, "label2id": {"wall": 0, "sky": 1, "tree": 2}, "num_labels": 4}
SIZE = {"height": 64, "width": 64}
torch.manual_seed(0)
IMAGES = F.interpolate(torch.rand(2, 3, 6, 6) * 2 - 1, size=(48, 80), mode="bicubic").clamp(-1, 1)
PICTURES = [Image.fromarray(pixels) for pixels in to_bytes(IMAGES).numpy()]


def swin():
    stages = [f"stage{place}" for place in (1, 2, 3, 4)]
    return library.SwinConfig(
        image_size=64, embed_dim=8, depths=[1] * 4, num_heads=[1] * 4, window_size=2, out_features=stages
    )  # fmt: skip


def segformer(folder):
    config = library.SegformerConfig(
        depths=[1] * 4, hidden_sizes=[8] * 4, decoder_hidden_size=8, num_attention_heads=[1] * 4, **LABELS
    )  # fmt: skip
    return library.SegformerForSemanticSegmentation(config), library.SegformerImageProcessor(size=SIZE)


def upernet(folder):
    stages = [f"stage{place}" for place in (1, 2, 3, 4)]
    backbone = library.ConvNextConfig(hidden_sizes=[8] * 4, depths=[1] * 4, out_features=stages)
    config = library.UperNetConfig(
        backbone_config=backbone, hidden_size=8, auxiliary_channels=4, auxiliary_in_channels=8, pool_scales=[1, 2], **LABELS
    )  # fmt: skip
    return library.UperNetForSemanticSegmentation(config), library.SegformerImageProcessor(size=SIZE)


def maskformer(folder):
    decoder = library.DetrConfig(
        d_model=32, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=8, decoder_ffn_dim=8, encoder_attention_heads=1,
        decoder_attention_heads=1, num_queries=5,
    )  # fmt: skip
    config = library.MaskFormerConfig(
        backbone_config=swin(), decoder_config=decoder, fpn_feature_size=32, mask_feature_size=32, **LABELS
    )
    return library.MaskFormerForInstanceSegmentation(config), library.MaskFormerImageProcessor(size=SIZE, size_divisor=32)


def mask2former(folder):
    config = library.Mask2FormerConfig(
        backbone_config=swin(), feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=8,
        encoder_layers=1, decoder_layers=2, num_attention_heads=2, dim_feedforward=8, num_queries=5, **LABELS,
    )  # fmt: skip
    return library.Mask2FormerForUniversalSegmentation(config), library.Mask2FormerImageProcessor(size=SIZE)


def eomt(folder):
    config = library.EomtConfig(
        hidden_size=16, num_hidden_layers=3, num_attention_heads=2, image_size=64, patch_size=8, num_blocks=1, num_queries=8,
        num_upscale_blocks=1, layerscale_value=1.0, **LABELS,
    )  # fmt: skip
    processor = library.EomtImageProcessor(size={"shortest_edge": 64, "longest_edge": 64}, do_pad=True)
    return library.EomtForUniversalSegmentation(config), processor


def oneformer(folder):
    classes = {str(label): {"name": name, "isthing": int(label == 2)} for label, name in NAMES.items()}
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    (folder / "classes.json").write_text(json.dumps(classes))
    (folder / "vocab.json").write_text(json.dumps({token: place for place, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    config = library.OneFormerConfig(
        backbone_config=swin(), conv_dim=32, mask_dim=32, hidden_dim=32, encoder_feedforward_dim=8, encoder_layers=1,
        decoder_layers=2, num_attention_heads=2, dim_feedforward=8, num_queries=5, text_encoder_width=8,
        text_encoder_num_layers=1, text_encoder_vocab_size=60, task_seq_len=20, query_dec_layers=1, **LABELS,
    )  # fmt: skip
    reader = library.OneFormerImageProcessor(
        size=SIZE, repo_path=str(folder), class_info_file="classes.json", num_text=2, num_labels=4
    )
    tokenizer = library.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    processor = library.OneFormerProcessor(reader, tokenizer, max_seq_length=77, task_seq_length=20)
    return library.OneFormerForUniversalSegmentation(config), processor


def saved(folder, make):
    """A model with random weights, sure enough of its classes that they differ over an image, and its processor."""
    folder.mkdir()
    torch.manual_seed(1)
    model, processor = make(folder)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim > 1:
                value.normal_(std=2.5 * value[0].numel() ** -0.5)
            if "class_predictor" in name and value.ndim > 1:
                value.mul_(8)
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder, model, processor


def of_library(model, processor, task, **more):
    asked = {"task_inputs": [task] * 2} if "OneFormer" in type(model).__name__ else {}
    inputs = processor(images=PICTURES, return_tensors="pt", **asked)
    with torch.no_grad():
        outputs = model(**inputs)
    return getattr(processor, f"post_process_{task}_segmentation")(outputs, target_sizes=[(48, 80)] * 2, **more)


@pytest.mark.parametrize("make", [segformer, upernet, maskformer, mask2former, eomt, oneformer])
def test_labels_are_those_of_the_library_itself(tmp_path, make):
    folder, model, processor = saved(tmp_path / "m", make)
    parser = opened("transformers", weights=str(folder)).model
    labels = parser.parse(IMAGES)
    wanted = torch.stack(of_library(model, processor, "semantic")) + 1
    assert torch.equal(labels.maps, wanted) and len(wanted.unique()) > 1
    assert wrong_labels(labels, 2, parser.classes) is None
    assert [(info.id, info.name) for info in parser.classes] == [(1, "wall"), (2, "sky 1"), (3, "tree"), (4, "sky 3")]
    assert parser.resolution == (64, 64)


def test_confidence_is_the_softmax_of_logits(tmp_path):
    folder, model, processor = saved(tmp_path / "m", segformer)
    labels = opened("transformers", weights=str(folder)).model.parse(IMAGES)
    with torch.no_grad():
        logits = model(**processor(images=PICTURES, return_tensors="pt")).logits
    expected = F.interpolate(logits, size=(48, 80), mode="bilinear").softmax(1).max(1)[0]
    assert labels.confidence == pytest.approx(expected, abs=1e-5)


def test_panoptic_pixels_have_their_segments_classes(tmp_path):
    folder, model, processor = saved(tmp_path / "m", mask2former)
    labels = opened("transformers", weights=str(folder), task="panoptic").model.parse(IMAGES)
    found = of_library(model, processor, "panoptic", label_ids_to_fuse=set())
    assert sum(len(each["segments_info"]) for each in found) > 1
    for place, each in enumerate(found):
        expected = {segment["id"]: (segment["label_id"] + 1, segment["score"]) for segment in each["segments_info"]}
        for value in each["segmentation"].unique().tolist():
            inside = each["segmentation"] == value
            label, score = expected.get(int(value), (0, 0.0))
            assert (labels.maps[place][inside] == label).all()
            assert labels.confidence[place][inside] == pytest.approx(score, abs=1e-5)


def test_names_and_size_of_the_audit_file_win(tmp_path):
    folder, *_ = saved(tmp_path / "m", segformer)
    parser = opened("transformers", weights=str(folder), classes=["-", "a", "b", "c"], size=[32, 48]).model
    assert [(info.id, info.name) for info in parser.classes] == [(1, "a"), (2, "b"), (3, "c")]
    assert parser.resolution == (32, 48) and parser.parse(IMAGES).maps.max() <= 3


def test_the_key_is_of_the_folder_the_task_and_what_the_processor_does(tmp_path):
    folder, *_ = saved(tmp_path / "m", segformer)
    first = opened("transformers", weights=str(folder)).recipe
    assert first["preprocessing"]["size"] == SIZE and first["preprocessing"]["image_mean"] == [0.485, 0.456, 0.406]
    said = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**said, "size": {"height": 32, "width": 32}}))
    other = opened("transformers", weights=str(folder)).recipe
    assert other["weights"] != first["weights"] and other["preprocessing"]["size"] != SIZE


def _pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _with_code(folder):
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text(f"open({str(folder / 'it_ran')!r}, 'w')")


def _with_a_processor_s_code(folder):
    said = json.loads((folder / "preprocessor_config.json").read_text())
    said |= {"image_processor_type": "Mine", "auto_map": {"AutoImageProcessor": "mine.Mine"}}
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    (folder / "mine.py").write_text(f"open({str(folder / 'it_ran')!r}, 'w')")


def _with_a_backbone_of_another_package(folder):
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "upernet", "backbone_config": {"model_type": "timm_backbone", "backbone": "resnet18"}}
    (folder / "config.json").write_text(json.dumps(config))


def _without_a_tensor(folder):
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    tensors.pop("decode_head.classifier.weight")
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def _another_kind(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "bert"}))


def _saying(**changes):
    def change(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return change


@pytest.mark.parametrize("change, says", [
    (_pickled, ["pytorch_model.bin", "safetensors alone"]), (_with_code, ["mine.Config", "not run"]),
    (_without_a_tensor, ["decode_head.classifier.weight", "missing"]), (_another_kind, ["bert", "segformer"]),
    (lambda folder: (folder / "model.safetensors").unlink(), ["the folder has no weights", "safetensors alone"]),
    (_with_a_processor_s_code, ["cannot open it"]),
    (_with_a_backbone_of_another_package, ["needs a package that is not installed here", "timm"]),
    (lambda folder: (folder / "config.json").unlink(), ["config.json"]),
    (lambda folder: (folder / "config.json").write_text("[]"), ["model_type"]),
    (lambda folder: (folder / "preprocessor_config.json").unlink(), ["transformers cannot open it"]),
    (lambda folder: (folder / "model.safetensors").write_bytes(b"torn"), ["transformers cannot open it"]),
    (_saying(num_labels=10**9), ["'num_labels' is 1,000,000,000", "more than 32,767"]),
    (_saying(hidden_sizes=[9_000_000] * 4), ["of another model than config.json says", "numbers are wanted"]),
])  # fmt: skip
def test_what_is_incomplete_or_brings_code_is_refused_in_a_sentence(tmp_path, change, says):
    folder, *_ = saved(tmp_path / "m", segformer)
    change(folder)
    with pytest.raises(RequestError) as error:
        opened("transformers", weights=str(folder))
    assert all(word in str(error.value) for word in [*says, str(folder)]) and "\n" not in str(error.value)
    assert not (folder / "it_ran").exists()


def test_code_beside_a_model_of_the_library_is_not_run_either(tmp_path):
    folder, *_ = saved(tmp_path / "m", segformer)
    _with_code(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "segformer"}))
    assert opened("transformers", weights=str(folder)).model.parse(IMAGES).maps.shape == (2, 48, 80)
    assert not (folder / "it_ran").exists()


def test_a_processor_that_wants_another_package_is_told(tmp_path, monkeypatch):
    folder, *_ = saved(tmp_path / "m", segformer)

    def wants(*_, **__):
        raise ImportError("SegformerImageProcessor requires the Elsewhere library but it was not found in your environment.")

    monkeypatch.setattr(library.AutoImageProcessor, "from_pretrained", wants)
    with pytest.raises(RequestError, match=r"needs a package that is not installed here: .*the Elsewhere library"):
        opened("transformers", weights=str(folder))


def test_a_task_that_the_model_does_not_do_is_refused(tmp_path):
    folder, *_ = saved(tmp_path / "m", segformer)
    with pytest.raises(RequestError, match="gives no panoptic segmentation"):
        opened("transformers", weights=str(folder), task="panoptic")


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    folder, *_ = saved(tmp_path / "m", segformer)
    monkeypatch.setitem(sys.modules, "ganaudit.parsers.transformers_segmentation", None)
    with pytest.raises(RequestError, match=r"pip install 'ganaudit\[hf\]'"):
        opened("transformers", weights=str(folder))


@pytest.mark.parametrize("make", [maskformer, mask2former, eomt, oneformer])
def test_instances_are_painted_by_score_and_told_apart(tmp_path, make):
    folder, model, processor = saved(tmp_path / "m", make)
    parser = opened("transformers", weights=str(folder), task="instance").model
    labels = parser.parse(IMAGES)
    assert wrong_labels(labels, 2, parser.classes) is None
    found = of_library(model, processor, "instance")
    for place, each in enumerate(found):
        scores = {segment["score"] for segment in each["segments_info"]}
        classes = {segment["label_id"] + 1 for segment in each["segments_info"]}
        assert set(labels.maps[place].unique().tolist()) <= classes | {0}
        seen = labels.confidence[place][labels.maps[place] > 0].unique().tolist()
        assert all(min(abs(score - known) for known in scores) < 1e-5 for score in seen)
        if each["segments_info"]:  # the surest is whole: nothing lies on it
            assert labels.confidence[place].max() == pytest.approx(max(scores), abs=1e-5)
    assert ((labels.instances > 0) == (labels.maps > 0)).all()
