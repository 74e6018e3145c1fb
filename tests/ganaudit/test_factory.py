"""`module:factory` is found beside the audit file, runs the code whose digest is in the key, and fails in one sentence."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from ganaudit import factory
from ganaudit.errors import AuditError, RequestError
from ganaudit.options import FactoryParser


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
    result, two = (folder(name, mine=f"def make(): return {name!r}") for name in ("one", "two"))
    assert [factory.call("mine:make", where, {}) for where in (result, two, result)] == ["one", "two", "one"]


def test_two_folders_may_hold_siblings_of_one_name(folder):
    code = "import nets\nfrom parts.layer import LAYER\ndef make(): return nets.NAME, LAYER"
    result, two = (
        folder(
            name, mine=code, nets=f"NAME = {name!r}", parts__in__layer=f"LAYER = {name!r}", parts__in____init__="",
        )
        for name in ("one", "two")
    )  # fmt: skip
    assert [factory.call("mine:make", where, {}) for where in (result, two)] == [("one", "one"), ("two", "two")]


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
    result, two = (
        folder(name, pack__in____init__="", pack__in__models=code, pack__in__nets=f"X = {name!r}") for name in ("one", "two")
    )
    assert [factory.call("pack.models:make", where, {}) for where in (result, two)] == ["one", "two"]


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
    result = factory.source_digest("mine:make", folder("one", **files, pack__in____init__="y = 1"))
    assert result != factory.source_digest("mine:make", folder("two", **files, pack__in____init__="y = 2"))


def test_a_file_that_is_not_imported_does_not_count(folder):
    assert digest(folder, "one") == digest(folder, "two", other="x = 1")


def test_moving_code_from_one_file_to_another_counts(folder):
    result = factory.source_digest("mine:make", folder("one", mine="import nets\n", nets="x = 1\n"))
    two = factory.source_digest("mine:make", folder("two", mine="import nets\nx = 1\n", nets=""))
    assert result != two


def test_imports_in_a_circle_end(folder):
    where = folder(mine="import nets", nets="import mine")
    assert len(factory.source_digest("mine:make", where)) == 64


# what is no factory


@pytest.mark.parametrize("kind, reason", [
    ("__main__:make", "Python itself"), ("sys:exit", "Python itself"), ("os:system", "Python itself"), ("json:loads", "Python"),
    ("os.path:join", "Python itself"), ("builtins:eval", "Python itself"), ("collections:Counter", "Python itself"),
    ("ganaudit.weights:load", "this program"), ("ganaudit:audit", "this program"), ("flows.server:serve", "this program"),
    ("..x:make", "is no module:factory"), (":make", "is no module:factory"), ("mine:", "is no module:factory"),
    ("mine:make.deep", "is no module:factory"), ("a..b:make", "is no module:factory"), ("mine:make\n", "is no module:factory"),
    ("mine", "is no module:factory"), ("a.b.c:make", "neither in"), ("yaml.none:make", "neither in"),
    ("mine.x:make", "neither|cannot"),
    ("mine:np", "no function 'np'; it has make .*np is a module"), ("mine:INSTANCE", "INSTANCE is a Called"),
    ("mine:system", "no function 'system'"), ("mine:Path", "no function 'Path'"), ("mine:sqrt", "no function 'sqrt'"),
])  # fmt: skip
def test_what_is_no_factory_is_refused(folder, kind, reason):
    where = folder(
        mine="import numpy as np\nfrom os import system\nfrom pathlib import Path\nfrom math import sqrt\n"
        "class _Called:\n    def __call__(self): return 1\nclass Called(_Called): pass\nINSTANCE = Called()\ndel Called\n"
        "def make(): return 1\n",
    )
    with pytest.raises(RequestError, match=reason):
        factory.call(kind, where, {})


def test_a_file_beside_may_be_named_like_a_module_of_python_and_a_partial_or_wrapped_function_is_a_factory(folder):
    where = folder(
        json="import functools\ndef make(x=1): return x\n"
        "three = functools.partial(make, 3)\nfour = functools.cache(lambda: 4)\n",
        tasks="def make(): return 5",
    )
    kinds = ["json:make", "json:three", "json:four", "tasks:make"]
    assert [factory.call(kind, where, {}) for kind in kinds] == [1, 3, 4, 5]


# exits, threads, output

ENDS = {
    "sys.exit(0)": r"SystemExit \(it called sys.exit\(0\)\)", "sys.exit('bye')": "'bye'", "exit()": "SystemExit",
    "raise SystemExit": "SystemExit", "raise GeneratorExit": "GeneratorExit", "raise BaseException('odd')": "odd",
    "raise type('Own', (BaseException,), {})('mine')": "Own: mine", "raise asyncio.CancelledError": "CancelledError",
    "raise type('Dumb', (Exception,), {'__str__': lambda self: 1 / 0})": "Dumb",
    "raise ValueError('a\\nb')": "ValueError: a b", "raise MemoryError": "MemoryError",
}  # fmt: skip


@pytest.mark.parametrize("end", list(ENDS))
@pytest.mark.parametrize("where", ["import", "factory"])
def test_an_end_of_any_kind_is_a_sentence(folder, end, where):
    body = f"{end}\ndef make(): pass" if where == "import" else f"def make():\n    {end}"
    with pytest.raises(RequestError, match=ENDS[end]) as caught:
        factory.call("mine:make", folder(mine=f"import sys, asyncio\n{body}\n"), {})
    assert "\n" not in str(caught.value)


def test_ctrl_c_stays_ctrl_c(folder):
    for source in ("raise KeyboardInterrupt\ndef make(): 1", "def make(): raise KeyboardInterrupt"):
        with pytest.raises(KeyboardInterrupt):
            factory.call("mine:make", folder(mine=source), {})
    made = factory.make(
        FactoryParser.model_construct(kind="mine:Mine"),
        folder(mine="class Mine:\n    def parse(self, x): raise KeyboardInterrupt"),
    )
    with pytest.raises(KeyboardInterrupt):
        made.object.parse(1)


@pytest.mark.parametrize("method", ["parse", "run", "latents", "image"])
def test_an_end_at_work_fails_the_audit_and_an_ordinary_exception_is_left_to_who_knows_the_image(folder, method):
    where = folder(mine=f"import sys\nclass Mine:\n    def {method}(self, x):\n        if x: sys.exit(0)\n        return 1 / x")
    call = getattr(factory.make(FactoryParser.model_construct(kind="mine:Mine"), where).object, method)
    with pytest.raises(AuditError, match=rf"mine:Mine: {method} raised SystemExit \(it called sys.exit\(0\)\)"):
        call(1)
    with pytest.raises(ZeroDivisionError):
        call(0)


THREAD = """
import threading
def die(): raise KeyError("lost")
def start():
    thread = threading.Thread(target=die)
    thread.start()
    thread.join()
