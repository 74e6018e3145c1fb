"""Inverters as files: what is written is read, to whom it belongs is checked, the reference's files open in the same class."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from ganaudit.encoders import files as inverter_files
from ganaudit.encoders.files import check_fit, find_inverter, open_inverter, save_inverter
from ganaudit.encoders.networks import DirectEncoder, DirectShape, LayeredEncoder, LayeredShape, Trunk
from ganaudit.errors import RequestError
from ganaudit.generators.networks.progan import progan
from ganaudit.generators.shapes import LayerShape, generator_digest, read_shape


def generator(seed=1):
    torch.manual_seed(seed)
    return progan(8, 16, ((16,), (8,))).eval()


def layered(shape):
    return LayeredEncoder(LayeredShape.of(shape, "layer2", width=4, hidden=8)).eval()


def saved(encoder, path, belongs="g1"):
    save_inverter(encoder, {k: v for k, v in encoder.state_dict().items() if v.is_floating_point()}, belongs, {"a": 1}, path)
    return path


def test_what_is_written_is_read(tmp_path):
    shape = read_shape(generator())
    image = torch.rand(2, 3, 16, 16) * 2 - 1
    for made in (layered(shape), DirectEncoder(DirectShape.of(shape, width=4, channels=4)).eval()):
        opened = open_inverter(saved(made, tmp_path / "one.safetensors"), "g1")
        assert opened.encoder.shape == made.shape and not opened.encoder.training
        assert opened.method == ("layered" if isinstance(made, LayeredEncoder) else "encoder")
        assert torch.allclose(opened.encoder(image)["z"], made(image)["z"], atol=5e-3)  # half precision
        check_fit(opened, shape)


def test_an_inverter_of_another_generator_is_refused_by_its_digest(tmp_path):
    path = saved(layered(read_shape(generator())), tmp_path / "one.safetensors", generator_digest(generator(1)))
    open_inverter(path, generator_digest(generator(1)))
    with pytest.raises(RequestError, match=r"belongs to the generator \w+, this one is \w+: an inverter knows one generator"):
        open_inverter(path, generator_digest(generator(2)))


def test_an_inverter_that_does_not_fit_is_refused(tmp_path):
    path = saved(layered(read_shape(generator())), tmp_path / "one.safetensors")
    opened = open_inverter(path)
    shape = read_shape(generator())
    with pytest.raises(RequestError, match="gives 8 numbers for images of 16 pixels; this generator takes 9 and makes 16"):
        check_fit(opened, dataclasses.replace(shape, latent=9))
    wider = (LayerShape("layer1", 17, 4, 4), *shape.layers[1:])
    with pytest.raises(RequestError, match="other layers"):
        check_fit(opened, dataclasses.replace(shape, layers=wider))


def test_an_inverter_is_found_by_whom_it_belongs_to(tmp_path, monkeypatch):
    monkeypatch.setattr(inverter_files, "builtin_folder", lambda: tmp_path / "shipped")
    shape = read_shape(generator())
    result = saved(layered(shape), tmp_path / "shipped" / "a.safetensors", "g1")
    two = saved(DirectEncoder(DirectShape.of(shape, 4, 4)), tmp_path / "store" / "b.safetensors", "g1")
    (tmp_path / "store" / "torn.safetensors").write_bytes(b"torn")
    assert find_inverter("g1", "layered") == result and find_inverter("g1", "encoder") is None
    assert find_inverter("g1", "encoder", [tmp_path / "store"]) == two
    assert find_inverter("g2", "layered", [tmp_path / "store"]) is None


def small_reference():
    """The published layout at a tenth of its width."""
    layers = tuple(LayerShape(name, 12, side, side) for name, side in inverter_files.REFERENCE)
    trunk = Trunk((4, 6, 8, 10), (1, 2, 2, 2), 2, 7, 2, 2)
    return LayeredEncoder(LayeredShape(256, 9, layers, trunk, 12, True, True, ("layer3", "layer4"))).eval()


def theirs(name):
    return "model." + name.replace("features.head.", "resnet.layer5.conv5.").replace("features.", "resnet.")


def test_a_published_encoder_opens_in_the_same_class(tmp_path):
    torch.manual_seed(0)
    made = small_reference()
    state = {theirs(name): value for name, value in made.state_dict().items()}
    assert len(state) == 177 and "model.resnet.layer5.conv5.weight" in state
    path = tmp_path / "church_invert_hybrid_cse-43e52428.pth"
    torch.save({"epoch": 1000, "state_dict": state, "lr": 1e-5, "optimizer": {"step": 3}}, path)
    opened = open_inverter(path)
    assert opened.method == "layered" and opened.generator is None and opened.encoder.shape == made.shape
    image = torch.rand(1, 3, 256, 256) * 2 - 1
    with torch.no_grad():
        result, wanted = opened.encoder(image), made(image)
    assert all(torch.equal(result[name], wanted[name]) for name in wanted)


def test_a_file_of_something_else_is_refused(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(RequestError, match="neither an inverter of ganaudit nor a published layered encoder"):
        open_inverter(tmp_path / "other.pth")
    made = small_reference()
    state = {theirs(name): value for name, value in made.state_dict().items()}
    del state["model.inv2.bn1.weight"]
    torch.save(state, tmp_path / "partial.pth")
    with pytest.raises(RequestError, match=r"inv2.bn1.weight is missing"):
        open_inverter(tmp_path / "partial.pth")
    torch.save({"state_dict": state, "run": print}, tmp_path / "code.pth")
    with pytest.raises(RequestError, match="refused"):
        open_inverter(tmp_path / "code.pth")
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, tmp_path / "plain.safetensors")
    with pytest.raises(RequestError, match="is no inverter"):
        open_inverter(tmp_path / "plain.safetensors")
