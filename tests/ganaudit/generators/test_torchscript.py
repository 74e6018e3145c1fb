"""Kind `torchscript`: a program is sampled and searched as the module that it was made from, and only where it is trusted."""

from __future__ import annotations

import hashlib
import threading

import pytest
import torch
from torch import Tensor, nn

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.opening import open_generator
from ganaudit.kinds import find
from ganaudit.random import normals

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.up = nn.Sequential(
            nn.ConvTranspose2d(6, 5, 4), nn.BatchNorm2d(5), nn.ReLU(), nn.ConvTranspose2d(5, 3, 4, 2, 1), nn.Sigmoid()
        )

    def forward(self, z: Tensor) -> Tensor:
        x: Tensor = self.up(z)
        return x


class Classes(Net):
    def forward(self, z: Tensor, label: Tensor, gain: float = 1.0) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        return self.up(z + label[:, None, None, None]) * gain, label


class Writes(Net):
    def forward(self, z: Tensor) -> Tensor:
        torch.save(z, "written.pt")
        x: Tensor = self.up(z)
        return x


class Noisy(Net):
    def forward(self, z: Tensor) -> Tensor:
        return torch.rand_like(self.up(z))


def saved(folder, module: nn.Module, how: str = "script"):
    path = folder / f"{type(module).__name__}-{how}.pt"
    module.eval()
    made = torch.jit.trace(module, torch.randn(1, 6, 1, 1)) if how == "traced" else torch.jit.script(module)
    torch.jit.save(torch.jit.freeze(made) if how == "frozen" else made, path)
    return path


def options(path, kind: str = "torchscript", **said):
    said = {"trust": True, "latent": [6, 1, 1], "range": [0, 1]} | said
    said = {name: value for name, value in said.items() if value is not None and kind != "auto"}
    return find("generators", kind).options.model_validate({"name": "g", "kind": kind, "weights": str(path), **said})


def opened(path, **said):
    return open_generator(options(path, **said), Context())


@pytest.mark.parametrize("how", ["script", "traced", "frozen"])
def test_a_program_makes_the_images_of_its_module(tmp_path, how):
    module = Net().eval()
    found = opened(saved(tmp_path, module, how))
    state = found.generator.latents(1, torch.tensor([5, 3]))
    z = torch.from_numpy(normals(1, "latent z", [5, 3], 6))
    expected = module(z[:, :, None, None]) * 2.0 - 1.0
    assert torch.equal(state["z"], z) and torch.allclose(found.generator.run(state)["image"], expected, atol=1e-6)
    assert found.generator.resolution == (8, 8) and "is a TorchScript program" in found.notes[0]


def test_classes_and_further_inputs_are_given_and_the_first_output_taken(tmp_path):
    module = Classes().eval()
    found = opened(saved(tmp_path, module), classes=4, arguments={"gain": 0.5})
    state = found.generator.latents(1, torch.arange(6))
    expected = module(state["z"][:, :, None, None], state["label"], 0.5)[0] * 2.0 - 1.0
    assert torch.allclose(found.generator.run(state)["image"], expected, atol=1e-6) and len(set(state["label"].tolist())) > 1


def test_what_decides_its_images_is_in_the_key_and_its_path_is_not(tmp_path):
    path = saved(tmp_path, Classes())
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "renamed.pt"
    twin.write_bytes(path.read_bytes())
    said = [{"classes": 4}, {"classes": 3}, {"classes": 4, "label": 1}, {"classes": 4, "arguments": {"gain": 0.5}}]
    recipes = [opened(path, **each).recipe for each in [*said, {"classes": 4, "range": [0, 2]}]]
    assert len({str(recipe) for recipe in recipes}) == 5
    assert opened(twin, classes=4).recipe == opened(twin, classes=4, threads=1).recipe == recipes[0]
    assert recipes[0]["weights"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_images_between_0_and_1_are_told_what_says_so(tmp_path):
    notes = opened(saved(tmp_path, Net()), range=None).notes
    assert any("these look like [0, 1]; `range: [0, 1]` says" in note for note in notes)


class Counts(Net):
    """Two calls at once would meet in what it counts."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, z: Tensor) -> Tensor:
        before = self.calls
        self.calls = before + 1
        x: Tensor = self.up(z)
        return x + float(self.calls - before - 1)


def test_calls_wait_for_each_other_where_that_is_said(tmp_path):
    generator = opened(saved(tmp_path, Counts()), threads=1).generator
    state, wrong = generator.latents(1, torch.arange(1)), []
    expected = generator.run(state)["image"]

    def ask() -> None:
        wrong.extend(number for number in range(40) if not torch.equal(generator.run(state)["image"], expected))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and generator.network.calls >= 121


def test_it_is_not_run_without_trust(tmp_path):
    path = saved(tmp_path, Net())
    for kind, said in (("torchscript", {"trust": None}), ("auto", {})):
        with pytest.raises(RequestError, match=r"Net-script\.pt is a TorchScript program.*nothing was run.*trust: true"):
            open_generator(options(path, kind, **said), Context())
    with pytest.raises(RequestError, match="SHA-256"):
        opened(path, sha256="0" * 64)


def test_a_program_that_asks_for_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError, match=r"Writes-script\.pt is refused: it asks for torch\.save"):
        opened(saved(tmp_path, Writes()))
    assert not (tmp_path / "written.pt").exists()


def test_what_is_no_program_or_no_generator_is_told(tmp_path):
    torch.save(Net().state_dict(), tmp_path / "state.pth")
    with pytest.raises(RequestError, match=r"state\.pth is no TorchScript program"):
        opened(tmp_path / "state.pth")
    path = saved(tmp_path, Net())
    with pytest.raises(RequestError, match=r"Net-script\.pt does not say what it takes.*latent: 128"):
        opened(path, latent=None)
    with pytest.raises(RequestError, match=r"Net-script\.pt cannot be loaded and run: RuntimeError: .*"):
        opened(path, latent=7)
    with pytest.raises(RequestError, match=r"Net-script\.pt cannot be loaded and run: .*expected at most 2 argument"):
        opened(path, arguments={"gain": 1.0})
    torch.jit.save(torch.jit.script(nn.Linear(6, 4)), tmp_path / "linear.pt")
    with pytest.raises(RequestError, match=r"linear\.pt: what it gives has the shape 1×4, and images are"):
        opened(tmp_path / "linear.pt", latent=6)
    with pytest.raises(RequestError, match="image 0 has other pixels the second time"):
        opened(saved(tmp_path, Noisy()))
    torn = tmp_path / "torn.pt"
    torn.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(RequestError, match=r"torn\.pt"):
        opened(torn)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"label": 1}, "classes are not said"), ({"classes": 2, "label": 2}, "they count from 0"),
        ({"range": [1, 0]}, "black, 1, is not below white, 0"), ({"prior": "uniform", "truncation": 1.0}, "prior is uniform"),
    ],
)  # fmt: skip
def test_options_that_contradict_each_other_are_told(said, words):
    with pytest.raises(ValueError, match=words):
        options("n.pt", **said)
