"""Files of an audit are downloaded from a server that breaks off, stalls, lies and redirects: whole or not at all."""

from __future__ import annotations

import hashlib
import io
import random
import tarfile
import zipfile
from pathlib import Path

import httpx
import pytest
from file_server import Site, served

from ganaudit.errors import AuditError, RequestError
from ganaudit.fetching import download
from ganaudit.fetching.fetch import Planned, fetch, planned
from ganaudit.fetching.wanted import refuse_missing
from ganaudit.spec import AuditSpec, parse

CONTENT = random.Random(0).randbytes(300_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def site(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with served() as running:
        running.files["/a.pth"] = CONTENT
        yield running


def audit(folder: Path, site: Site, *urls: str, weights: str = "models/a.pth", **said: object) -> AuditSpec:
    links = [url if "://" in url else site.address + url for url in urls or ("/a.pth",)]
    return parse({
        "name": "n", "folder": str(folder), "parser": {"kind": "unet", "weights": "builtin:village"},
        "real": {"name": "r", "kind": "village"},
        "generators": [{"name": "g", "kind": "dcgan", "weights": weights, "url": links, **said}],
    })  # fmt: skip


def got(spec: AuditSpec, steps: list[tuple[int, int | None]] | None = None) -> dict[str, str]:
    """Path below the folder → digest of all that a fetch put there."""
    done = fetch(planned(spec), lambda _: lambda there, total: (steps or []).append((there, total)))
    return {wanted.path.relative_to(spec.folder).as_posix(): digest for wanted, digest in done}


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_file_is_downloaded_into_its_place_and_nothing_else_is_left(tmp_path, site):
    assert got(audit(tmp_path, site)) == {"models/a.pth": DIGEST}
    assert files(tmp_path) == {"models/a.pth": CONTENT}
    again = planned(audit(tmp_path, site))
    assert again.files == () and again.there == (tmp_path / "models/a.pth",)


def test_before_anything_is_downloaded_the_plan_says_how_much(tmp_path, site):
    plan = planned(audit(tmp_path, site))
    assert plan.size == len(CONTENT) and site.gets() == [] and files(tmp_path) == {}
    assert planned(audit(tmp_path, site, "/nothing", bytes=77)).size == 77


@pytest.mark.parametrize("said", [{}, {"sha256": DIGEST}, {"bytes": len(CONTENT)}], ids=["unknown", "digest", "size"])
def test_a_connection_that_breaks_is_gone_on_with_where_it_broke(tmp_path, site, said):
    site.breaks["/a.pth"] = [100_000, 50_000]
    assert got(audit(tmp_path, site, **said)) == {"models/a.pth": DIGEST}
    assert site.gets() == [("/a.pth", None), ("/a.pth", "bytes=100000-"), ("/a.pth", "bytes=150000-")]


@pytest.mark.parametrize("said", [{}, {"sha256": DIGEST}], ids=["unknown", "digest"])
def test_a_later_call_goes_on_with_what_an_earlier_one_left(tmp_path, site, said):
    site.breaks["/a.pth"] = [1000] * download.ATTEMPTS
    with pytest.raises(AuditError, match="could not be had"):
        got(audit(tmp_path, site, **said))
    with pytest.raises(RequestError, match="goes on with"):
        refuse_missing(audit(tmp_path, site, **said))
    site.asked.clear()
    assert got(audit(tmp_path, site, **said)) == {"models/a.pth": DIGEST}
    assert site.gets() == [("/a.pth", f"bytes={1000 * download.ATTEMPTS}-")] and files(tmp_path) == {"models/a.pth": CONTENT}


def test_half_of_one_version_is_never_completed_by_another(tmp_path, site):
    site.breaks["/a.pth"] = [1000] * download.ATTEMPTS
    with pytest.raises(AuditError):
        got(audit(tmp_path, site))
    site.files["/a.pth"] = CONTENT[::-1]
    got(audit(tmp_path, site))
    assert files(tmp_path) == {"models/a.pth": CONTENT[::-1]}


def test_without_a_version_and_a_digest_a_later_call_begins_anew(tmp_path, site):
    site.tags, site.breaks["/a.pth"] = False, [1000] * download.ATTEMPTS
    with pytest.raises(AuditError):
        got(audit(tmp_path, site))
    site.asked.clear()
    assert got(audit(tmp_path, site)) == {"models/a.pth": DIGEST} and site.gets() == [("/a.pth", None)]


def test_a_server_without_ranges_sends_all_of_it_again(tmp_path, site):
    site.plain, site.breaks["/a.pth"] = True, [100_000]
    assert got(audit(tmp_path, site, sha256=DIGEST)) == {"models/a.pth": DIGEST}


def test_a_half_of_a_digest_is_gone_on_with_from_a_mirror(tmp_path, site):
    site.breaks["/a.pth"], site.files["/mirror.pth"] = [1000] * download.ATTEMPTS, CONTENT
    assert got(audit(tmp_path, site, "/a.pth", "/mirror.pth", sha256=DIGEST)) == {"models/a.pth": DIGEST}
    assert site.gets()[-1] == ("/mirror.pth", "bytes=4000-")


def test_what_is_longer_than_the_file_is_thrown_away(tmp_path, site):
    half = tmp_path / "models" / f".a.pth.{hashlib.sha256(DIGEST.encode()).hexdigest()[:12]}.part"
    half.parent.mkdir()
    half.write_bytes(CONTENT + b"more")
    assert got(audit(tmp_path, site, sha256=DIGEST)) == {"models/a.pth": DIGEST} and len(files(tmp_path)) == 1


def test_the_next_address_is_tried_where_one_does_not_do(tmp_path, site, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", httpx.Timeout(0.3))
    site.files |= {"/other.pth": CONTENT[::-1], "/slow.pth": CONTENT}
    site.stalls["/slow.pth"] = 50_000
    addresses = ("/nothing.pth", "/other.pth", "http://127.0.0.1:9/closed.pth", "/slow.pth", "/a.pth")
    assert got(audit(tmp_path, site, *addresses, sha256=DIGEST)) == {"models/a.pth": DIGEST}
    assert files(tmp_path) == {"models/a.pth": CONTENT} and site.gets()[-1] == ("/a.pth", "bytes=50000-")


@pytest.mark.parametrize(("url", "said", "reasons"), [
    ("/nothing.pth", {}, ["nothing.pth", "no such file"]),
    ("/a.pth", {"sha256": "0" * 64}, [DIGEST, "0" * 64]),
    ("/a.pth", {"bytes": 7}, ["300,000 bytes", "7"]),
    ("/a.pth#inside.pth", {}, ["no zip or tar"]),
    ("/round", {}, ["without end"]),
    ("/file", {}, ["leads from http to file"]),
    ("/page.html", {}, ["by hand"]),
    ("http://127.0.0.1:9/closed.pth", {}, ["127.0.0.1:9"]),
])  # fmt: skip
def test_what_cannot_be_had_says_why_and_leaves_no_file(tmp_path, site, url, said, reasons):
    site.redirects |= {"/round": "/round", "/file": "file:///etc/passwd"}
    site.files["/page.html"] = b"<html>Sign in"
    with pytest.raises(AuditError) as refused:
        got(audit(tmp_path, site, url, **said))
    assert all(reason in str(refused.value) for reason in [*reasons, "models/a.pth"])
    assert not (tmp_path / "models/a.pth").exists()


def test_redirects_are_followed_but_never_from_https_to_http(tmp_path, site):
    site.redirects["/moved.pth"] = "/a.pth"
    assert got(audit(tmp_path, site, "/moved.pth")) == {"models/a.pth": DIGEST}
    answer = httpx.Response(302, headers={"location": "http://other/a"}, request=httpx.Request("GET", "https://one/a"))
    with pytest.raises(download.Refused, match="from https to http"):
        download.safe_redirect(answer)


def archives() -> dict[str, bytes]:
    whole, tar = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../outside.pth", b"no")
        archive.writestr("models/a b.pth", CONTENT)
    with tarfile.open(fileobj=tar, mode="w:gz") as archive:
        link = tarfile.TarInfo("link.pth")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        info = tarfile.TarInfo("models/a b.pth")
        info.size = len(CONTENT)
        archive.addfile(info, io.BytesIO(CONTENT))
    return {"/m.whl": whole.getvalue(), "/m.tgz": tar.getvalue()}


@pytest.mark.parametrize("archive", ["/m.whl", "/m.tgz"])
def test_one_file_is_taken_out_of_an_archive(tmp_path, site, archive):
    site.files |= archives()
    site.breaks[archive] = [1000]
    spec = audit(tmp_path, site, f"{archive}#models/a%20b.pth", sha256=DIGEST, bytes=len(CONTENT))
    assert planned(spec).size == len(site.files[archive])
    assert got(spec) == {"models/a.pth": DIGEST} and files(tmp_path) == {"models/a.pth": CONTENT}


@pytest.mark.parametrize(("url", "said", "reason"), [
    ("/m.tgz#link.pth", {}, "holds no file"), ("/m.whl#b.pth", {}, "models/a b.pth"),
    ("/m.whl#models/a%20b.pth", {"bytes": 100}, "larger"), ("/m.whl#models/a%20b.pth", {"bytes": 300_001}, "300,000"),
    ("/m.whl#models/a%20b.pth", {"sha256": "0" * 64}, DIGEST),
])  # fmt: skip
def test_what_an_archive_does_not_hold_is_said(tmp_path, site, url, said, reason):
    site.files |= archives()
    with pytest.raises(AuditError, match=reason):
        got(audit(tmp_path, site, url, **said))
    assert not (tmp_path / "models/a.pth").exists() and not (tmp_path.parent / "outside.pth").exists()


@pytest.mark.parametrize("weights", ["../a.pth", "/elsewhere/a.pth", "link/a.pth"])
def test_nothing_is_written_outside_the_folder_of_the_audit(tmp_path, site, weights):
    folder = tmp_path / "audit"
    folder.mkdir()
    (tmp_path / "other").mkdir()
    (folder / "link").symlink_to(tmp_path / "other")
    with pytest.raises(RequestError, match="outside the audit's folder"):
        planned(audit(folder, site, weights=weights))
    assert site.asked == [] and files(tmp_path) == {}


def test_a_file_in_place_that_is_another_is_not_replaced(tmp_path, site):
    (tmp_path / "models").mkdir()
    (tmp_path / "models/a.pth").write_bytes(b"mine")
    for said, reason in (({"sha256": DIGEST}, "another file"), ({"bytes": 300_000}, "has 4 bytes")):
        with pytest.raises(RequestError, match=reason):
            planned(audit(tmp_path, site, **said))
    assert files(tmp_path) == {"models/a.pth": b"mine"}


def test_two_processes_do_not_write_into_one_file(tmp_path, site):
    half = tmp_path / "models" / f".a.pth.{hashlib.sha256(DIGEST.encode()).hexdigest()[:12]}.part"
    half.parent.mkdir()
    with download.held(half), pytest.raises(RequestError, match="another process"):
        got(audit(tmp_path, site, sha256=DIGEST))


def test_a_disk_without_room_is_found_out_before(tmp_path, site):
    plan = planned(audit(tmp_path, site, bytes=2**49))
    with pytest.raises(RequestError, match="make room"):
        list(fetch(plan, lambda _: lambda there, total: None))
    assert site.gets() == []


def test_one_file_that_cannot_be_had_does_not_keep_the_next_from_coming(tmp_path, site):
    spec = parse({**audit(tmp_path, site, "/nothing.pth").model_dump(mode="json", exclude_unset=True), "fetch": [
        {"path": "labels.json", "url": f"{site.address}/a.pth"}]})  # fmt: skip
    with pytest.raises(AuditError, match=r"nothing\.pth"):
        got(spec)
    assert files(tmp_path) == {"labels.json": CONTENT}
    with pytest.raises(RequestError, match=r"'g'.*nothing\.pth"):
        refuse_missing(spec)


def test_progress_ends_at_the_whole(tmp_path, site):
    steps: list[tuple[int, int | None]] = [(0, None)]
    got(audit(tmp_path, site), steps)
    assert steps[-1] == (len(CONTENT), len(CONTENT)) and steps == sorted(steps, key=lambda step: step[0])


def test_an_empty_plan_downloads_nothing(tmp_path):
    assert list(fetch(Planned(tmp_path, (), (), ()), lambda _: lambda there, total: None)) == []
