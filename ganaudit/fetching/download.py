"""One file downloaded: from the first address that has it, gone on with where it was left, checked, then put in its place.

What is there of a file lies beside it, under a name that says which content it is of (by its digest, else by the address and
the version that the server tells), so that two halves of two versions never become one file.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx

from ganaudit import links
from ganaudit.errors import AuditError, RequestError
from ganaudit.fetching.archives import NotThere, member
from ganaudit.fetching.wanted import Wanted
from ganaudit.version import __version__

TIMEOUT = httpx.Timeout(30.0)
"""Seconds that a server may be silent."""
ATTEMPTS = 4
"""Connections to one address that break, before the next address is tried."""
PIECE = 1 << 20
Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there, and those that there will be, where known."""


@dataclass(frozen=True)
class Offer:
    """What a server says of a file: its size, and its version (a strong entity tag or a date), where it says them."""

    size: int | None = None
    version: str | None = None


class Refused(Exception):
    """Why an address does not do, in words."""


def client() -> httpx.Client:
    """What speaks to servers: a few redirects are followed, from https to https alone, never to a file."""
    return httpx.Client(
        follow_redirects=True, max_redirects=5, timeout=TIMEOUT, event_hooks={"response": [safe_redirect]},
        headers={"accept-encoding": "identity", "user-agent": f"ganaudit/{__version__}"},
    )  # fmt: skip


def safe_redirect(response: httpx.Response) -> None:
    if not response.has_redirect_location:
        return
    try:
        target = response.url.join(response.headers["location"])
    except httpx.InvalidURL:
        raise Refused("leads to what is no address") from None
    if target.scheme not in ("https", "http") or (response.url.scheme, target.scheme) == ("https", "http"):
        raise Refused(f"leads from {response.url.scheme} to {target.scheme}, which is not followed")


def offer(to: httpx.Client, url: str) -> Offer:
    """What the server of one address says; nothing where it says nothing."""
    try:
        response = to.head(links.web(url))
    except (httpx.HTTPError, httpx.InvalidURL, Refused):
        return Offer()
    length = response.headers.get("content-length", "")
    tag = response.headers.get("etag", "")
    version = tag if tag.startswith('"') else response.headers.get("last-modified")
    return Offer(int(length) if length.isdecimal() else None, version) if response.is_success else Offer()


def check_place(wanted: Wanted, folder: Path) -> None:
    """Raises RequestError for a file that would lie outside `folder`, links followed."""
    if not wanted.path.resolve().is_relative_to(folder.resolve()):
        raise RequestError(
            f"{wanted.who}: {wanted.path} is outside the audit's folder {folder.resolve()}, and files are downloaded below it "
            "alone; name a place there, or get the file yourself"
        )


def fetched(wanted: Wanted, folder: Path, progress: Progress, to: httpx.Client) -> str:
    """Downloads a file below `folder` into its place, from the first address that has it. Returns its SHA-256.

    Raises RequestError for a place outside the folder, AuditError where no address has the file, each with its reason.
    """
    path = wanted.path
    check_place(wanted, folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"{path.parent} cannot be made: {error.strerror}") from None
    reasons = []
    for url in wanted.urls:
        try:
            found = _from(wanted, url, progress, to)
        except (Refused, NotThere) as reason:
            reasons.append(f"{url} {reason}")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reasons.append(f"{url}: {_words(error)}")
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise AuditError(f"{path}: no space is left on the disk; what is there is kept") from None
            raise
        else:
            for half in wanted.halves:
                half.unlink(missing_ok=True)
            return found
    raise AuditError(f"{path} could not be had: {'; '.join(reasons)}")


def _from(wanted: Wanted, url: str, progress: Progress, to: httpx.Client) -> str:
    """The same from one address."""
    inside = links.member(url)
    told = offer(to, url) if wanted.sha256 is None or inside is not None else Offer()
    known = wanted.sha256 if inside is None else None
    version = known or (f"{links.web(url)} {told.version}" if told.version else None)
    half = wanted.path.with_name(f".{wanted.path.name}.{hashlib.sha256((version or '').encode()).hexdigest()[:12]}.part")
    with held(half) as out:
        if version is None:
            out.truncate(0)
        _filled(
            out, links.web(url), wanted.size if inside is None else told.size, None if known else told.version, progress, to
        )
        out.flush()
        os.fsync(out.fileno())
        whole = half if inside is None else _taken_out(half, inside, wanted)
        found = _checked(whole, wanted)
        os.replace(whole, wanted.path)
    if whole != half:
        half.unlink()
    return found


