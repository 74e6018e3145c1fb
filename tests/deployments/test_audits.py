"""The example audits are right as they stand: they load, and those whose models ship run."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import ganaudit
from ganaudit import factory
from ganaudit.auditing.check import check
from ganaudit.errors import RequestError
from ganaudit.spec import load

AUDITS = Path(__file__).parents[2] / "deployments" / "audits"


@pytest.mark.parametrize("path", sorted(AUDITS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_is_a_valid_audit_file(path):
    assert load(path).folder == AUDITS


def changed(tmp_path: Path, name: str, **changes: object) -> ganaudit.AuditSpec:
    """An example copied with its Python files, smaller."""
    for file in AUDITS.glob("*.py"):
        shutil.copy(file, tmp_path)
    data = yaml.safe_load((AUDITS / name).read_text())
    data.update(changes, store="audits")
    (tmp_path / name).write_text(yaml.safe_dump(data))
    return load(tmp_path / name)


def test_the_own_generator_of_the_example_gives_what_its_shipped_body_gives(tmp_path):
    real = {"name": "village", "kind": "village", "count": 32}
    result = ganaudit.audit(changed(tmp_path, "own_model.yaml", real=real, sample={"count": 32, "batch": 32}))
    stats = result.table("class_stats").set_index("class")
    assert result.exit_code == 0 and stats.loc["sky", "generated_area"] == pytest.approx(45, abs=10)


def test_the_folders_example_reads_label_maps_beside_images(tmp_path):
    rng = np.random.default_rng(0)
    for folder, people in (("photos", 4), ("generated", 1)):
        (tmp_path / folder).mkdir()
        for i in range(5):
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(tmp_path / folder / f"{i}.png")
            labels = np.full((8, 8), 1, dtype=np.uint8)
            labels[:people] = 4
            Image.fromarray(labels).save(tmp_path / folder / f"{i}.labels.png")
    row = ganaudit.audit(changed(tmp_path, "folders.yaml")).table("class_stats").set_index("class").loc["person"]
    assert (row["real_area"], row["generated_area"], row["area_ratio"]) == (50.0, 12.5, 0.25)


def test_the_parser_of_the_photos_example_reads_weights_of_torchvision(tmp_path):
    from torchvision.models.segmentation import lraspp_mobilenet_v3_large

    torch.manual_seed(0)
    network = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=21)
    torch.save(network.state_dict(), tmp_path / "lraspp_mobilenet_v3_large.pth")
    for folder in ("photos", "generated"):
        (tmp_path / folder).mkdir()
        for i in range(2):
            Image.fromarray(np.full((70, 60, 3), 80 * i, dtype=np.uint8)).save(tmp_path / folder / f"{i}.png")
    result = ganaudit.audit(changed(tmp_path, "photos.yaml", sample={"batch": 2}))
    assert result.exit_code == 0 and len(result.table("class_stats")) == 20


WITHOUT_WEIGHTS = (
    "bedroom_table1",
    "church_diffusion",
    "church_progan",
    "church_stylegan2",
    "ffhq_stylegan2",
    "imagenet_biggan",
)
BY_HAND = ("karras2019", "ddpm-church")
"""Files that no address gives to a program."""


@pytest.mark.parametrize("name", WITHOUT_WEIGHTS)
def test_a_check_says_of_every_file_that_is_missing_what_to_do(tmp_path, name):
    spec = changed(tmp_path, f"{name}.yaml")
    with pytest.raises(RequestError) as refused:
        check(spec)
    lines = str(refused.value).splitlines()[1:]
    missing = {*(tmp_path / file.path for file in spec.fetch), *(tmp_path / each.weights for each in spec.generators)}
    assert len(lines) == len(missing) + 1  # and the photos
    for path in missing:
        (line,) = [line for line in lines if f"{path} " in line]
        assert ("ganaudit fetch" in line) == (not any(name in line for name in BY_HAND))
    assert any(str(tmp_path / spec.real.path) in line for line in lines)


def test_the_published_changes_of_churches_are_those_of_the_paper_s_figure():
    spec = load(AUDITS / "church_progan.yaml")
    changes = {each.class_name: each.value for each in spec.expect}
    assert len(changes) == 30 and {each.figure for each in spec.expect} == {"relative_change"}
    assert (changes["person"], changes["palm"], changes["rock"], changes["sky"]) == (-0.63, -0.92, 1.06, 0.0)
    assert {(each.generator, each.images, each.within) for each in spec.expect} == {("progan", 10_000, 0.005)}


def test_the_parser_of_eyes_names_colours():
    parser = factory.call("eyes:make_parser", AUDITS, {})
    seen = {"red": (210, 10, 20), "white": (250, 250, 248), "brown": (100, 60, 40), "blue": (30, 90, 200), "black": (5, 5, 5)}
    images = torch.tensor(list(seen.values())).view(-1, 3, 1, 1).expand(-1, 3, 4, 4) / 127.5 - 1
    labels = parser.parse(images)
    names = {info.id: info.name for info in parser.classes}
    assert [{names[number] for number in each.unique().tolist()} for each in labels.maps] == [{name} for name in seen]
    lab = inspect.getmodule(type(parser)).lab(torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.5, 0.5, 0.5]]))
    published = torch.tensor([[53.24, 80.09, 67.20], [100.0, 0.0, 0.0], [53.39, 0.0, 0.0]])  # Lindbloom's calculator, D65
    assert torch.allclose(lab, published, atol=0.15)


def test_the_real_side_of_eyes_is_the_generator_of_another_seed(tmp_path):
    torch.manual_seed(0)
    network = torch.nn.Sequential(  # the tutorials' conditional DCGAN, 8 px
        torch.nn.ConvTranspose2d(12, 4, 4, 1, 0, bias=False), torch.nn.BatchNorm2d(4), torch.nn.ReLU(),
        torch.nn.ConvTranspose2d(4, 3, 4, 2, 1, bias=False), torch.nn.Tanh(),
    )  # fmt: skip
    (tmp_path / "models").mkdir()
    torch.save(network.state_dict(), tmp_path / "models" / "generator_model_state.pth")
    data = yaml.safe_load((AUDITS / "eyes.yaml").read_text())
    for part in (data["real"], *data["generators"]):
        for key in ("sha256", "bytes"):
            part.pop(key)
    data["real"]["options"]["images"] = 64
    spec = changed(tmp_path, "eyes.yaml", real=data["real"], generators=data["generators"], sample={"count": 64, "batch": 32},
                   decide={"permutations": 0})  # fmt: skip
    findings = ganaudit.audit(spec)
    rows = findings.table("dropped_classes").query("generator == 'again'")
    assert findings.exit_code == 0 and not rows["verdict"].isin(["dropped", "reduced", "increased"]).any()
