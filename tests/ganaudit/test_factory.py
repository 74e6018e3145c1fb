"""`module:factory` is found beside the audit file, runs the code whose digest is in the key, and fails in one sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ganaudit import factory
from ganaudit.errors import RequestError


@pytest.fixture
def folder(tmp_path):
    def write(where: str = "a", **files: str) -> Path:
        for name, source in files.items():
            path = tmp_path / where / (name.replace("__in__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        return tmp_path / where

    return write


def test_a_factory_gets_the_options_and_its_answer_is_returned(folder):
    where = folder(mine="def make(depth, width=2):\n    return depth, width\n")
    assert factory.call("mine:make", where, {"depth": 3}) == (3, 2)
    assert factory.call("mine:make", where, {"depth": 3, "width": 5}) == (3, 5)


def test_the_folder_does_not_stay_on_the_path(folder):
    before = list(sys.path)
    factory.call("mine:make", folder(mine="def make(): return 1"), {})
    with pytest.raises(RequestError):
        factory.call("mine2:make", folder(mine2="raise KeyError(1)"), {})
    assert sys.path == before


def test_two_folders_may_hold_modules_of_one_name(folder):
    one, two = (folder(name, mine=f"def make(): return {name!r}") for name in ("one", "two"))
    assert [factory.call("mine:make", where, {}) for where in (one, two, one)] == ["one", "two", "one"]


def test_two_folders_may_hold_siblings_of_one_name(folder):
    code = "import nets\nfrom parts.layer import LAYER\ndef make(): return nets.NAME, LAYER"
    one, two = (
        folder(
            name, mine=code, nets=f"NAME = {name!r}", parts__in__layer=f"LAYER = {name!r}", parts__in____init__="",
        )
        for name in ("one", "two")
    )  # fmt: skip
    assert [factory.call("mine:make", where, {}) for where in (one, two)] == [("one", "one"), ("two", "two")]


def test_a_changed_sibling_is_run_and_not_the_one_that_was_there_before(folder):
    where = folder(mine="import nets\ndef make(): return nets.NAME", nets="NAME = 1")
    digest = factory.source_digest("mine:make", where)
    assert factory.call("mine:make", where, {}) == 1
    folder(nets="NAME = 23")
    assert factory.source_digest("mine:make", where) != digest
    assert factory.call("mine:make", where, {}) == 23


def test_a_sibling_named_like_a_library_does_not_take_the_library_from_the_program(folder):
    import json

    factory.call("mine:make", folder(mine="import json\ndef make(): return json", json="X = 1"), {})
    assert sys.modules["json"] is json


def test_a_sibling_that_is_imported_when_the_factory_runs_is_found(folder):
    where = folder(mine="def make():\n    import late_sibling\n    return late_sibling.X", late_sibling="X = 4")
    assert factory.call("mine:make", where, {}) == 4


def test_a_module_in_a_package_is_found_and_may_import_its_neighbours(folder):
    where = folder(
        pack__in____init__="", pack__in__models="from pack.nets import X\ndef make(): return X", pack__in__nets="X = 7"
    )
    assert factory.call("pack.models:make", where, {}) == 7


def test_a_module_in_a_package_may_import_its_neighbours_by_dots_and_nothing_of_another_folder_is_left(folder):
    code = "from . import nets\nfrom .nets import X\ndef make(): return X"
    one, two = (
        folder(name, pack__in____init__="", pack__in__models=code, pack__in__nets=f"X = {name!r}") for name in ("one", "two")
    )
    assert [factory.call("pack.models:make", where, {}) for where in (one, two)] == ["one", "two"]


def test_a_package_that_an_installed_one_hides_is_said_to_be_hidden(folder):
    where = folder(json__in____init__="", json__in__decoder="def make(): return 1")
    with pytest.raises(RequestError, match="hidden by the installed module"):
        factory.call("json.decoder:make", where, {})


def test_an_installed_module_is_found_too(folder):
    assert factory.call("yaml:ScalarNode", folder(), {"tag": "t", "value": 2}).value == 2
    assert factory.source_digest("yaml:ScalarNode", folder()) == factory.source_digest("yaml:Loader", folder())


@pytest.mark.parametrize("kind, files, reason", [
    ("mine:make", {}, "'mine' is neither in .* nor installed"),
    ("mine:mak", {"mine": "def make(): 1\ndef _hidden(): 1\nX = 3"}, "no function 'mak'; it has make$"),
    ("mine:X", {"mine": "X = 3"}, "no function 'X'; it has none"),
    ("mine:make", {"mine": "def make(:"}, r"mine\.py cannot be imported: SyntaxError"),
    ("mine:make", {"mine": "1 / 0"}, r"mine\.py cannot be imported: ZeroDivisionError"),
    ("mine:make", {"mine": "import no_such_library"}, "cannot be imported: ModuleNotFoundError: .*no_such_library"),
    ("mine:make", {"mine": "def make(): raise OSError('no disk')"}, "the factory raised OSError: no disk"),
    ("mine:make", {"mine": "def make(depth): 1"}, "does not take these options: missing a required argument: 'depth'"),
])  # fmt: skip
def test_what_goes_wrong_is_said_in_one_sentence(folder, kind, files, reason):
    (where := folder(**files)).mkdir(exist_ok=True)
    with pytest.raises(RequestError, match=reason):
        factory.call(kind, where, {})


def test_options_that_the_factory_does_not_take_are_named(folder):
    where = folder(mine="def make(depth=1): return depth")
    with pytest.raises(RequestError, match=r"mine:make: the factory does not take these options: .*'dept'"):
        factory.call("mine:make", where, {"dept": 1})


def test_a_type_error_inside_the_factory_is_not_blamed_on_the_options(folder):
    where = folder(mine="def make(): return 1 + 'a'")
    with pytest.raises(RequestError, match="the factory raised TypeError"):
        factory.call("mine:make", where, {})


# the digest

SOURCES = {
    "mine": "import nets\nfrom pack import layers\nimport os, numpy\n",
    "nets": "from pack.deep import x\n",
    "pack__in____init__": "from .hidden import y\n",
    "pack__in__layers": "from . import blocks\n",
    "pack__in__deep": "x = 1\n",
    "pack__in__hidden": "y = 1\n",
    "pack__in__blocks": "",
}


def digest(folder, where, **changes):
    return factory.source_digest("mine:make", folder(where, **{**SOURCES, **changes}))


def test_where_the_files_lie_does_not_matter(folder):
    assert digest(folder, "one") == digest(folder, "two/deeper")


@pytest.mark.parametrize("name", list(SOURCES))
def test_every_file_that_is_imported_directly_or_not_counts(folder, name):
    assert digest(folder, "one") != digest(folder, "two", **{name: SOURCES[name] + "# changed\n"})


def test_the_package_of_an_imported_module_counts(folder):
    files = {"mine": "import pack.deep\n", "pack__in__deep": "x = 1\n"}
    one = factory.source_digest("mine:make", folder("one", **files, pack__in____init__="y = 1"))
    assert one != factory.source_digest("mine:make", folder("two", **files, pack__in____init__="y = 2"))


def test_a_file_that_is_not_imported_does_not_count(folder):
    assert digest(folder, "one") == digest(folder, "two", other="x = 1")


def test_moving_code_from_one_file_to_another_counts(folder):
    one = factory.source_digest("mine:make", folder("one", mine="import nets\n", nets="x = 1\n"))
    two = factory.source_digest("mine:make", folder("two", mine="import nets\nx = 1\n", nets=""))
    assert one != two


def test_imports_in_a_circle_end(folder):
    where = folder(mine="import nets", nets="import mine")
    assert len(factory.source_digest("mine:make", where)) == 64
