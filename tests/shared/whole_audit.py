"""A whole audit of one generator: sampled, parsed, inverted at the layer that is its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganaudit import spec as specs
from ganaudit.auditing.run import Audit, audit
from ganaudit.context import Context
from ganaudit.generators.opening import open_generator
from ganaudit.generators.shapes import LayerChoice, choose_layers, read_shape
from ganaudit.records import catalog
from ganaudit.records.store import Store


@dataclass(frozen=True)
class Whole:
    """A generator as it was opened, the layers that were chosen for it, the audit's answer and its store."""

    generator: Any
    choice: LayerChoice
    direction_only: bool
    result: Audit
    store: Store


def whole_audit(folder: Path, generator: Mapping[str, Any]) -> Whole:
    """Audits `generator`, as the audit file names it, called g: 20 images against blots. All were used, and inverted by z and
    by layer, where no search ends above its start but by what another precision makes of the same point."""
    spec = specs.parse({
        "name": "n", "folder": str(Path(__file__).parents[1] / "ganaudit"), "store": str(folder / "store"),
        "parser": {"kind": "tiny_models:Brightness"},
        "real": {"name": "real", "kind": "tiny_models:Blots", "options": {"images": 50, "seed": 1}},
        "heldout": {"name": "held", "kind": "tiny_models:Blots", "options": {"images": 60, "seed": 2}},
        "generators": [{"name": "g", **generator}],
        "sample": {"count": 20, "batch": 16}, "decide": {"permutations": 0}, "run": {"workers": 1, "device": "cpu"},
        "invert": {
            "images": 2, "own": 8, "masked": 2, "train_images": 2, "methods": ["layerwise", "latent"], "steps": 2,
            "restarts": 1, "batch": 8, "perceptual": "none", "inverter": "auto", "inverter_minutes": 0.002,
        },
    })  # fmt: skip
    made = open_generator(spec.generators[0], Context.of(spec, "cpu", "float32")).generator
    shape = read_shape(made)
    choice, result = choose_layers(shape), audit(spec)
    assert result.status == "done"
    store = Store(spec.path(spec.store)).open_for_writing()
    sampled = "SELECT status, count(*) AS images FROM audited_images WHERE role = 'generated' AND source = 'g' GROUP BY status"
    assert catalog.query(store, sampled).to_pylist() == [{"status": "ok", "images": 20}]
    rows = catalog.query(store, "SELECT method, layer, status, loss_first, loss_best FROM inversions").to_pylist()
    ways = {(row["method"], row["layer"], row["status"]) for row in rows}
    assert choice.residuals and ways == {("layerwise", choice.feature, "ok"), ("latent", "z", "ok")}
    assert all(row["loss_best"] <= 1.05 * row["loss_first"] + 0.01 for row in rows), rows
    return Whole(made, choice, shape.direction_only, result, store)