"""


def test_a_thread_that_dies_in_a_factory_or_at_work_is_told(folder, capfd):
    with pytest.raises(RequestError, match="a thread that it started died of KeyError: 'lost'"):
        factory.call("mine:make", folder(mine=THREAD + "def make(): start(); return 1"), {})
    made = factory.make(
        FactoryParser.model_construct(kind="mine:Mine"), folder(mine=THREAD + "class Mine:\n    def parse(self): start()")
    )
    with pytest.raises(AuditError, match="died of KeyError: 'lost'"):
        made.object.parse()
    assert "Traceback" not in capfd.readouterr().err


def test_another_thread_that_dies_meanwhile_is_not_blamed_on_the_factory(folder, monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    made = factory.make(
        FactoryParser.model_construct(kind="mine:Mine"), folder(mine="class Mine:\n    def parse(self, act): act()")
    )

    def ours():
        raise KeyError

    def act():
        thread = threading.Thread(target=ours)
        thread.start()
        thread.join()

    made.object.parse(act)
    assert [args.exc_type for args in seen] == [KeyError]


PRINTS = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
print("import")
class Mine:
    def __init__(self): print("made"); sys.stdout.write("written\\n"); self.out = sys.stdout
    def parse(self):
        print("parse")
        with ThreadPoolExecutor(1) as pool: pool.submit(print, "thread").result()
        self.out.flush()
"""


def test_what_users_code_prints_goes_to_stderr_from_any_thread_and_the_rest_to_stdout(folder, capsys):
    before = sys.stdout
    made = factory.make(FactoryParser.model_construct(kind="mine:Mine"), folder(mine=PRINTS))
    print("{}")
    thread = threading.Thread(target=made.object.parse)
    thread.start()
    thread.join()
    print("[]")
    assert sys.stdout is before
    assert capsys.readouterr() == ("{}\n[]\n", "import\nmade\nwritten\nparse\nthread\n")


def test_what_another_thread_prints_while_users_code_runs_stays_where_it_was(folder, capsys):
    made = factory.make(
        FactoryParser.model_construct(kind="mine:Mine"),
        folder(mine="class Mine:\n    def parse(self, a, b): a.set(); b.wait(20)"),
    )
    inside, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=made.object.parse, args=(inside, done))
    thread.start()
    inside.wait(20)
    print("result")
    done.set()
    thread.join()
    assert capsys.readouterr().out == "result\n"


def test_what_a_factory_does_to_the_process_is_undone(folder, tmp_path):
    import os
    import warnings

    import torch

    before = (os.getcwd(), torch.get_default_dtype(), list(warnings.filters), list(sys.path))
    code = "import os, warnings, torch\ndef make():\n    os.chdir('/')\n    warnings.simplefilter('error')\n"
    factory.call("mine:make", folder(mine=code + "    torch.set_default_dtype(torch.float64)"), {})
    assert (os.getcwd(), torch.get_default_dtype(), list(warnings.filters), list(sys.path)) == before


