"""What an inverter of another package is known by."""

from __future__ import annotations

import importlib
import sys

from ganaudit.inversion import methods
from ganaudit.inversion.methods import NoOptions, source_digest
from ganaudit.kinds import Kind


def test_an_inverter_of_another_package_is_known_by_all_code_of_that_package(tmp_path, monkeypatch):
    folder = tmp_path / "searches_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "steps.py").write_text("RATE = 1\n")
    (folder / "own.py").write_text(
        "from searches_of_a_test.steps import RATE\n\n\ndef opened(options, context):\n    return RATE\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = importlib.import_module("searches_of_a_test.own")
    monkeypatch.setattr(methods.kinds, "find", lambda *_: Kind("own", NoOptions, own.opened, "one of its own"))
    before = source_digest("own")
    assert before == source_digest("own") and source_digest("latent") is None
    (folder / "steps.py").write_text("RATE = 2\n")
    assert source_digest("own") != before
    for name in [name for name in sys.modules if name.startswith("searches_of_a_test")]:
        monkeypatch.delitem(sys.modules, name)
