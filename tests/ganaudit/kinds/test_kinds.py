"""Every kind that ships describes itself; a name that is not there is answered with the nearest that is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ganaudit import kinds
from ganaudit.errors import RequestError
from ganaudit.kinds.page import written
from ganaudit.options import Part

DOCS = Path(__file__).parents[3] / "docs" / "audit-file.md"
EVERY = [(room, name) for room in kinds.REGISTRIES for name in kinds.names(room)]


@pytest.mark.parametrize("room, name", EVERY)
def test_every_kind_says_what_it_is_and_has_a_sentence_under_each_key(room, name):
    kind = kinds.find(room, name)
    assert kind.name == name and kind.summary and callable(kind.open)
    assert issubclass(kind.options, Part) and kind.options.model_config["frozen"]
    assert [key for key, field in kind.options.model_fields.items() if not field.description] == []


def test_the_rooms_hold_what_ships():
    assert kinds.names("generators") == [
        "auto", "biggan", "dcgan", "diffusers", "lia", "ogan", "onnx", "progan", "r3gan", "stylegan", "stylegan2", "stylegan3",
        "torchscript", "module:factory",
    ]  # fmt: skip
    assert kinds.names("parsers") == [
        "grounding_dino", "masks", "mit_semseg", "onnx", "owl", "sam3", "torchscript", "torchvision", "torchvision_instances",
        "transformers", "unet", "upp", "module:factory",
    ]  # fmt: skip
    assert kinds.names("datasets") == [
        "cifar", "csv", "folder", "idx", "lmdb", "masks", "npy", "parquet", "tar", "village", "zip", "module:factory",
    ]  # fmt: skip
    assert kinds.names("features") == []
    assert set(kinds.summaries("generators")) == set(kinds.names("generators")) | set(kinds.names("datasets"))
    assert kinds.names_at("truth") == ["masks", "village"]


@pytest.mark.parametrize("room, name, words", [
    ("generators", "progam", r"no 'progam' among the generators; did you mean 'progan'\? There are: auto, biggan, dcgan, "),
    ("parsers", "zzz", "no 'zzz' among the parsers; there are: grounding_dino, masks, mit_semseg, onnx, owl, sam3, "),
    ("datasets", "foldr", "did you mean 'folder'"), ("inverters", "layerwis", "did you mean 'layerwise'"),
    ("features", "", "no '' among the features"), ("generators", "opening", "no 'opening' among"),
    ("inverters", "module", "no 'module' among"),
])  # fmt: skip
def test_an_unknown_kind_is_told_the_nearest_one_and_all_there_are(room, name, words):
    with pytest.raises(RequestError, match=words):
        kinds.find(room, name)


def test_whatever_holds_a_colon_is_a_factory():
    assert kinds.find("parsers", "my.models:make").name == "module:factory"
    assert kinds.live("my.models:make") is kinds.find("generators", "a:b") and kinds.live("folder") is None


def test_the_page_s_table_is_that_of_the_kinds():
    page = DOCS.read_text(encoding="utf-8")
    assert written(page) == page, "run: make docs"


def test_loading_an_audit_imports_no_heavy_library():
    demo = Path(kinds.__file__).parents[1] / "village" / "demo-all.yaml"
    heavy = "{'torch', 'pandas', 'pyarrow', 'duckdb', 'scipy', 'prefect'}"
    code = f"import sys, ganaudit; ganaudit.load({str(demo)!r}); print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
