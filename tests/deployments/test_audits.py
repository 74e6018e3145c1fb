"""The example audits are right as they stand: they load, and those whose models ship run."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import ganaudit
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
