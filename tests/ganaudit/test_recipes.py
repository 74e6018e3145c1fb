"""What an audit's content keys were before kinds described themselves, they are now, but for the version of the records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as pillow
from safetensors.torch import save_file

from ganaudit import devices
from ganaudit.auditing.plan import plan
from ganaudit.keys import source_key
from ganaudit.spec import load, parse

DEMO = Path(__file__).parents[2] / "ganaudit" / "village" / "demo-all.yaml"
MINE = """
import numpy as np, torch
from ganaudit import ClassInfo, Image, Labels
from ganaudit.random import normals

class Noise:
    resolution, layers = 8, ()
    def __init__(self, light=0.0): self.light = torch.tensor([light])
    def latents(self, seed, indices): return {"z": torch.from_numpy(normals(seed, "z", indices.numpy(), 192))}
    def run(self, state, after=None, upto=None):
        return {"image": torch.tanh(state["z"] + self.light).reshape(-1, 3, 8, 8)}

class Photos:
    def __init__(self, images=3): self.images = images
    def __len__(self): return self.images
    def image(self, index): return Image(np.full((8, 8, 3), 20 * index, np.uint8), f"image {index}")
    def recipe(self): return {"images": self.images}

class Dark:
    classes = (ClassInfo(1, "dark"), ClassInfo(2, "bright"))
    resolution = 8
    def parse(self, images):
        maps = 1 + (images.mean(dim=1) > 0).long()
        return Labels(maps, torch.ones_like(images[:, 0]))
"""
UNET = {"kind": "unet", "weights": "builtin:village"}
DARK = {"kind": "mine:Dark"}
MASKS = {"kind": "masks", "classes": {0: "void", 1: "a", 3: "b"}}
VILLAGE, FOLDER = {"kind": "village"}, {"kind": "folder", "path": "photos"}
LABELLED = {"kind": "masks", "path": "labelled", "void": 2, "size": [4, 4]}
TINY = {"weights": "tiny.safetensors"}
CASES = {
    "families": (UNET, VILLAGE, [
        {"kind": "dcgan", "weights": "builtin:village-wgan-gp"}, {"kind": "progan", "weights": "builtin:village-progan"},
        {"kind": "stylegan", "weights": "builtin:village-stylegan", "step": 3, "training": "t"},
    ], {"truth": {"name": "truth", **VILLAGE}}),
    "collections": (UNET, {**VILLAGE, "seed": 3, "prevalence": {"sun": 0.5}, "style": "redrawn", "artefact": "blur"}, [
        VILLAGE, {**VILLAGE, "seed": 2}, FOLDER, {**FOLDER, "seed": 1, "resize": [6, 8], "how": "stretch"}, LABELLED,
    ], {"sample": {"seed": 9}, "truth": {"name": "truth", **LABELLED}}),
    "own": (DARK, {"kind": "mine:Photos", "options": {"images": 4}}, [
        {"kind": "mine:Noise"}, {"kind": "mine:Noise", "options": {"light": 0.5}, "resize": 8, "how": "stretch"},
        {"kind": "dcgan", **TINY}, FOLDER,
    ], {"heldout": {"name": "held", **FOLDER}}),
    "masks": (MASKS, {**LABELLED, "seed": 4}, [LABELLED], {}),
}  # fmt: skip
KEYS = {'collections': {'resized_real real at 8 px': 'k680d76e7afa26d700bacbddb',
                 'generated 0': 'k491852352e7da9e942c1cbda',
                 'generated 1': 'ke8b3b45ebb79b44af12614dc',
                 'generated 2': 'k0e4929f950062dbcfc0099c5',
                 'generated 3': 'kbe218c9310d10725b2cd46d8',
                 'generated 4': 'k62554fda0e8e2a585f081cd3',
                 'parser': 'p0f27d42aff8bb14862a2dc38',
                 'real real': 'k5a09c1efa9fa3c017f87527f',
                 'truth truth': 'ka0a9fe0f6f65e8e53d5c8383'},
 'demo': {'generated no-people': 'k9e37b94a9517a53fc90a611e',
          'generated progan': 'kacaf6f23aba172bf6fa382d9',
          'generated stylegan': 'k393dd37e07fb3b8e358371df',
          'generated wgan-gp': 'kd59e02b4e41cf412b06c3fa1',
          'parser': 'p7c4532a6b8cc253e29fb889a',
          'real village': 'kc922740867e8fb4469d016ff',
          'truth village with its labels': 'kc87a7ebbbfeaae9bebdaedce'},
 'families': {'generated 0': 'kdde4bec0fd1ec8b1c85d3542',
              'generated 1': 'kb0ecb7f0f85cea239b6f37c9',
              'generated 2': 'kc4b7b31231a751a5545f6424',
              'parser': 'p0f27d42aff8bb14862a2dc38',
              'real real': 'kf402742cf5da89f7a5088831',
              'truth truth': 'kbcb1d2a6d115ec0e152b5788'},
 'masks': {'generated 0': 'k63cbdaaf7886f2197d957615',
           'parser': 'p7b0d45af19de24b10d8394cc',
           'real real': 'kb174437eaf2ae5047cec6f4f'},
 'own': {'generated 0': 'k25222416e657d72651913a48',
         'generated 1': 'k582ee7112dfbdaeebf95bf4d',
         'generated 2': 'k0908cda04b7574355e72b7ff',
         'generated 3': 'k7dd236076dbf10321698d73b',
         'heldout held': 'k7dd236076dbf10321698d73b',
         'parser': 'pabe49ed4eb7f8a96731cd765',
         'real real': 'k7a23abd8564445038997a93c'}}  # fmt: skip


@pytest.fixture(autouse=True)
def first_version(monkeypatch):
    """Keys as they were of records of the first version: what says which they are has not changed since."""
    monkeypatch.setattr(source_key, "__defaults__", (1,))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (home / "mine.py").write_text(MINE)
    for folder in ("photos", "labelled"):
        (home / folder).mkdir()
        for number in range(4):
            pillow.fromarray(np.full((8, 8, 3), 30 * number, np.uint8)).save(home / folder / f"{number}.png")
    for number in range(4):
        pillow.fromarray(np.full((8, 8), number, np.uint8)).save(home / "labelled" / f"{number}.labels.png")
    from ganaudit.generators.networks.dcgan import dcgan

    torch.manual_seed(0)
    save_file({name: torch.full_like(value, 0.25) for name, value in dcgan(4, 8, (4,)).state_dict().items()},
              home / "tiny.safetensors")  # fmt: skip
    return home


def keys(planned):
    return {"parser": planned.parser_key, **{f"{source.role} {source.name}": source.key for source in planned.sources}}


def case(home, name):
    parser, real, generators, further = CASES[name]
    return parse({
        "name": "n", "folder": str(home), "store": "store", "parser": parser, "real": {"name": "real", **real},
        "generators": [{"name": f"{place}", **generator} for place, generator in enumerate(generators)],
        "run": {"device": "cpu", "precision": "float32"}, "sample": {"count": 4}, **further,
    })  # fmt: skip


@pytest.mark.parametrize("name", list(CASES))
def test_the_keys_of_every_kind_are_what_they_were(home, name):
    assert keys(plan(case(home, name))) == KEYS[name]


def test_the_demo_s_keys_are_what_they_were(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "has_bfloat16", lambda _: True)  # precision is in the parser's key
    spec = load(DEMO, tmp_path)
    assert keys(plan(spec.model_copy(update={"run": spec.run.model_copy(update={"device": "cpu"})}))) == KEYS["demo"]
