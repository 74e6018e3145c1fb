"""Every kind of the registry opens, and a kind that is not there is answered with the nearest that is."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest
from ganaudit.registry import REGISTRY, Room, opener

from ganaudit import factory, spec
from ganaudit.errors import RequestError


@pytest.mark.parametrize("room, kind", [(room, kind) for room, kinds in REGISTRY.items() for kind in kinds])
def test_every_kind_leads_to_something_that_can_be_called(room, kind):
    assert callable(opener(room, kind))
    assert REGISTRY[room][kind].summary


def test_every_kind_of_the_audit_file_is_registered_and_no_other():
    def tags(union):
        return {entry.__metadata__[0].tag for entry in get_args(get_args(union)[0])}

    assert set(get_args(Room)) == set(REGISTRY)
    assert tags(spec.RealSpec) == set(REGISTRY["datasets"])
    assert tags(spec.GeneratorSpec) == set(REGISTRY["generators"])
    assert tags(spec.ParserSpec) == set(REGISTRY["parsers"])


def test_whatever_holds_a_colon_is_a_factory():
    assert opener("parsers", "my.models:make") is factory.call


def test_an_unknown_kind_is_told_the_nearest_one_and_all_there_are():
    with pytest.raises(RequestError, match=r"no 'progam' among the generators; did you mean 'progan'\? There are: dcgan,"):
        opener("generators", "progam")
    with pytest.raises(RequestError, match="no 'zzz' among the parsers; There are: unet, masks, module:factory"):
        opener("parsers", "zzz")


def test_looking_into_the_registry_imports_no_heavy_library():
    heavy = "{'torch','pandas','pyarrow','duckdb'}"
    code = f"import sys, ganaudit.registry as r; r.REGISTRY; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
