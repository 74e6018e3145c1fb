"""A whole audit of one generator: sampled, parsed, inverted at the layer that is its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ganaudit import images
from ganaudit import spec as specs
from ganaudit.auditing.run import Audit, audit
from ganaudit.generators.opening import open_generator
from ganaudit.generators.shapes import LayerChoice, choose_layers, read_shape
from ganaudit.records import catalog
from ganaudit.records.store import Store

SIDE = 8
"""Of what the parser of `tiny_models` sees."""


@dataclass(frozen=True)
class Whole:
    """A generator as it was opened, the layers that were chosen for it, the audit's answer and its store."""

    generator: Any
    choice: LayerChoice
    direction_only: bool
    result: Audit
    store: Store


def whole_audit(folder: Path, generator: Mapping[str, Any]) -> Whole:
    """Audits `generator`, as the audit file names it, called g: 20 images against blots. All were used, each is what the
    generator makes of its index, and they were inverted by z and by layer, where no search ends above its start but by what
    another precision makes of the same point."""
    spec = specs.parse({
        "name": "n", "folder": str(Path(__file__).parents[1] / "ganaudit"), "store": str(folder / "store"),
        "parser": {"kind": "tiny_models:Brightness"},
        "real": {"name": "real", "kind": "tiny_models:Blots", "options": {"images": 50, "seed": 1}},
        "heldout": {"name": "held", "kind": "tiny_models:Blots", "options": {"images": 6, "seed": 2}},
        "generators": [{"name": "g", **generator}],
        "sample": {"count": 20, "batch": 16}, "decide": {"permutations": 0}, "run": {"workers": 2, "device": "cpu"},
        "invert": {
            "images": 2, "own": 8, "masked": 0, "methods": ["layerwise", "latent"], "steps": 2,
            "restarts": 1, "batch": 8, "perceptual": "none", "inverter": "auto", "inverter_minutes": 0.002,
        },
    })  # fmt: skip
    made = open_generator(spec.generators[0], spec.context("cpu", "float32")).generator
    shape = read_shape(made)
    choice, result = choose_layers(shape), audit(spec)
    assert result.status == "done"
    store = Store(spec.path(spec.store)).open_for_writing()
    sampled = "SELECT status, digest FROM audited_images WHERE role = 'generated' AND source = 'g' ORDER BY image"
    records = catalog.query(store, sampled).to_pylist()
    assert len(records) == 20 and {row["status"] for row in records} == {"ok"}
    with torch.inference_mode():
        first = images.to_bytes(made.run(made.latents(1, torch.arange(16)))["image"])
    seen = [images.digest(images.resize(pixels, (SIDE, SIDE), "crop")) for pixels in first.numpy()]
    assert [row["digest"] for row in records[:16]] == seen
    rows = catalog.query(store, "SELECT method, layer, status, loss_first, loss_best FROM inversions").to_pylist()
    ways = {(row["method"], row["layer"], row["status"]) for row in rows}
    assert choice.residuals and ways == {("layerwise", choice.feature, "ok"), ("latent", "z", "ok")}
    assert all(row["loss_best"] <= 1.05 * row["loss_first"] + 0.01 for row in rows), rows
    return Whole(made, choice, shape.direction_only, result, store)
