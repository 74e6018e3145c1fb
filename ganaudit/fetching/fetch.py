"""The download of all that an audit names and lacks: first a plan, to be shown, then file by file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from ganaudit import links, weights
from ganaudit.errors import AuditError, RequestError
from ganaudit.fetching import download
from ganaudit.fetching.wanted import Wanted, missing, named
from ganaudit.spec import AuditSpec


@dataclass(frozen=True)
class Planned:
    """files: to be downloaded, each with the bytes that this takes, None where neither the audit file nor a server says them.
    folder: that of the audit. there: files with an address that are in place. by_hand: sentences on those that have none."""

    folder: Path
    files: tuple[tuple[Wanted, int | None], ...]
    there: tuple[Path, ...]
    by_hand: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes in all, of those that are known."""
        return sum(size or 0 for _, size in self.files)


def planned(spec: AuditSpec) -> Planned:
    """What a download would take. Asks servers for sizes that the audit file does not say; downloads nothing.

    Raises RequestError for files in place that are not what the audit file says, and for places outside its folder.
    """
    files, there, by_hand = [], [], []
    folder = spec.path(spec.folder)
    with download.client() as client:
        for wanted in named(spec):
            lacks = missing(wanted)
            if wanted.path.exists() and wanted.urls:
                if lacks is not None:
                    raise RequestError(lacks)
                weights.verified(wanted.path, wanted.sha256)
                there.append(wanted.path)
            elif wanted.urls:
                download.check_place(wanted, folder)
                files.append((wanted, _size(wanted, client)))
            elif lacks is not None:
                by_hand.append(lacks)
    return Planned(folder, tuple(files), tuple(there), tuple(by_hand))


def _size(wanted: Wanted, client: httpx.Client) -> int | None:
    """Bytes that a download sends: of an archive, all of it."""
    if wanted.size is not None and links.member(wanted.urls[0]) is None:
        return wanted.size
    offers = (download.offer(client, url).size for url in wanted.urls)
    return next((size for size in offers if size is not None), None)


def fetch(plan: Planned, watch: Callable[[Wanted], download.Progress]) -> Iterator[tuple[Wanted, str]]:
    """Downloads the files of a plan one after the other: each with its SHA-256 when it is in place.

    One that cannot be had does not keep the next from being downloaded; an AuditError in the end says why, file by file. Raises
    RequestError where the disk has no room.
    """
    download.check_room(plan.folder, plan.size)
    failed = []
    with download.client() as client:
        for wanted, _ in plan.files:
            try:
                found = download.fetched(wanted, plan.folder, watch(wanted), client)
            except AuditError as error:
                failed.append(str(error))
            else:
                yield wanted, found
    if failed:
        raise AuditError("\n".join(failed))
