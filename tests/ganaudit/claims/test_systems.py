"""The claims of the systems that ship: that they are whole, and that what they compare is what they say."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from ganaudit.claims import lia, ogan
from ganaudit.claims.claim import HELD, NOT_HELD, UNDECIDED
from ganaudit.claims.scenes import Sets, class_pixels, label_maps, resized, scenes
from ganaudit.claims.settling import trainings
from ganaudit.claims.systems import SYSTEMS, claims_of
from ganaudit.claims.workshop import Workshop
from ganaudit.errors import AuditError
from ganaudit.generators.networks.coupling import CouplingMapping
from ganaudit.generators.networks.lia import PooledEncoder
from ganaudit.generators.networks.lia import lia as network
from ganaudit.inversion.starts import apart_at_start
from ganaudit.training.curves import SCHEMA
from ganaudit.village.classes import IDS


@pytest.mark.parametrize("system", sorted(SYSTEMS))
def test_each_claim_is_a_sentence_with_a_source_a_margin_and_a_name_of_its_own(system):
    claims = claims_of(system)
    assert len({claim.name for claim in claims}) == len(claims) >= 5
    for claim in claims:
        assert claim.statement.endswith(".") and claim.source and claim.effect and np.isfinite(claim.holds.margin)
    every = [training for claim in claims for training in claim.trainings]
    assert len(trainings(claims)) == len({id(training) for training in every})  # no two trainings have one name


def test_ablations_differ_from_what_they_are_compared_with_in_the_one_value_that_they_are_about(monkeypatch):
    seen = []
    monkeypatch.setattr(ogan, "make_model", lambda model, name, *rest: seen.append(model.start.args[0]))
    for each in (ogan.BY_WEIGHT[0.5][0], ogan.BY_WEIGHT[0.0][0], ogan.SQUARED[0], ogan.LINEAR[0]):
        each.make(None, each.budget, lambda *_: None, "cpu")
    base, *others = [json.loads(json.dumps(asdict(recipe))) for recipe in seen]
    differ = [{name for name in base if base[name] != other[name]} for other in others]
    assert differ == [{"latent_weight"}, {"latent_loss"}, {"latent_loss"}]


def sets(monkeypatch, fsd):
    """Workshops whose trainings have these distances, by name and seed."""
    monkeypatch.setattr(Workshop, "trained", lambda self, training: Named(training.name))
    monkeypatch.setattr(ogan, "_sets", lambda path, changed: Sets(fsd(path.name), 1.0))
    return Workshop(None)


class Named:
    """A path that has a name alone."""

    def __init__(self, name):
        self.name = name

    def stat(self):
        return type("", (), {"st_mtime": 0.0})


def test_a_term_that_costs_nothing_is_held_and_one_that_doubles_the_distance_is_not(monkeypatch):
    (claim,) = claims_of("ogan", "quality")

    def fsd(name, factor):
        seed = int(name[-1])
        return (20.0 + seed) * (factor + 0.02 * seed if "weight-0-" not in name else 1.0)

    for factor, verdict in ((1.0, HELD), (2.0, NOT_HELD)):
        measured = claim.measure(sets(monkeypatch, partial(fsd, factor=factor)))
        assert claim.holds.verdict(measured.low, measured.high) == verdict and measured.n == 3
        assert measured.effect == pytest.approx(np.log([factor + 0.02 * seed for seed in (1, 2, 3)]).mean())
    (failing,) = claims_of("ogan", "squared-error")
    wild = failing.measure(sets(monkeypatch, lambda name: 30.0 * (3.0 ** int(name[-1]) if "squared" in name else 1.0)))
    assert wild.effect == pytest.approx(2 * np.log(3.0)) and failing.holds.verdict(wild.low, wild.high) == UNDECIDED


def test_a_distance_of_colours_below_a_tenth_is_not_cut_off(monkeypatch):
    (claim,) = claims_of("ogan", "squared-error")
    monkeypatch.setattr(Workshop, "trained", lambda self, training: Named(training.name))

    def sets(path, changed):
        squared, factor = "squared" in path.name, {"1": 1.0, "2": 1.25, "3": 0.8}[path.name[-1]]
        return Sets(20.0 * factor if squared else -1.0, 0.08 * factor if squared else 0.02)

    monkeypatch.setattr(ogan, "_sets", sets)
    measured = claim.measure(Workshop(None))
    assert measured.effect == pytest.approx(np.log(200.0))  # a corrected distance below 0 counts as a tenth
    assert measured.seen.startswith("the same logarithm of the FID (4 × 4 colours): 1.39")


@pytest.mark.parametrize(("drawn", "verdict"), [(8, HELD), (2, NOT_HELD), (0, UNDECIDED)])
def test_what_was_never_drawn_is_compared_with_what_was(monkeypatch, drawn, verdict):
    """Of 8 pixels of road in each photo a generator without roads brings back one, and one with them `drawn`."""
    maps = np.zeros((2, 4, 4), np.int64)
    maps[:, :2] = IDS["road"]

    def seen(path, kind):
        back = np.full((16,), 99)
        back[: 1 if "without" in path.name else drawn] = IDS[kind]
        return np.stack([back.reshape(4, 4)] * 2)

    monkeypatch.setattr(Workshop, "trained", lambda self, training: Named(training.name))
    for name, value in {"_holding": lambda kind: (maps, maps), "_brought_back": seen, "label_maps": lambda made: made}.items():
        monkeypatch.setattr(ogan, name, value)
    (claim,) = claims_of("ogan", "left-out-roads")
    measured = claim.measure(Workshop(None))
    assert claim.holds.verdict(measured.low, measured.high) == verdict
    assert measured.effect == (pytest.approx(1 / drawn) if drawn else None)
    assert "12.5% come back" in measured.seen and ("longer trainings" in measured.seen) == (not drawn)


def test_gradients_are_as_volatile_as_their_logarithms_move(tmp_path):
    calm, wild = [1.0] * 10, [1.0, 3.0] * 5
    for name, values in (("calm", calm), ("wild", wild)):
        rows = [
            {"step": step, "images": 0, "seconds": 0.0, "name": term, "value": value}
            for step, value in enumerate(values) for term in ("gradient, stem", "gradient, last", "pixels")
        ]  # fmt: skip
        (tmp_path / name).mkdir()
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), tmp_path / name / "curves.parquet")
    assert lia._volatility(tmp_path / "calm") == 0.0
    assert lia._volatility(tmp_path / "wild") == pytest.approx(np.log(3.0))
    pq.write_table(SCHEMA.empty_table(), tmp_path / "calm" / "curves.parquet")
    with pytest.raises(AuditError, match="more steps"):
        lia._volatility(tmp_path / "calm")


@pytest.fixture
def tiny_lia(tmp_path, monkeypatch):
    """A LIA of 16 pixels that has learnt nothing stands for the shipped one; few photos, steps and pairs."""
    torch.manual_seed(6)
    made = network(4, CouplingMapping(4), 8, ((8,), (8,)), PooledEncoder(4, (4, 4, 4)))
    made.settle()
    path = tmp_path / "tiny.safetensors"
    save_file({name: value.contiguous() for name, value in made.state_dict().items()}, path, {"kind": "lia"})
    for name, value in {"SHIPPED": str(path), "SEARCHED": 3, "SEARCH_STEPS": 4, "PAIRS": 20}.items():
        monkeypatch.setattr(lia, name, value)
    lia._searched.cache_clear()
    yield
    lia._searched.cache_clear()


def test_what_is_said_of_the_shipped_model_is_measured_on_it(tiny_lia):
    measured = {name: claims_of("lia", name)[0].measure(Workshop(None)) for name in ("shorter", "encoders-start", "not-in-z")}
    assert [(each.n, each.of) for each in measured.values()] == [(20, "pairs"), (3, "photos"), (3, "photos")]
    assert all(each.low <= each.effect <= each.high for each in measured.values())
    curves = list(lia._searched().values())
    assert {each.start for each in curves} == {"random", "mean", "own_encoder"} and len(curves) == 6
    assert apart_at_start(curves) < 1e-4
    ends = {start: lia._searched()[start, "w"].best[:, -1].mean() for start in ("own_encoder", "mean", "random")}
    assert measured["encoders-start"].effect == pytest.approx(ends["own_encoder"] / min(ends["mean"], ends["random"]))


def test_sharpness_is_a_plain_laplacian_inside_the_mask():
    shown = torch.zeros(1, 3, 64, 64)
    shown[0, :, 10, 10] = 1.0
    inside = np.zeros((1, 64, 64), bool)
    inside[0, 9:12, 9:12] = True
    assert ogan._sharpness(shown, inside) == pytest.approx([(4 + 4 * 1) / 9])  # the point itself, and four beside it


def test_photos_that_hold_a_class_show_it_to_the_parser_and_areas_are_counts():
    photos = scenes(6, 64, "person")
    maps = label_maps(photos)
    counts = class_pixels(maps)
    assert counts.sum(axis=1).tolist() == [64 * 64] * 6
    people = counts[:, IDS["person"]]
    assert (people == (maps == IDS["person"]).sum(axis=(1, 2))).all() and (people > 0).sum() >= 4
    assert torch.equal(resized(photos, 64), photos)
    assert torch.allclose(resized(photos, 32), torch.nn.functional.avg_pool2d(photos, 2))
