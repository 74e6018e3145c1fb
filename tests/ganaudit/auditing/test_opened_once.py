"""In an audit of two generators with inversion every model is opened once, by whoever asks first."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import torch
from safetensors.torch import save_file

from ganaudit import spec as specs
from ganaudit import weights
from ganaudit.auditing.plan import plan
from ganaudit.auditing.run import audit
from ganaudit.context import PROCESS
from ganaudit.generators.networks.progan import progan

HERE = Path(__file__).parents[1]
LOGGED = """
from pathlib import Path
from ganaudit.generators.networks.progan import from_weights
from tiny_models import Brightness as Parser, Ramp
from ganaudit import weights

def logged(line):
    with (Path(__file__).parent / "log").open("a") as log:
        log.write(line + "\\n")

def make(weights):
    logged("generator")
    import ganaudit.weights as room
    return room.network(room.load(weights), from_weights)

def parser():
    logged("parser")
    return Parser()
"""


def test_every_model_is_opened_once(tmp_path, monkeypatch):
    for name in ("a", "b"):
        torch.manual_seed(ord(name))
        save_file(progan(4, 4, ((4,),)).state_dict(), tmp_path / f"{name}.safetensors")
    (tmp_path / "tiny_models.py").write_text((HERE / "tiny_models.py").read_text())
    (tmp_path / "logged.py").write_text(LOGGED)
    ramp = {"kind": "logged:Ramp", "options": {"images": 24}}
    spec = specs.parse({
        "name": "n", "folder": str(tmp_path), "store": "store", "parser": {"kind": "logged:parser"},
        "real": {"name": "real", **ramp}, "heldout": {"name": "held", **ramp}, "sample": {"count": 24},
        "generators": [{"name": "a", "kind": "progan", "weights": "a.safetensors"},
                       {"name": "b", "kind": "logged:make", "weights": "b.safetensors"}],
        "invert": {"images": 8, "own": 8, "masked": 2, "methods": ["latent"], "steps": 2},
        "decide": {"permutations": 0}, "run": {"device": "cpu", "workers": 2},
    })  # fmt: skip
    PROCESS.forget()
    made, network = [], weights.network
    monkeypatch.setattr(weights, "network", lambda found, shape: made.append(found.path.name) or network(found, shape))
    done = audit(spec)
    assert done.exit_code == 0 and len(done.findings["inversion_summary"]) > 0
    log = tmp_path / "log"
    assert Counter(log.read_text().split()) == {"generator": 1, "parser": 1}
    assert Counter(made) == {"a.safetensors": 1, "b.safetensors": 1}
    plan(spec)  # a user's objects are made anew: what their code reads may have changed
    assert Counter(log.read_text().split()) == {"generator": 2, "parser": 2} and made.count("a.safetensors") == 1