@contextmanager
def held(half: Path) -> Iterator[BinaryIO]:
    """A half-downloaded file, opened for one process alone."""
    with half.open("ab") as out:
        try:
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RequestError(f"{half.name[1:]}: another process downloads it; wait for it, or end it") from None
        try:
            yield out
        finally:
            if _length(out) == 0:
                half.unlink(missing_ok=True)


def _filled(out: BinaryIO, address: str, size: int | None, version: str | None, progress: Progress, to: httpx.Client) -> None:
    """Adds what is missing to what is there. A connection that breaks on the way is made again, a few times."""
    for attempt in range(ATTEMPTS):
        there = _length(out)
        if size is not None and there >= size:
            if there == size:
                return
            there = out.truncate(0)
        try:
            _added(out, there, address, size, version, progress, to)
            return
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            if _length(out) <= there or attempt == ATTEMPTS - 1:
                raise


def _length(out: BinaryIO) -> int:
    out.flush()
    return os.fstat(out.fileno()).st_size


def _added(
    out: BinaryIO, there: int, address: str, size: int | None, version: str | None, progress: Progress, to: httpx.Client
) -> None:
    """One connection: what it sends after the first `there` bytes is added. Raises Refused for an answer of another kind."""
    headers = {"range": f"bytes={there}-", **({"if-range": version} if version else {})} if there else {}
    with to.stream("GET", address, headers=headers) as response:
        if there and response.status_code == 416:  # it has no more, and what is there was too long or is of another file
            out.truncate(0)
            return _added(out, 0, address, size, version, progress, to)
        if not response.is_success:
            raise Refused(_answered(response.status_code))
        if response.headers.get("content-encoding", "identity") != "identity":
            raise Refused("sends it compressed, although that was not asked for")
        if response.headers.get("content-type", "").startswith("text/html"):
            raise Refused("gives a page for people, not the file: open it in a browser and download the file by hand")
        if response.status_code == 206:
            if not response.headers.get("content-range", "").startswith(f"bytes {there}-"):
                raise Refused("sends another part of it than was asked for")
        elif there:
            there = out.truncate(0)
        length = response.headers.get("content-length", "")
        total = there + int(length) if length.isdecimal() else None
        if size is not None and total is not None and total != size:
            raise Refused(f"has {total:,} bytes, the audit file says {size:,}")
        for piece in response.iter_raw():
            out.write(piece)
            there += len(piece)
            if size is not None and there > size:
                raise Refused(f"sends more than {size:,} bytes, which the audit file says")
            progress(there, size or total)


def _taken_out(archive: Path, name: str, wanted: Wanted) -> Path:
    """A file out of an archive, beside it. Raises NotThere, and Refused for one that is larger than it says."""
    taken = archive.with_name(f".{wanted.path.name}.member.part")
    with member(archive, name) as (stream, size), taken.open("wb") as out:
        left = wanted.size or size
        while piece := stream.read(PIECE):
            left -= len(piece)
            if left < 0:
                raise Refused(f"has a larger {name} than {wanted.size or size:,} bytes, which is what it should have")
            out.write(piece)
    return taken


def _checked(file: Path, wanted: Wanted) -> str:
    """The SHA-256 of a file. Raises Refused, and removes it, where it is not the one that is wanted."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if wanted.sha256 not in (None, found):
        file.unlink()
        raise Refused(f"gave a file of the SHA-256 {found}, the audit file says {wanted.sha256}")
    if wanted.size not in (None, size):
        file.unlink()
        raise Refused(f"gave a file of {size:,} bytes, the audit file says {wanted.size:,}")
    return found


def check_room(folder: Path, size: int) -> None:
    """Raises RequestError where the disk has no room for so many bytes."""
    free = shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.exists())).free
    if free < size:
        raise RequestError(f"{size / 1e9:,.1f} GB are to be downloaded and {folder} has {free / 1e9:,.1f} GB free; make room")


def _answered(status: int) -> str:
    said = {
        401: "asks who you are: download it by hand, with your account",
        403: "is not given to everybody: download it by hand, with your account",
        404: "has no such file", 410: "has the file no more", 429: "is asked too often: try again later",
    }  # fmt: skip
    return f"{said.get(status, 'cannot give it')} (HTTP {status})"


def _words(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"no answer for {TIMEOUT.read:g} s"
    if isinstance(error, httpx.TooManyRedirects):
        return "leads from one address to the next without end"
    return " ".join(str(error).split()) or type(error).__name__
