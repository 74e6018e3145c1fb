"""The training step of a generator, from the audit file to the store: a pattern's own, a card's, the metadata's, or none."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from ganaudit import spec as specs
from ganaudit.auditing.run import prepared
from ganaudit.context import Context
from ganaudit.generators.networks.progan import progan
from ganaudit.generators.opening import open_generator
from ganaudit.records.tables import SOURCES

FACTORY = """
from safetensors.torch import load_file
from ganaudit.generators.networks.progan import progan
def make(weights):
    made = progan(4, 4, ((4,),))
    made.load_state_dict(load_file(weights))
    return made
"""


def put(folder, name, seed, metadata=None, card=None):
    (folder / "ckpt").mkdir(exist_ok=True)
    torch.manual_seed(seed)
    save_file(progan(4, 4, ((4,),)).state_dict(), folder / "ckpt" / f"{name}.safetensors", metadata)
    if card is not None:
        (folder / "ckpt" / f"{name}.card.json").write_text(json.dumps(card))


def asked(folder, *generators):
    return specs.parse({
        "name": "a", "folder": str(folder), "store": "store", "parser": {"kind": "unet", "weights": "builtin:village"},
        "real": {"name": "village", "kind": "village", "count": 4}, "sample": {"count": 4}, "generators": generators,
        "run": {"device": "cpu"},
    })  # fmt: skip


def opened(spec):
    """Name → step, as the generators are opened."""
    return {
        generator.name: open_generator(generator, spec.context("cpu", "float32")).training_step for generator in spec.generators
    }


def recorded(spec):
    """Name → step, as the store has it before a block is made."""
    planned, store = prepared(spec)
    keys = {source.key: source.name for source in planned.sources if source.role == "generated"}
    return {name: store.read(SOURCES, store.source(key))["training_step"].to_pylist()[0] for key, name in keys.items()}


PATTERN = {"name": "ours", "kind": "progan", "weights": "ckpt/*.safetensors"}


@pytest.mark.parametrize(
    ("files", "steps"),
    [
        ([("net-2000", None, None), ("net-30", None, None)], {"ours@30": 30, "ours@2000": 2000}),
        ([("net-1", {"step": "70"}, None), ("net-2", {"step": "60"}, None)], {"ours@60": 60, "ours@70": 70}),
        ([("net-1", {"step": "70"}, {"iterations": 9}), ("net-2", None, {"step": 8})], {"ours@8": 8, "ours@9": 9}),
        ([("net-1", None, {"iterations": 900}), ("net-2", None, None)], {"ours@1": 1, "ours@2": 2}),
    ],
    ids=["names", "metadata", "cards", "a card of one alone"],
)
def test_every_checkpoint_of_a_pattern_has_its_step_in_the_store(tmp_path, files, steps):
    for seed, (name, metadata, card) in enumerate(files):
        put(tmp_path, name, seed, metadata, card)
    spec = asked(tmp_path, PATTERN)
    assert opened(spec) == recorded(spec) == steps


def test_one_file_has_the_step_that_is_said_or_its_cards_or_its_metadatas_or_none(tmp_path):
    put(tmp_path, "a", 1, {"step": "70"}, {"iterations": 9})
    put(tmp_path, "b", 2, {"step": "60"})
    put(tmp_path, "step-5", 3)
    put(tmp_path, "c", 4, {"step": "70"}, {"iterations": 9})
    (tmp_path / "made.py").write_text(FACTORY)
    spec = asked(
        tmp_path,
        *({"name": name, "kind": "progan", "weights": f"ckpt/{name}.safetensors"} for name in ("a", "b", "step-5")),
        {"name": "c", "kind": "progan", "weights": "ckpt/c.safetensors", "step": 4},
        {"name": "own", "kind": "made:make", "weights": "ckpt/b.safetensors"},
    )
    assert opened(spec) == {"a": 9, "b": 60, "step-5": None, "c": 4, "own": 60}
    assert recorded(spec) == opened(spec)


def test_a_name_that_ends_in_another_digest_is_noted_unless_the_audit_file_says_the_digest(tmp_path):
    from ganaudit.weights import digest

    path = tmp_path / "gan-ab01cd23.safetensors"
    save_file(progan(4, 4, ((4,),)).state_dict(), path)
    said = {"name": "g", "kind": "progan", "weights": path.name}
    known = {**said, "sha256": digest(path)}
    for asked, noted in ((said, True), (known, False)):
        options = specs.parse({
            "name": "n", "parser": {"kind": "unet", "weights": "builtin:village"}, "real": {"name": "r", "kind": "village"},
            "generators": [asked],
        }).generators[0]  # fmt: skip
        notes = open_generator(options, Context(tmp_path)).notes
        assert any("ab01cd23" in note for note in notes) == noted
