"""Prefect's surroundings: proxies that are in the way, folders that cannot be, settings that cannot be read."""

from __future__ import annotations

import os

import httpx
import pytest

from flows import settings
from ganaudit.errors import RequestError

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "no_proxy", "NO_PROXY")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    for name in (*PROXIES, "PREFECT_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "")  # so that it is put back, whatever is done to it
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_a_server_on_this_machine_is_reached_without_the_proxy_and_others_through_it(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://10.255.255.1:3128")
    monkeypatch.setenv("NO_PROXY", "example.org, localhost")
    settings.prepare()
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == "example.org,localhost,127.0.0.1,::1"
    with httpx.Client() as client:
        here = client._transport_for_url(httpx.URL("http://127.0.0.1:4200/api"))
        assert here is client._transport and here is not client._transport_for_url(httpx.URL("http://example.com"))


@pytest.mark.parametrize(("name", "url", "usable"), [
    ("http_proxy", "http://proxy:3128", True), ("HTTPS_PROXY", "proxy:3128", True), ("all_proxy", "", True),
    ("ALL_PROXY", "socks4://proxy:9", False), ("http_proxy", "odd://proxy", False), ("https_proxy", "ftp://proxy", False),
])  # fmt: skip
def test_a_proxy_that_the_client_cannot_go_through_is_named(monkeypatch, name, url, usable):
    monkeypatch.setenv(name, url)
    assert settings.unusable_proxies() == ([] if usable else [name])


def test_prefect_s_folder_is_the_user_s_own_where_there_is_one(monkeypatch, tmp_path):
    assert settings.home() == tmp_path / ".cache/ganaudit/prefect"
    (tmp_path / ".prefect").mkdir()
    (tmp_path / ".prefect/profiles.toml").touch()
    assert settings.home() == tmp_path / ".prefect"
    monkeypatch.setenv("PREFECT_HOME", "~/mine")
    assert settings.home() == tmp_path / "mine"


@pytest.mark.parametrize("folder", ["/proc/prefect", "/dev/null", "~nosuchuser/prefect"])
def test_a_folder_that_cannot_be_written_to_is_one_sentence(monkeypatch, folder):
    monkeypatch.setenv("PREFECT_HOME", folder)
    with pytest.raises(RequestError, match="set PREFECT_HOME"):
        settings.prepare()
