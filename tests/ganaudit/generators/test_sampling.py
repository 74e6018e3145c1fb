"""How a generator is sampled: spaces, truncation, noise, images that are not square."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from ganaudit import spec as specs
from ganaudit.auditing.driver import on_threads
from ganaudit.auditing.plan import plan
from ganaudit.auditing.run import prepared
from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.networks.dcgan import dcgan
from ganaudit.generators.networks.progan import progan
from ganaudit.generators.networks.stylegan import STYLES, stylegan
from ganaudit.generators.opening import check_protocol, open_generator
from ganaudit.generators.protocol import size_of, spaces_of
from ganaudit.generators.shapes import generator_digest, read_shape
from ganaudit.generators.truncation import truncated
from ganaudit.kinds import find
from ganaudit.random import normals
from ganaudit.studies.census.blocks import missing


def style(**sampling):
    torch.manual_seed(3)
    made = stylegan(6, 2, 5, ((4,), (3,))).eval().requires_grad_(False)
    with torch.no_grad():
        for name in made.layers:
            made.get_submodule(name).strength.fill_(0.5)
    made.sampled(**sampling)
    return made


def images(generator, indices=(0, 1, 2, 3)):
    return generator.run(generator.latents(5, torch.tensor(indices)))["image"]


# z


def test_truncated_draws_have_the_truncated_normal_distribution_and_keep_their_order():
    z = normals(0, "latent z", range(200), 100).ravel()
    for limit in (0.1, 0.7, 2.0):
        cut = truncated(z, limit)
        assert cut.dtype == np.float32 and np.abs(cut).max() <= limit
        assert stats.kstest(cut, stats.truncnorm(-limit, limit).cdf).pvalue > 1e-3
        assert (np.diff(cut[np.argsort(z, kind="stable")]) >= 0).all()
    assert np.allclose(truncated(z, 10.0), z, atol=1e-5)


@pytest.mark.parametrize("make", [lambda: dcgan(6, 4, (3,)), lambda: progan(6, 4, ((3,),))])
def test_a_family_with_a_normal_z_draws_it_between_the_limits_alone_as_in_a_batch(make):
    plain, cut = make(), make()
    cut.sampled(truncation=0.5)
    z = cut.latents(1, torch.arange(64))["z"]
    assert z.abs().max() <= 0.5 < plain.latents(1, torch.arange(64))["z"].abs().max()
    assert torch.equal(z[7:8], cut.latents(1, torch.tensor([7]))["z"])
    assert (plain.sampling, cut.sampling) == ({}, {"truncation": 0.5})
    (space,) = spaces_of(cut)
    assert (space.name, space.shape, space.enters) == ("z", (6,), "layer1") and "0.5" in space.prior


# w


def test_styles_go_to_their_mean_which_has_a_fixed_seed():
    plain, half, none = style(), style(truncation=0.5), style(truncation=0.0)
    z = torch.from_numpy(normals(0, "statistics of w", range(STYLES), 6))
    mean, deviation = half.statistics()
    assert torch.allclose(mean, plain.mapping(z).mean(dim=0), atol=1e-4)
    assert torch.allclose(deviation, plain.mapping(z).std(dim=0), atol=1e-4)
    state = plain.latents(5, torch.arange(3))
    w = plain.mapping(state["z"])
    assert torch.allclose(half.run(state)["image"], plain.run({**state, "w": mean + 0.5 * (w - mean)})["image"], atol=1e-5)
    still = {**none.latents(5, torch.arange(2)), "noise1": torch.zeros(2, 1, 4, 4)}
    still |= {"noise2": torch.zeros(2, 1, 8, 8), "noise3": torch.zeros(2, 1, 16, 16)}
    result, other = none.run(still)["image"]
    assert torch.allclose(result, other, atol=1e-5)  # psi 0: every image is that of the mean


def test_a_cutoff_leaves_the_later_layers_their_styles():
    plain, cut = style(), style(truncation=0.5, cutoff=1)
    state, mean = plain.latents(5, torch.arange(3)), cut.statistics()[0]
    w = plain.mapping(state["z"])
    styles = torch.stack([mean + 0.5 * (w - mean), w, w], dim=1)
    assert torch.allclose(cut.run(state)["image"], plain.run({**state, "w": styles})["image"], atol=1e-5)
    middle = cut.run(state, upto="layer2")
    assert torch.equal(cut.run(middle, after="layer2")["image"], cut.run(state)["image"])
    with pytest.raises(RequestError, match="cutoff is 4, and this generator has 3 layers"):
        style(truncation=0.5, cutoff=4)


def test_a_style_generator_s_spaces_are_z_w_and_a_style_a_layer():
    z, w, every = spaces_of(style())
    assert (z.name, z.shape, z.prior, z.mean) == ("z", (6,), "normal", None)
    assert (w.name, w.shape, w.prior, w.enters) == ("w", (6,), None, "layer1")
    assert (every.name, every.shape) == ("w+", (3, 6)) and torch.equal(every.mean, w.mean.expand(3, 6))


# noise


def test_noise_is_each_image_s_own_or_one_for_all_or_none():
    by_index, const, none = (style(noise=noise) for noise in ("index", "const", "none"))
    first, second = by_index.latents(5, torch.tensor([0, 1]))["noise2"]
    assert not torch.equal(first, second)
    held = const.latents(5, torch.tensor([3, 8]))
    assert torch.equal(held["noise3"][0], held["noise3"][1]) and held["noise1"].abs().max() > 0
    assert torch.equal(held["noise3"], const.latents(6, torch.tensor([3, 8]))["noise3"])  # whatever the seed
    assert set(none.latents(5, torch.tensor([0]))) == {"z"}
    made = [images(generator) for generator in (by_index, const, none)]
    assert all((a - b).abs().max() > 1e-3 for a, b in zip(made, made[1:] + made[:1], strict=True))


def test_an_inverter_belongs_to_the_generator_as_it_is_sampled():
    ways = ({}, {"truncation": 0.5}, {"truncation": 0.5, "cutoff": 1}, {"noise": "none"})
    assert len({generator_digest(style(**way)) for way in ways}) == 4


# the options


@pytest.mark.parametrize("kind, options, words", [
    ("dcgan", {"truncation": 0}, "truncation: "), ("dcgan", {"truncation": -1}, "truncation: "),
    ("progan", {"truncation": "x"}, "truncation: "), ("dcgan", {"noise": "none"}, "noise: unknown key"),
    ("stylegan", {"truncation": 1.5}, "truncation: "), ("stylegan", {"noise": "random"}, "noise: "),
    ("stylegan", {"cutoff": 2}, "cutoff says how many layers get truncated styles"),
    ("stylegan", {"truncation": float("nan")}, "truncation: "), ("progan", {"cutoff": 2}, "cutoff: unknown key"),
])  # fmt: skip
def test_options_that_cannot_be_are_refused_with_their_place(kind, options, words):
    generator = {"name": "g", "kind": kind, "weights": "w", **options}
    data = {"name": "n", "parser": {"kind": "unet", "weights": "builtin:village"}, "real": {"name": "r", "kind": "village"}}
    with pytest.raises(RequestError, match=rf"generators\[0\]\.?.*{words}"):
        specs.parse({**data, "generators": [generator]})


def test_a_shipped_generator_opens_with_its_options_and_says_so():
    options = find("generators", "stylegan").options
    said = {"name": "g", "kind": "stylegan", "weights": "builtin:village-stylegan"}
    opened = open_generator(options.model_validate({**said, "truncation": 0.7, "noise": "const"}), Context(seed=4))
    assert opened.generator.sampling == {"truncation": 0.7, "noise": "const"}
    assert (opened.truncation, opened.noise, opened.seed) == (0.7, "const", 4)
    with pytest.raises(RequestError, match="g: cutoff is 99"):
        open_generator(options.model_validate({**said, "truncation": 0.7, "cutoff": 99}), Context())


# images that are not square

WIDE = """
import torch
from ganaudit.random import normals
class Wide:
    layers = ()
    def __init__(self, resolution=(6, 10), made=(6, 10)):
        self.resolution, self.made = tuple(resolution) if isinstance(resolution, list) else resolution, made
    def latents(self, seed, indices):
        return {"z": torch.from_numpy(normals(seed, "z", indices.numpy(), 3)), "index": indices}
    def run(self, state, after=None, upto=None):
        return {"image": torch.tanh(state["z"])[:, :, None, None].expand(-1, 3, *self.made)}
