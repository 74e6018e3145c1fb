"""A checkpoint is hostile until proven otherwise: it is refused with its reason, and none of its code runs."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from ganaudit import weights
from ganaudit.errors import RequestError
from ganaudit.generators.networks import dcgan, progan
from ganaudit.parsers.networks import unet
from ganaudit.parsers.segmentation import unet_parser
from ganaudit.spec.checkpoints import card_step, metadata_step


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def saved(path: Path, tensors=None, metadata=None) -> Path:
    save_file(network().state_dict() if tensors is None else tensors, path, metadata)
    return path


class Hostile:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_the_hostile_pickle_of_these_tests_does_run_code_where_it_is_trusted(tmp_path):
    pickle.loads(pickle.dumps(Hostile(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pkl", ".bin", ".ckpt", ".safetensors", ""])
@pytest.mark.parametrize("wrapped", ["alone", "in a torch zip", "in an old torch file", "beside tensors"])
def test_a_pickle_that_runs_code_is_refused_and_does_not_run_it(tmp_path, suffix, wrapped):
    path, ran = tmp_path / f"weights{suffix}", tmp_path / "ran"
    hostile = Hostile(ran)
    if wrapped == "alone":
        path.write_bytes(pickle.dumps(hostile, protocol=2))
    elif wrapped == "in a torch zip":
        torch.save(hostile, path)
    elif wrapped == "in an old torch file":
        torch.save({"w": hostile}, path, _use_new_zipfile_serialization=False)
    else:
        torch.save({"state_dict": network().state_dict(), "extra": hostile}, path)
    with pytest.raises(RequestError, match=str(path)):
        weights.load(str(path))
    assert not ran.exists()


def test_a_plain_pickle_is_refused_in_one_sentence_without_a_warning(tmp_path):
    (tmp_path / "n.pth").write_bytes(pickle.dumps(Hostile(tmp_path / "ran"), protocol=4))  # of which torch warns
    with warnings.catch_warnings(record=True) as told, pytest.raises(RequestError, match=r"n\.pth are refused"):
        warnings.simplefilter("always")
        weights.load("n.pth", tmp_path)
    assert told == [] and not (tmp_path / "ran").exists()


def test_a_whole_pickled_network_is_refused(tmp_path):
    torch.save(network(), tmp_path / "n.pt")
    with pytest.raises(RequestError, match=r"asks for torch\.nn\.modules.*save its state dict"):
        weights.load("n.pt", tmp_path)


@pytest.mark.parametrize("value", [{}, [], {"a": 1}, {"a": {"b": torch.zeros(1)}}, torch.zeros(2), 5, None])
def test_what_is_no_state_dict_is_refused(tmp_path, value):
    torch.save(value, tmp_path / "n.pt")
    with pytest.raises(RequestError, match="hold no state dict"):
        weights.load("n.pt", tmp_path)


@pytest.mark.parametrize("wrap", [lambda s: s, *(lambda s, k=k: {k: s, "step": 3} for k in ("state_dict", "params_ema"))])
def test_a_tensor_only_torch_file_gives_the_tensors_of_the_safetensors_file(tmp_path, wrap):
    own = network().state_dict()
    torch.save(wrap(own), tmp_path / "n.pt")
    result = weights.load("n.pt", tmp_path)
    other = weights.load(str(saved(tmp_path / "n.safetensors", metadata={"a": "b"})))
    assert result.tensors.keys() == other.tensors.keys() == own.keys()
    assert all(torch.equal(result.tensors[name], other.tensors[name]) for name in own)
    assert other.metadata == {"a": "b"}


def test_the_digest_is_of_the_file_s_bytes_and_is_insisted_on(tmp_path):
    path = saved(tmp_path / "n.safetensors")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert weights.load(str(path)).sha256 == weights.load(str(path), sha256=digest).sha256 == digest
    with pytest.raises(RequestError, match=f"{digest}.*not {'0' * 64}"):
        weights.load(str(path), sha256="0" * 64)


def test_a_wrong_digest_is_said_before_the_file_is_parsed(tmp_path):
    (tmp_path / "n.pt").write_bytes(b"torn")
    with pytest.raises(RequestError, match="SHA-256"):
        weights.load("n.pt", tmp_path, "0" * 64)


@pytest.mark.parametrize("name, reason", [
    ("none.safetensors", "do not exist"), ("", "names nothing"), (".", "do not exist"), ("a/b", "do not exist"),
    ("folder", "are a folder; a file is wanted"), ("folder/", "are a folder"), ("pipe", "do not exist"),
    ("/dev/zero", "do not exist"), ("circle", "symbolic links"), ("a\0b.pt", "NUL"),
    ("~nosuchuser/n.pt", "no home folder"), ("x" * 300, "too long"), ("x/" * 3000, "too long"),
    ("\ud800.pt", "no UTF-8"),
])  # fmt: skip
def test_what_is_no_file_is_told(tmp_path, name, reason):
    (tmp_path / "folder").mkdir()
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RequestError, match=reason) as caught:
        weights.load(name, tmp_path)
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


def test_a_file_nobody_may_read_is_said_to_be_that(tmp_path, monkeypatch):
    path = saved(tmp_path / "n.safetensors")

    def refuse(self, *_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(RequestError, match="cannot be read: Permission denied"):
        weights.load(str(path))


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_file_cut_anywhere_is_refused(tmp_path, suffix):
    whole = tmp_path / f"n{suffix}"
    if suffix == ".pt":
        torch.save(network().state_dict(), whole)
    else:
        saved(whole)
    content = whole.read_bytes()
    for length in [0, 1, 4, 8, 20, len(content) // 2, len(content) - 1]:
        whole.write_bytes(content[:length])
        with pytest.raises(RequestError, match=str(whole)):
            weights.load(str(whole))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=60),
    suffix=st.sampled_from([".safetensors", ".pt"]),
    start=st.sampled_from([b"", b"\x80\x02", b"PK"]),
)
def test_no_bytes_whatever_break_the_loader(tmp_path, content, suffix, start):
    path = tmp_path / f"n{suffix}"
    path.write_bytes(start + content)
    with pytest.raises(RequestError):
        weights.load(str(path))


def test_torch_zips_with_a_damaged_pickle_inside_are_refused(tmp_path):
    torch.save(network().state_dict(), tmp_path / "n.pt")
    with zipfile.ZipFile(tmp_path / "n.pt") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    random = np.random.default_rng(0)
    pickled = next(name for name in entries if name.endswith("data.pkl"))
    refused = 0
    for _ in range(40):
        body = bytearray(entries[pickled])
        body[random.integers(len(body))] = random.integers(256)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in entries.items():
                archive.writestr(name, bytes(body) if name == pickled else content)
        (tmp_path / "damaged.pt").write_bytes(buffer.getvalue())
        try:
            weights.load("damaged.pt", tmp_path)
        except RequestError:
            refused += 1
    assert refused > 5


def test_built_in_models_are_found_by_name_and_an_unknown_one_is_told_which_there_are():
    assert "village" in weights.builtin_names()
    assert weights.locate("builtin:village").is_file()
    with pytest.raises(RequestError, match=r"no built-in weights 'vilage'; there are .*village"):
        weights.load("builtin:vilage")
    with pytest.raises(RequestError, match="no built-in weights"):
        weights.load("builtin:../village")


def test_a_path_is_relative_to_the_folder_and_may_start_at_home(tmp_path, monkeypatch):
    path = saved(tmp_path / "größe 1.safetensors")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (
        weights.locate("größe 1.safetensors", tmp_path) == weights.locate(str(path)) == weights.locate("~/größe 1.safetensors")
    )


# filling a network


def loaded(tensors, path=Path("w.safetensors"), metadata=None) -> weights.Weights:
    return weights.Weights(tensors, metadata or {}, "0" * 64, path)


def test_a_filled_network_holds_the_weights_in_float32_is_frozen_and_in_eval_mode():
    own = {name: value.half() if value.is_floating_point() else value for name, value in network().state_dict().items()}
    torch.manual_seed(9)
    filled = weights.network(loaded(own), lambda _: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)))
    assert all(torch.equal(value, own[name].to(value.dtype)) for name, value in filled.state_dict().items())
    assert {value.dtype for value in filled.parameters()} == {torch.float32}
    assert not filled.training and not any(value.requires_grad for value in filled.parameters())


def without(name):
    return lambda state: {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize("change, reason", [
    (without("0.bias"), "0.bias is missing"), (without("1.running_mean"), "1.running_mean is missing"),
    (lambda s: {**s, "2.weight": torch.zeros(1)}, "2.weight is unknown"),
    (lambda s: {**s, "0.weight": torch.zeros(3, 4)}, r"0.weight is \(3, 4\), not \(4, 3\)"),
])  # fmt: skip
def test_weights_of_another_architecture_are_refused_naming_what_does_not_fit(change, reason):
    with pytest.raises(RequestError, match=f"w.safetensors are of another architecture: {reason}"):
        weights.network(loaded(change(network().state_dict())), lambda _: network())


def test_the_counter_of_batch_norm_may_be_left_out():
    weights.network(loaded(without("1.num_batches_tracked")(network().state_dict())), lambda _: network())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value):
    state = {name: entry.clone() for name, entry in network().state_dict().items()}
    state["0.weight"][1, 1] = value
    with pytest.raises(RequestError, match=r"not finite: 0\.weight"):
        weights.network(loaded(state), lambda _: network())


def test_variances_below_0_are_refused():
    state = {name: entry.clone() for name, entry in network().state_dict().items()}
    state["1.running_var"][0] = -0.5
    with pytest.raises(RequestError, match=r"mean squares below 0: 1\.running_var"):
        weights.network(loaded(state), lambda _: network())


def test_a_name_in_a_file_reaches_no_terminal_as_it_is():
    with pytest.raises(RequestError, match=r"architecture: 0\.\\x1b\[2Jweight\\nall is well is unknown") as told:
        weights.network(loaded({**network().state_dict(), "0.\x1b[2Jweight\nall is well": torch.ones(1)}), lambda _: network())
    assert str(told.value).isprintable()


BODIES = [
    (dcgan.from_weights, lambda: dcgan.dcgan(4, 8, (6, 4))), (progan.from_weights, lambda: progan.progan(4, 8, ((6, 6), (4,)))),
    (unet.from_weights, lambda: unet.UNet((4, 6, 8), 5)),
]  # fmt: skip


@pytest.mark.parametrize("build, whole", BODIES)
def test_no_tensor_of_a_wrong_shape_and_no_missing_one_gets_past_the_builders(build, whole):
    state = whole().state_dict()
    for name, value in state.items():
        for wrong in (None, torch.zeros(()), torch.zeros(3), torch.zeros((2, *value.shape)), torch.zeros(5, 5, 5, 5, 5)):
            optional = wrong is None and name.endswith("num_batches_tracked")
            if optional or (wrong is not None and wrong.shape == value.shape):
                continue
            changed = without(name)(state) if wrong is None else {**state, name: wrong}
            with pytest.raises(RequestError):
                weights.network(loaded(changed), build)


def test_a_hostile_file_cannot_ask_for_more_memory_than_it_holds():
    wide = torch.zeros(200_000)  # as widths of a UNet: a convolution of 360 GB
    state = {"down.0.0.weight": wide, "down.1.0.weight": wide, "head.weight": torch.zeros(5, 1, 1, 1)}
    with pytest.raises(RequestError, match="another architecture"):
        weights.network(loaded(state), unet.from_weights)


@pytest.mark.parametrize("wanted, made", [(i, j) for i in range(3) for j in range(3) if i != j])
def test_weights_of_one_family_are_refused_by_the_others(wanted, made):
    state = BODIES[made][1]().state_dict()
    with pytest.raises(RequestError, match=r"^weights .*: these are not the weights of a "):
        weights.network(loaded(state), BODIES[wanted][0])


@pytest.mark.parametrize("metadata, reason", [
    ({}, "do not name their classes"), ({"classes": "nonsense"}, "do not name their classes"),
    ({"classes": "5"}, "do not name their classes"), ({"classes": '"abcde"'}, "do not name their classes"),
    ({"classes": '["a", "b"]'}, "name 2 classes and have 5 outputs"),
    ({"classes": json.dumps(list("abcde")), "resolution": "big"}, "resolution"),
])  # fmt: skip
def test_a_parser_without_usable_metadata_is_refused(metadata, reason):
    with pytest.raises(RequestError, match=reason):
        unet_parser(loaded(BODIES[2][1]().state_dict(), metadata=metadata), "cpu", "float32")


def test_the_card_stands_beside_the_weights_or_is_empty(tmp_path):
    path = saved(tmp_path / "a.b.safetensors")
    assert weights.card(path) == {}
    (tmp_path / "a.b.card.json").write_text('{"iterations": 7}')
    assert weights.card(path) == {"iterations": 7}


CARDS = {
    "torn": b"{torn", "nested thousands deep": b"[" * 100_000,
    "a mapping nested deep": b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "a list": b"[1, 2]", "a number": b"7", "null": b"null",
    "NaN": b'{"iterations": NaN}', "infinite": b'{"iterations": -Infinity}',
    "huge": b'{"a": "' + b"x" * 2_000_000 + b'"}', "no UTF-8": b"\xff\xfe{}", "empty": b"", "a huge number": b"9" * 5_000,
}  # fmt: skip


@pytest.mark.parametrize("kind", list(CARDS))
def test_a_card_that_is_none_says_nothing(tmp_path, kind):
    path = saved(tmp_path / "n.safetensors")
    (tmp_path / "n.card.json").write_bytes(CARDS[kind])
    assert weights.card(path) == {}
    assert card_step(path) is None


def test_a_folder_or_a_pipe_in_the_card_s_place_says_nothing(tmp_path):
    (tmp_path / "n.card.json").mkdir()
    os.mkfifo(tmp_path / "m.card.json")
    assert weights.card(tmp_path / "n.pt") == weights.card(tmp_path / "m.pt") == {}


@pytest.mark.parametrize("step", [True, -1, 1.5, 10**30, "1e3", "²", "9" * 5_000, None, [1], {}])
def test_a_step_that_is_no_step_is_none(tmp_path, step):
    path = saved(tmp_path / "n.safetensors", metadata={"step": str(step)})
    (tmp_path / "n.card.json").write_text(json.dumps({"iterations": step}))
    assert card_step(path) is None and metadata_step(path) is None


# files that ask for more than they hold


def header(fields, content=b"", length=None) -> bytes:
    text = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + content


F32 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
SAFETENSORS = {
    "a header of gigabytes": header({"a": F32}, bytes(4), length=3_000_000_000),
    "a header of all there is": header({"a": F32}, bytes(4), length=2**64 - 1),
    "offsets that overlap": header({"a": F32, "b": {**F32, "shape": [1]}}, bytes(8)),
    "offsets that run backwards": header({"a": {**F32, "data_offsets": [4, 0]}}, bytes(4)),
    "offsets behind the end": header({"a": {**F32, "data_offsets": [0, 4_000_000_000], "shape": [10**9]}}, bytes(4)),
    "a hole": header({"a": {**F32, "data_offsets": [4, 8]}}, bytes(8)), "bytes left over": header({"a": F32}, bytes(8)),
    "a shape that overflows": header({"a": {**F32, "shape": [2**63, 2**63]}}, bytes(4)),
    "a negative shape": header({"a": {**F32, "shape": [-1]}}, bytes(4)),
    "another shape than bytes": header({"a": {**F32, "shape": [2]}}, bytes(4)),
    "an unknown type": header({"a": {**F32, "dtype": "F31"}}, bytes(4)),
    "a list": header([]), "metadata that are numbers": header({"__metadata__": {"step": 3}, "a": F32}, bytes(4)),
    "nested deep": header(b'{"a":' * 20_000), "no JSON": header(b"{torn"),
    "one name twice": header(
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(8)
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(SAFETENSORS))
def test_a_safetensors_file_that_lies_about_itself_is_refused(tmp_path, kind):
    (tmp_path / "n.safetensors").write_bytes(SAFETENSORS[kind])
    with pytest.raises(RequestError, match=r"n\.safetensors are no usable safetensors file"):
        weights.load("n.safetensors", tmp_path)


def test_a_zip_that_unpacks_to_more_than_it_holds_is_refused_before_it_is_unpacked(tmp_path):
    torch.save({"a": torch.zeros(30_000_000)}, buffer := io.BytesIO())
    with zipfile.ZipFile(buffer) as plain, zipfile.ZipFile(tmp_path / "n.pt", "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in plain.namelist():
            bomb.writestr(name, plain.read(name))
    assert (tmp_path / "n.pt").stat().st_size < 1_000_000
    with pytest.raises(RequestError, match="bytes that unpack to 120,"):
        weights.load("n.pt", tmp_path)


@pytest.mark.parametrize("tensor, reason", [
    (torch.zeros(1).expand(10**6), "larger than the file"), (torch.zeros(1).expand(10**5, 10**5), "larger than the file"),
    (torch.zeros(2, dtype=torch.complex64), "complex"), (torch.eye(2).to_sparse(), "sparse"),
    (torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), "quantised"), (torch.empty(3, device="meta"), "meta"),
    (torch.eye(2).to_sparse_csr(), "sparse"),
])  # fmt: skip
def test_tensors_that_are_no_plain_numbers_are_refused_by_name(tmp_path, tensor, reason):
    torch.save({"fine": torch.zeros(2), "layer.weight": tensor}, tmp_path / "n.pt")
    with pytest.raises(RequestError, match=f"n\\.pt .*layer.weight.*{reason}|n\\.pt .*{reason}.*layer.weight|are refused"):
        weights.load("n.pt", tmp_path)


def test_complex_numbers_in_safetensors_are_refused(tmp_path):
    saved(tmp_path / "n.safetensors", {"a": torch.zeros(2, dtype=torch.complex64)})
    with pytest.raises(RequestError, match=r"a is complex|no usable"):
        weights.load("n.safetensors", tmp_path)


def test_many_names_for_one_tensor_are_refused_where_they_are_too_many_and_a_few_are_not(tmp_path):
    shared = torch.zeros(1_000_000)
    torch.save({"a": shared, "b": shared}, tmp_path / "two.pt")
    assert weights.load("two.pt", tmp_path).tensors.keys() == {"a", "b"}
    torch.save({str(n): shared for n in range(50)}, tmp_path / "many.pt")
    with pytest.raises(RequestError, match="larger than the file"):
        weights.load("many.pt", tmp_path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_what_is_digested_is_what_is_loaded_though_the_file_changes_meanwhile(tmp_path, monkeypatch, suffix):
    path, other = tmp_path / f"n{suffix}", tmp_path / f"other{suffix}"
    for place, value in ((path, 1.0), (other, 2.0)):
        tensors = {"a": torch.full((3,), value)}
        saved(place, tensors) if suffix == ".safetensors" else torch.save(tensors, place)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    reads = weights.read_bytes

    def read_and_replace(file):
        content = reads(file)
        other.replace(path)
        return content

    monkeypatch.setattr(weights, "read_bytes", read_and_replace)
    result = weights.load(str(path), sha256=digest)
    assert result.sha256 == digest and result.tensors["a"].tolist() == [1.0] * 3


@pytest.mark.parametrize(("name", "told"), [
    ("church-{0:.8}.pth", False), ("church-{0:.64}.pth", False), ("church-{1:.8}.pth", True), ("church-{1}.safetensors", True),
    ("church-{1:.7}.pth", False), ("church-20260101.pth", False), ("church_{1:.8}.pth", False), ("church-{1:.8}.v2.pth", False),
])  # fmt: skip
def test_a_digest_in_a_file_name_is_checked(tmp_path, name, told):
    own, other = "0f" * 32, "ab" * 32
    path = tmp_path / name.format(own, other)
    said = weights.misnamed(path, own)
    assert (said is not None) == told and (said is None or (path.name in said and "0f0f0f0f" in said and "abababab" in said))


def test_a_folder_in_the_place_of_a_file_is_told_by_the_files_in_it(tmp_path):
    folder = tmp_path / "checkpoint-1000"
    folder.mkdir()
    for name in ("model.safetensors", "optimizer.bin", "trainer_state.json"):
        (folder / name).touch()
    with pytest.raises(RequestError, match=r"checkpoint-1000 are a folder; a file .*model\.safetensors, optimizer\.bin$"):
        weights.locate("checkpoint-1000", tmp_path)
