"""`ganaudit fetch`: shows what it would download, asks, downloads, and says what to pin."""

from __future__ import annotations

import hashlib
import json

import pytest
import yaml
from file_server import served


@pytest.fixture
def audit(tmp_path):
    with served() as site:
        site.files["/church.pth"] = b"weights" * 1000
        data = {
            "name": "n", "parser": {"kind": "unet", "weights": "builtin:village"},
            "real": {"name": "r", "kind": "folder", "path": "photos"},
            "generators": [{"name": "g", "kind": "dcgan", "weights": "m/church.pth", "url": [site.address + "/church.pth"]}],
        }  # fmt: skip
        path = tmp_path / "audit.yaml"
        path.write_text(yaml.safe_dump(data))
        yield path, site


def test_nothing_is_downloaded_before_it_is_agreed_to(cli, audit):
    path, site = audit
    refused = cli("fetch", path)
    assert refused.code == 2 and site.gets() == [] and not (path.parent / "m").exists()
    assert all(word in refused.err for word in ("church.pth", "7.0 KB", site.address, "1 file,", "--yes"))


def test_what_was_downloaded_is_shown_with_its_digest_and_what_has_no_address_is_named(cli, audit):
    path, site = audit
    digest = hashlib.sha256(site.files["/church.pth"]).hexdigest()
    done = cli("fetch", path, "--yes")
    file = path.parent / "m" / "church.pth"
    assert done.code == 0 and file.read_bytes() == site.files["/church.pth"]
    assert done.out.splitlines()[:3] == [str(file), f"  sha256: {digest}", "  bytes: 7000"] and "photos" in done.out
    again = cli("fetch", path, "--json")
    assert json.loads(again.out)["there"] == [str(file)] and json.loads(again.out)["downloaded"] == [] and len(site.gets()) == 1


def test_check_and_run_name_every_file_that_is_missing(cli, audit):
    path, site = audit
    for command in ("check", "run"):
        refused = cli(command, path)
        assert refused.code == 2 and "ganaudit fetch" in refused.err and site.asked == []
        assert str(path.parent / "photos") in refused.err and str(path.parent / "m" / "church.pth") in refused.err


def test_an_address_that_does_not_do_fails_with_its_reason(cli, audit):
    path, site = audit
    site.files.clear()
    failed = cli("fetch", path, "--yes")
    assert failed.code == 1 and "no such file" in failed.err and "church.pth" in failed.err