class Layered(Wide):
    layers = ("layer1",)
"""


def wide(folder, options=None, kind="wide:Wide", **generator):
    (folder / "wide.py").write_text(WIDE + (Path(__file__).parents[1] / "tiny_models.py").read_text().replace(
        "from __future__ import annotations", ""))  # fmt: skip
    return specs.parse({
        "name": "n", "folder": str(folder), "store": "store", "parser": {"kind": "wide:Brightness"},
        "real": {"name": "r", "kind": "wide:Ramp", "options": {"images": 20}}, "sample": {"count": 20},
        "generators": [{"name": "g", "kind": kind, "options": options or {}, **generator}],
        "decide": {"permutations": 0}, "run": {"device": "cpu", "workers": 1},
    })  # fmt: skip


def test_images_that_are_not_square_are_sampled_cut_and_parsed(tmp_path):
    spec = wide(tmp_path)
    source = plan(spec).sources[1]
    assert source.resolution == 6
    planned, store = prepared(spec)
    done = [block for _, block in on_threads(1)(missing(planned, store))]  # with a control at 6 pixels
    assert len(done) == 3 and {block.quarantined for block in done} == {0}
    stretched = wide(tmp_path, resize=[6, 10], how="stretch")
    assert plan(stretched).sources[1].recipe["size"] == (6, 10)


def test_images_of_another_size_than_said_are_told_with_both_sizes(tmp_path):
    from ganaudit.parsers.opening import open_parser
    from ganaudit.sources.opening import open_source
    from ganaudit.sources.roles import GENERATED, SourceRole

    spec = wide(tmp_path, {"made": [10, 6]})
    context = spec.context("cpu", "float32")
    with pytest.raises(RequestError, match="2×3×10×6 values for a batch of 2, not 2×3×6×10 as its resolution says"):
        open_source(SourceRole(GENERATED), spec.generators[0], open_parser(spec.parser, context), context)


@pytest.mark.parametrize("resolution", ["8", 8.0, True, 0, -3, None, (8,), (8, 8, 8), (8, 0), (8, True), (8, 8.0)])
def test_a_resolution_that_is_none_is_refused(resolution):
    from ganaudit.generators.networks.dcgan import dcgan as made

    generator = made(2, 2, (2,))
    generator.resolution = resolution
    with pytest.raises(RequestError, match=r"g: a generator has the attribute resolution, \(height, width\)"):
        check_protocol(generator, "g", 0)


@pytest.mark.parametrize("resolution, size", [(8, (8, 8)), ((6, 10), (6, 10)), ([6, 10], (6, 10))])
def test_a_resolution_is_a_side_or_height_and_width(resolution, size):
    generator = dcgan(2, 2, (2,))
    generator.resolution = resolution
    assert size_of(generator) == size


def test_what_is_not_square_is_not_inverted_and_the_reason_is_a_sentence(tmp_path):
    spec = wide(tmp_path, kind="wide:Layered")
    opened = open_generator(spec.generators[0], Context(tmp_path))
    with pytest.raises(RequestError, match="inversion is of square images, and this generator makes images of 6×10 pixels"):
        read_shape(opened.generator)


def test_a_user_s_generator_that_names_no_space_has_those_of_its_latents(tmp_path):
    opened = open_generator(wide(tmp_path).generators[0], Context(tmp_path))
    (space,) = spaces_of(opened.generator)
    assert (space.name, space.shape, space.enters, space.mean) == ("z", (3,), None, None)
