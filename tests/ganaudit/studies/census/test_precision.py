"""How many labels hang on how a parser computes: counted on parsers that answer otherwise alone, or in half precision."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ganaudit import images
from ganaudit import spec as specs
from ganaudit.auditing.check import check
from ganaudit.auditing.plan import plan
from ganaudit.auditing.run import prepared
from ganaudit.parsers.opening import open_parser
from ganaudit.studies.census import precision, work
from ganaudit.studies.census.blocks import block_of

HERE = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def opened_anew():
    work.forget()


VILLAGE = {"kind": "unet", "weights": "builtin:village"}


def spec(store, parser=VILLAGE, **run):
    return specs.parse({
        "name": "p", "folder": str(HERE), "store": str(store), "parser": parser,
        "real": {"name": "real", "kind": "village", "count": 20},
        "generators": [{"name": "g", "kind": "village", "seed": 2, "count": 20}], "sample": {"batch": 16}, "run": run,
    })  # fmt: skip


def test_the_share_is_that_of_the_labels_that_float32_gives_otherwise_and_is_measured_once(tmp_path, monkeypatch):
    planned, store = prepared(spec(tmp_path, precision="bfloat16"))
    precision.record(planned, store)
    effect = precision.recorded(store, planned.parser_key)
    _, source = work.opened(block_of(planned, planned.sources[0], 0, 15))
    shown = images.to_unit(source.read(range(8)).pixels)
    lower, full = (
        open_parser(planned.spec.parser, planned.spec.context("cpu", each)).parser.parse(shown).maps
        for each in ("bfloat16", "float32")
    )
    assert effect.by_precision == pytest.approx((lower != full).float().mean().item(), abs=1e-12)
    assert 0 <= effect.by_precision <= 0.002 and effect.by_batch <= 0.002 and effect.images == 8
    monkeypatch.setattr(precision, "measured", lambda plan: pytest.fail("measured again"))
    precision.record(planned, store)
    said = effect.sentence()
    assert "bfloat16" in said and "another label than float32 gives" in said and "8 real images" in said
    assert any(said == note for note in check(spec(tmp_path, precision="bfloat16")).notes)


def test_float32_changes_nothing_and_a_network_of_one_s_own_has_its_own_precision(tmp_path):
    assert precision.measured(plan(spec(tmp_path, precision="float32"))).by_precision == 0
    own = precision.measured(plan(spec(tmp_path, {"kind": "tiny_models:Brightness"})))
    assert own.by_precision is None and own.by_batch == 0 and "float32" not in own.sentence()


def test_what_is_beside_an_image_is_counted(tmp_path, monkeypatch):
    planned = plan(spec(tmp_path, {"kind": "tiny_models:Brightness"}))
    parser, _ = work.opened(block_of(planned, planned.sources[0], 0, 15))
    before = parser.parser.parse

    def parse(images):
        labels = before(images)
        if len(images) > 1:
            labels.maps[:, :2] = 3 - (labels.maps[:, :2] == 3).long()  # a quarter of 8 rows, always another one
        return labels

    monkeypatch.setattr(parser.parser, "parse", parse)
    assert precision.measured(planned).by_batch == pytest.approx(0.25)
    monkeypatch.setattr(parser.parser, "parse", lambda images: torch.zeros(1) / 0 if len(images) == 16 else 1 / 0)
    assert precision.measured(planned) is None
