"""An audit that inverts by a generator's own encoder: what is asked for, what cannot be had, and what the records say."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ganaudit import audit
from ganaudit import spec as specs
from ganaudit.auditing.run import Audit, prepared
from ganaudit.encoders.ogan import ogan
from ganaudit.generators.networks.progan import progan
from ganaudit.records.store import Store
from ganaudit.studies.inversion.cost import cost_notes
from ganaudit.studies.inversion.record_tables import INVERSIONS

HERE = Path(__file__).parents[2]
METHODS = ("own_encoder", "own_encoder+latent", "own_encoder+layerwise", "latent")


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    """Of a generator with an encoder, and one without."""
    folder = tmp_path_factory.mktemp("own")
    torch.manual_seed(0)
    save_file(ogan("growing", 16, 4, 8).state_dict(), folder / "with.safetensors", {"kind": "ogan"})
    save_file(progan(4, 4, ((3,), (3,))).state_dict(), folder / "without.safetensors", {"kind": "progan"})
    return specs.parse({
        "name": "n", "folder": str(HERE), "store": str(folder / "store"), "parser": {"kind": "tiny_models:Brightness"},
        "real": {"name": "real", "kind": "tiny_models:Ramp", "options": {"images": 16}}, "sample": {"count": 16, "batch": 16},
        "decide": {"permutations": 0}, "run": {"device": "cpu", "workers": 1},
        "generators": [
            {"name": name, "kind": kind, "weights": str(folder / f"{name}.safetensors")}
            for name, kind in (("with", "ogan"), ("without", "progan"))
        ],
        "heldout": {"name": "held", "kind": "tiny_models:Ramp", "options": {"images": 4}},
        "invert": {"methods": list(METHODS), "images": 4, "own": 8, "masked": 1, "steps": 1, "perceptual": "none"},
    })  # fmt: skip


def test_check_says_which_methods_a_generator_cannot_run(spec):
    notes = [note for note in cost_notes(*prepared(spec)) if "not be inverted" in note]
    assert len(notes) == 1 and "'without' would not be inverted by own_encoder, own_encoder+latent" in notes[0]
    assert "no encoder of its own" in notes[0]


def test_each_method_has_its_records_and_what_the_encoder_misses_its_finding(spec):
    done: Audit = audit(spec)
    store = Store(done.store)
    rows = [row for file in store.files("inversions") for row in store.read(INVERSIONS, file).to_pylist()]
    plain = [row for row in rows if row["weighted_class"] is None and row["sample"] == "heldout"]
    by_method = {method: [row for row in plain if row["method"] == method] for method in METHODS}
    assert {method: len(rows) for method, rows in by_method.items()} == {
        "own_encoder": 4, "own_encoder+latent": 4, "own_encoder+layerwise": 3 * 4, "latent": 2 * 4,
    }  # fmt: skip  # residuals at three penalties; random starts in both generators
    losses = {row["image"]: row["loss_best"] for row in by_method["own_encoder"]}
    for row in by_method["own_encoder+latent"]:
        assert row["loss_first"] == pytest.approx(losses[row["image"]], rel=1e-5) and row["start"] == "own_encoder"
    assert len({row["inverter"] for row in plain if row["method"] != "latent"}) == 1
    limits = done.findings["encoder_limits"].to_pylist()
    assert limits and {(row["generator"], row["encoder"]) for row in limits} == {("with", "own_encoder")}
    assert all(row["encoded"] + row["searched"] + row["elsewhere"] + row["nowhere"] == row["images"] for row in limits)
    assert any("'without' is not inverted by own_encoder" in note for note in done.notes)
