"""Keys are content: equal recipes have equal keys however they are spelled, and anything else changes them."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganaudit import keys

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
recipes = st.dictionaries(st.text(min_size=1), values, min_size=1, max_size=5)


def reversed_order(value):
    if isinstance(value, dict):
        return {key: reversed_order(value[key]) for key in reversed(list(value))}
    return [reversed_order(entry) for entry in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(recipes)
def test_the_order_in_which_a_recipe_is_written_does_not_matter(recipe):
    assert keys.source_key(recipe) == keys.source_key(reversed_order(recipe))


@settings(deadline=None)
@given(recipes, values)
def test_one_changed_value_changes_the_key(recipe, other):
    name = next(iter(recipe))
    changed = {**recipe, name: other}
    same = json.dumps(recipe[name], sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (keys.source_key(changed) == keys.source_key(recipe)) == same


@settings(deadline=None)
@given(recipes)
def test_canonical_json_says_what_the_value_says(recipe):
    assert json.loads(keys.canonical(recipe)) == recipe
    assert keys.canonical(recipe).isascii()


def test_a_key_is_a_prefix_of_the_sha256_of_the_canonical_recipe():
    text = f'{{"a":[1,2],"records":{keys.RECORDS_VERSION}}}'
    assert keys.source_key({"a": [1, 2]}) == "k" + hashlib.sha256(text.encode()).hexdigest()[:24]
    assert re.fullmatch("p[0-9a-f]{24}", keys.parser_key({"a": 1}))


def test_a_tuple_is_a_list_and_a_number_is_no_text():
    assert keys.digest({"size": (64, 64)}) == keys.digest({"size": [64, 64]})
    assert keys.digest({"seed": 1}) != keys.digest({"seed": "1"})


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_has_no_one_spelling_has_no_key(number):
    with pytest.raises(ValueError):
        keys.digest({"x": number})


def test_the_next_process_finds_the_same_key():
    code = "from ganaudit.keys import source_key; print(source_key({'b': {'ü', }.pop(), 'a': 0.1}))"
    answers = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True
        ).stdout.strip()
        for seed in ("0", "1")
    }
    assert answers == {keys.source_key({"a": 0.1, "b": "ü"})}