# modules imported late

LATE = "class Mine:\n    def parse(self):\n        import late\n        from pack.deep import Y\n        return late.X, Y\n"


def late(folder, name, value):
    return folder(name, mine=LATE, late=f"X = {value}", pack__in__deep=f"Y = {value}")


def test_modules_beside_the_audit_file_are_found_inside_parse_in_any_thread_and_of_each_folder_its_own(folder):
    result, two = (
        factory.make(FactoryParser.model_construct(kind="mine:Mine"), late(folder, name, k)).object
        for k, name in enumerate(("one", "two"))
    )
    assert [result.parse(), two.parse(), result.parse()] == [(0, 0), (1, 1), (0, 0)]
    found = []
    thread = threading.Thread(target=lambda: found.append(two.parse()))
    thread.start()
    thread.join()
    assert found == [(1, 1)]
    with pytest.raises(ImportError):
        __import__("late_of_nobody")


def test_a_thread_that_users_code_starts_finds_them_too(folder):
    code = """
from concurrent.futures import ThreadPoolExecutor
class Mine:
    def load(self):
        import late
        return late.X
    def parse(self):
        with ThreadPoolExecutor(1) as pool: return pool.submit(self.load).result()
"""
    made = factory.make(FactoryParser.model_construct(kind="mine:Mine"), folder(mine=code, late="X = 7"))
    assert made.object.parse() == 7


def test_outside_users_code_nothing_beside_the_audit_file_is_found(folder):
    made = factory.make(FactoryParser.model_construct(kind="mine:Mine"), late(folder, "a", 1)).object
    made.parse()
    sys.modules.pop("late")
    with pytest.raises(ImportError):
        __import__("late")


# objects that resist


@pytest.mark.parametrize("code, reason", [
    ("def Mine(): return Mine()", "RecursionError"), ("def Mine(): raise StopIteration", "raised StopIteration"),
    ("class Mine:\n    def state_dict(self): raise KeyError(1)", "raised KeyError: 1"),
    ("class Mine:\n    def state_dict(self): return 5", "raised AttributeError"),
    ("import torch\nclass Mine(torch.nn.Module):\n    def eval(self): raise OSError('no')", "raised OSError: no"),
    ("class Mine:\n    def __getattr__(self, name): raise ValueError(name)", "raised ValueError"),
    ("class K(float):\n    __slots__ = ()\n    def __float__(self): raise SystemExit\nclass Mine:\n"
     "    def __init__(self): self.k = {K: [K(1)]}\n    @property\n    def run(self): raise SystemExit", "raised SystemExit"),
    ("from collections import UserDict\nclass M(UserDict):\n    def items(self): raise OSError('torn')\nclass Mine:\n"
     "    def __init__(self): self.k = M(a=1)", "raised OSError: torn"),
])  # fmt: skip
def test_an_object_that_cannot_be_looked_at_is_a_sentence(folder, code, reason):
    with pytest.raises(RequestError, match=f"mine:Mine.*{reason}"):
        factory.make(FactoryParser.model_construct(kind="mine:Mine"), folder(mine=code))


# the object stays what it is


@pytest.mark.parametrize("code", [
    "class Mine:\n    __slots__ = ('x',)\n    def parse(self): return 1\n    def __len__(self): return 3",
    "import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass Mine:\n    x: int = 1\n    def parse(self): return self.x\n"
    "    def __len__(self): return 3",
    "class Base:\n    def parse(self): return 1\n    def __len__(self): return 3\nONE = Base()\ndef Mine(): return ONE",
])  # fmt: skip
def test_objects_of_every_build_are_guarded_and_may_be_made_twice(folder, code):
    where = folder(mine=code)
    objects = [factory.make(FactoryParser.model_construct(kind="mine:Mine"), where).object for _ in range(2)]
    assert [(result.parse(), len(result)) for result in objects] == [(1, 3), (1, 3)]


def test_a_copy_of_a_guarded_object_calls_itself(folder):
    import copy

    made = factory.make(
        FactoryParser.model_construct(kind="mine:Mine"),
        folder(mine="class Mine:\n    x = 1\n    def parse(self): return self.x"),
    ).object
    other = copy.deepcopy(made)
    other.x = 2
    assert (made.parse(), other.parse()) == (1, 2)


def test_a_parse_that_another_thread_disturbs_is_tried_again(folder, monkeypatch):
    where, parse, failures = folder("a", **SOURCES), factory.ast.parse, iter(range(3))

    def disturbed(source):
        if next(failures, None) is not None:
            raise SystemError("AST constructor recursion depth mismatch (before=36, after=75)")
        return parse(source)

    digest = factory.source_digest("mine:make", where)
    factory._imports.cache_clear()
    monkeypatch.setattr(factory.ast, "parse", disturbed)
    assert factory.source_digest("mine:make", where) == digest and next(failures, None) is None
