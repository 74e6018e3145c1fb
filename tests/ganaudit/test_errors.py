"""Messages that a person can read, whatever was named."""

import pickle

import pytest

from ganaudit.errors import AuditError, ImageError, RequestError


@pytest.mark.parametrize("kind", [AuditError, ImageError, RequestError])
@pytest.mark.parametrize("name", [200_000 * "a", 100_000 * "a b", repr(200_000 * "\0")])
def test_a_name_without_end_is_shown_by_its_beginning_and_its_end(kind, name):
    error = kind(f"{name} is not there; give another\nand another line")
    first, last = str(error).split("\n")
    assert first.startswith(name[:100]) and " is not there; give another" in first and last == "and another line"
    assert "characters)" in first and len(first) < 500
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("name", [1000 * "a", 3000 * "ab "])
def test_others_are_shown_whole(name):
    assert str(RequestError(name)) == name
