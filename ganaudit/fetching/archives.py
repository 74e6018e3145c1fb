"""One file out of a zip (a wheel is one) or a tar: nothing else of an archive is ever written."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ganaudit.names import first_few

SHOWN = 3


class NotThere(Exception):
    """An archive lacks what is wanted of it, in words."""


@contextmanager
def member(archive: Path, name: str) -> Iterator[tuple[IO[bytes], int]]:
    """The stream of a plain file inside an archive, and its size as the archive says it. Raises NotThere, for one behind a
    password too."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as whole:
                if name not in whole.namelist():
                    raise NotThere(_lacks(name, whole.namelist()))
                with whole.open(name) as stream:
                    yield stream, whole.getinfo(name).file_size
            return
        with tarfile.open(archive) as tar:
            entry = next((entry for entry in tar if entry.name == name and entry.isreg()), None)
            content = None if entry is None else tar.extractfile(entry)
            if entry is None or content is None:
                raise NotThere(_lacks(name, [each.name for each in tar if each.isreg()]))
            yield content, entry.size
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, RuntimeError) as error:
        raise NotThere(f"is no zip or tar that can be read ({error})") from None


def _lacks(name: str, names: list[str]) -> str:
    return f"holds no file {name!r}; it holds {first_few(sorted(names, key=len), SHOWN) or 'nothing'}"
