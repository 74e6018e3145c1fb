"""NVIDIA's TensorFlow networks are read as tensors by name; their source text never runs, and odd ones get a sentence."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorflow_pickles import SOURCE, Network, generator, network, pickled

from ganaudit.checkpoints import read_checkpoint, unpickled
from ganaudit.conversion import convert
from ganaudit.errors import RequestError
from ganaudit.state_dicts import state_dicts

FORTRAN = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
VARIABLES = {
    "dlatent_avg": np.arange(3, dtype=np.float32), "mapping/Dense0/weight": FORTRAN, "synthesis/lod": np.float32(0.1),
    "synthesis/4x4/Const/const": np.ones((1, 2, 4, 4), np.float32), "synthesis/large": np.float64(1e300),
}  # fmt: skip


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "n.pkl"


@pytest.mark.parametrize("module", ["dnnlib.tflib.network", "tfutil"])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_variables_are_tensors_by_the_names_of_the_networks_that_they_are_in(here, module, protocol):
    nets = (
        generator("G", {}), network("D", {"x": np.zeros(2, np.float32)}), generator("Gs", VARIABLES, resolution=4, label_size=0)
    )  # fmt: skip
    here.write_bytes(pickled(nets, module, protocol))
    found = unpickled(here, here.read_bytes())
    assert list(found.content) == ["G", "D", "Gs"] and not os.path.exists("CANARY")
    average = found.content["Gs"]
    assert average["class_name"] == "Gs_main" and average["static_kwargs"] == {"resolution": 4, "label_size": 0}
    assert average["version"] == 4 and set(average["state_dict"]) == set(VARIABLES)
    for name, value in VARIABLES.items():
        read = average["state_dict"][name].numpy()
        assert read.shape == np.shape(value) and read.dtype == value.dtype and np.array_equal(read, value), name
    assert all("source text" in left for left in found.left_out) and SOURCE not in str(found)
    places = [where for where, _ in state_dicts(found.content)]
    assert places == ["Gs.state_dict"]  # the average alone: G is empty here, and D no generator


def test_such_a_file_does_run_where_pickle_itself_reads_it(here, monkeypatch):
    monkeypatch.setattr(Network, "__module__", "tensorflow_pickles")
    pickle.loads(pickle.dumps(network("G", {})))
    assert os.path.exists("CANARY")


def test_it_is_converted_to_the_bit(here):
    here.write_bytes(pickled((network("G", {"a": FORTRAN}), generator("Gs", VARIABLES))))
    card = convert("n.pkl", here.parent / "out")
    assert set(card["files"]) == {"n.G.state_dict.safetensors", "n.Gs.state_dict.safetensors"}
    read = load_file(here.parent / "out" / "n.Gs.state_dict.safetensors")
    assert {name: value.numpy().tobytes() for name, value in read.items()} == {
        name: np.ascontiguousarray(value).tobytes() for name, value in VARIABLES.items()
    }
    assert card["values"]["Gs"]["class_name"] == "Gs_main" and SOURCE not in str(card)


def within(depth):
    made = network("G", {})
    for _ in range(depth):
        made = network("G", {}, {"a": made})
    return made


def round_trip():
    made = network("G", {}, {})
    made.state["components"]["a"] = made
    return made


class Call:
    def __reduce__(self):
        return os.mkdir, ("CANARY",)


ODD = {
    "no variables": (lambda: network("G", None), "no variables by name"),
    "numbers for variables": (lambda: network("G", [1, 2]), "no variables by name"),
    "variables of three": (lambda: network("G", [("a", FORTRAN, 1)]), "no variables by name"),
    "a variable without a name": (lambda: network("G", [(1, FORTRAN)]), "no variables by name"),
    "one name twice": (lambda: network("G", [("a", FORTRAN), ("a", FORTRAN)]), "two variables in it are called a"),
    "one name at two depths": (lambda: network("G", {"b/a": FORTRAN}, {"b": network("b", {"a": FORTRAN})}), "called b/a"),
    "no networks inside": (lambda: network("G", {}, {"a": FORTRAN}), "made of something else than networks"),
    "a list of networks inside": (lambda: network("G", {}, [network("a", {})]), "made of something else than networks"),
    "two of one name": (lambda: (network("G", {}), network("G", {})), "not told apart"),
    "none of a name": (lambda: (network("G", {}), Network(variables=[])), "not told apart"),
    "itself inside": (round_trip, "nested more than 100 deep"), "very deep": (lambda: within(150), "nested more than 100 deep"),
    "a call for a variable": (lambda: network("G", {"a": Call()}), r"asks for posix\.mkdir"),
    "a call for an argument": (lambda: network("G", {}, label=Call()), r"asks for posix\.mkdir"),
    "objects in an array": (lambda: network("G", {"a": np.array([Call()], object)}), r"asks for posix\.mkdir"),
    "texts in an array": (lambda: network("G", {"a": np.array(["a"])}), "no plain number"),
    "another byte order": (lambda: network("G", {"a": FORTRAN.astype(">f4")}), "no plain number of this machine"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ODD))
def test_an_odd_or_hostile_one_gets_a_sentence_and_runs_nothing(here, name):
    make, words = ODD[name]
    here.write_bytes(pickled(make()))
    with pytest.raises(RequestError, match=words) as told:
        read_checkpoint(here)
    assert str(told.value).startswith(f"weights {here} are refused") and "\n" not in str(told.value)
    assert len(str(told.value)) < 300 + len(str(here)) and not os.path.exists("CANARY")


def test_one_that_asks_for_more_than_its_file_holds_is_refused(here):
    whole = pickled(network("G", {"a": np.zeros(1000, np.float32)}))
    here.write_bytes(whole.replace(b"M\xe8\x03", b"M\xff\xff"))  # its side
    assert here.read_bytes() != whole
    with pytest.raises(RequestError, match=r"larger than the file|reaches beyond"):
        read_checkpoint(here)
    here.write_bytes(whole[:-2000])
    with pytest.raises(RequestError, match="cut off or damaged"):
        read_checkpoint(here)


def test_an_average_style_beside_a_network_is_of_it(tmp_path):
    inside, average = {"input.input": torch.ones(1, 2, 4, 4)}, torch.arange(3.0)
    content = {"g_ema": inside, "g_optim": {"state": {"a": torch.zeros(1)}}, "latent_avg": average}
    assert ("g_ema", ["input.input", "latent_avg"]) in [(where, list(found)) for where, found in state_dicts(content)]
    torch.save(content, tmp_path / "n.pt")
    card = convert(str(tmp_path / "n.pt"), tmp_path)
    assert card["files"]["n.g_ema.safetensors"] == {"keys": "g_ema", "tensors": 2} and "n.safetensors" not in card["files"]
    read = load_file(tmp_path / "n.g_ema.safetensors")
    assert torch.equal(read["latent_avg"], average) and torch.equal(read["input.input"], inside["input.input"])
    torch.save({"latent_avg": average, "epoch": 3}, tmp_path / "m.pt")  # beside nothing, it is kept as what it is
    assert convert(str(tmp_path / "m.pt"), tmp_path)["files"] == {"m.safetensors": {"keys": "", "tensors": 1}}
