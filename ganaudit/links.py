"""Addresses that files are downloaded from: https, http, or hf:// for a file of a repository at Hugging Face."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from ganaudit.paths import shown

SCHEMES = ("https", "http", "hf")
LONGEST = 2_000
"""Characters of an address."""
HUGGING_FACE = "https://huggingface.co"


def checked(link: str) -> str:
    """`link`, if it is one that files can be downloaded from. Raises ValueError in one sentence."""
    if len(link) > LONGEST or not link.isascii() or not link.isprintable() or " " in link:
        raise ValueError(f"{shown(link)} is no address: it is plain ASCII without spaces, of {LONGEST:,} characters at most")
    try:
        parts = urlsplit(link)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{shown(link)} is no address: {error}") from None
    if parts.scheme not in SCHEMES or not host:
        raise ValueError(f"{shown(link)} is no address; give https://…, http://… or hf://OWNER/NAME/FILE")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"{shown(parts.hostname or '')}: a name or password stands in the address, which records would keep")
    if parts.scheme == "hf" and (len(_hugging_face(link)) != 3 or parts.query):
        raise ValueError(
            f"{shown(link)} names no file at Hugging Face; write hf://OWNER/NAME/FILE or hf://OWNER/NAME@REVISION/FILE"
        )
    return link


def web(link: str) -> str:
    """The http or https address behind a link, without the member of an archive."""
    plain = link.partition("#")[0]
    if not plain.startswith("hf://"):
        return plain
    owner, name, file = _hugging_face(plain)
    name, _, revision = name.partition("@")
    return f"{HUGGING_FACE}/{owner}/{name}/resolve/{quote(revision or 'main', safe='')}/{file}"


def member(link: str) -> str | None:
    """The file inside the archive that a link ends in (`…/models.zip#folder/church.pth`)."""
    return unquote(link.partition("#")[2]) or None


def file_name(link: str) -> str:
    """What a link's file is called where it lies."""
    return PurePosixPath(unquote(urlsplit(web(link)).path)).name


def _hugging_face(link: str) -> list[str]:
    return [part for part in link.partition("#")[0].removeprefix("hf://").split("/", 2) if part]
