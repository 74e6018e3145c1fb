"""Own samples are a source of their own: another seed, another key, another name, and as many as are asked for."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from ganaudit import spec as specs
from ganaudit.auditing.plan import plan
from ganaudit.generators.networks.progan import progan
from ganaudit.sources.opening import open_source
from ganaudit.sources.roles import GENERATED, OWN, SourceRole
from ganaudit.studies.inversion.models import parser_of, setup_of


@pytest.fixture
def spec(tmp_path):
    torch.manual_seed(1)
    save_file(progan(4, 4, ((3,),)).state_dict(), tmp_path / "g.safetensors", {"kind": "progan"})
    weights = {"kind": "progan", "weights": str(tmp_path / "g.safetensors")}
    return specs.parse({
        "name": "n", "store": str(tmp_path / "store"), "parser": {"kind": "unet", "weights": "builtin:village"},
        "real": {"name": "village", "kind": "village", "count": 56, "heldout": 8},
        "generators": [{"name": "g", **weights}, {"name": "g, own samples", **weights}, {"name": "v", "kind": "village"}],
        "sample": {"count": 64}, "run": {"device": "cpu", "workers": 1},
        "invert": {"own": 9, "methods": ["latent"], "perceptual": "none"},
    })  # fmt: skip


def test_each_generator_that_can_be_inverted_has_them_under_a_name_that_nothing_else_has(spec):
    planned = plan(spec)
    own = [source for source in planned.sources if source.role == OWN]
    assert [source.name for source in own] == ["g, own samples (own)", "g, own samples, own samples"]
    assert planned.block == 64 and own[0].blocks == ((0, 63), (64, 127))  # a first try of 64 images costs no more than before
    assert {source.count for source in own} == {72}
    assert len({source.name for source in planned.sources}) == len(planned.sources)
    generated = next(source for source in planned.sources if source.role == GENERATED)
    assert own[0].key == own[1].key != generated.key  # one generator under two names
    assert (own[0].recipe["source"]["seed"], generated.recipe["source"]["seed"]) == (1_000_013, spec.sample.seed)


def test_they_are_the_generator_s_images_of_that_seed(spec):
    planned = plan(spec)
    parser = parser_of(setup_of(planned))

    def opened(asked, spec):
        return open_source(asked, asked.source(spec), parser, spec.context("cpu", "float32"))

    own, usual = (opened(asked, spec) for asked in (SourceRole(OWN, 0, seed=5, count=3), SourceRole(GENERATED, 0)))
    assert own.read([4]).digests != usual.read([4]).digests and own.read([4]).digests == own.read([3, 4]).digests[1:]
    at_five = spec.model_copy(update={"sample": spec.sample.model_copy(update={"seed": 5})})
    assert opened(SourceRole(GENERATED, 0), at_five).read([4]).digests == own.read([4]).digests
