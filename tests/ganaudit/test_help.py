"""What a person meets who asks the package itself."""

import pydoc

import ganaudit


def test_help_shows_every_public_name():
    page = pydoc.plain(pydoc.render_doc(ganaudit))
    assert ganaudit.__version__ in page
    for name in set(ganaudit.__all__) - {"__version__"}:
        assert f" {name}" in page, name
    assert "audit(spec" in page and "connect(store" in page and "load(path" in page


def test_completion_sees_what_is_not_imported_yet():
    assert set(ganaudit.__all__) <= set(dir(ganaudit))
