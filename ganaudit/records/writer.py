"""Write one Parquet file so that it exists whole or not at all.

The file is written under a temporary name outside the tables' tree (a query's glob would find it there), flushed to the
disk, and then given its own name. Two writers of one file do no harm: the first one's file stands.
"""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ganaudit.errors import AuditError, ReadOnlyError, RequestError, StoreError
from ganaudit.records.columns import Table
from ganaudit.records.schema import SCHEMA_VERSION

VERSION_ENTRY = "ganaudit.schema_version"

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EINVAL}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}


def write(
    rows: pa.Table, table: Table, path: Path, temporary: Path, footer: Mapping[str, str], *, replace: bool = False
) -> bool:
    """Write `rows` of `table` to `path`, sorted, ZSTD; True if this call's file stands, False if another's does.

    temporary is a folder in the same file system, outside the tables' tree. footer goes into the file's metadata, each
    name with 'ganaudit.' before it, beside the schema version. With `replace` this call's file stands in any case;
    a reader sees the old file or the new one, never a part. Raises ReadOnlyError where the store cannot be written to,
    StoreError where its disk is full or it is gone (it is not made anew), and AuditError where the disk fails.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(_with_footer(table.conform(rows), footer), sink, compression="zstd", write_page_checksum=True)
    with writing(path), temporary_file(temporary, path.stem) as unfinished:
        temporary.mkdir(exist_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(unfinished, sink.getvalue())
        if replace:
            os.replace(unfinished, path)
            stands = True
        else:
            stands = _publish(unfinished, path)
        flush_folder(path.parent)
    return stands


@contextlib.contextmanager
def temporary_file(folder: Path, stem: str) -> Iterator[Path]:
    """A name in `folder` that no other process or thread has; whatever is left there at the end is removed."""
    path = folder / f"{stem}-{os.getpid()}-{uuid.uuid4().hex}.tmp"
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the operating system says about a failed write of `path` into one sentence for the person."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StoreError(
                f"the disk is full: {path} could not be written; free some space and run the audit again, "
                "which goes on where it stopped"
            ) from error
        if error.errno in _FORBIDDEN:
            raise ReadOnlyError(
                f"the store cannot be written to: {path} ({error.strerror}); "
                "choose another folder with --store, or make this one writable"
            ) from error
        if error.errno == errno.ENOENT:
            raise StoreError(gone(path)) from None  # another try would not help
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            raise RequestError(f"a file is in the way of {path}; move it, or choose another store") from error
        raise AuditError(f"{path} could not be written: {error.strerror or error}") from error


def gone(path: Path) -> str:
    """What a person is told where the folder that `path` belongs into was there and is no more."""
    return (
        f"{path} could not be written: the store was removed or moved away meanwhile; put it back and run the audit again, "
        "which goes on where it stopped, or run it again as it is, which begins anew"
    )


def _with_footer(rows: pa.Table, footer: Mapping[str, str]) -> pa.Table:
    entries = {name if name.startswith("ganaudit.") else f"ganaudit.{name}": value for name, value in footer.items()}
    return rows.replace_schema_metadata({**entries, VERSION_ENTRY: str(SCHEMA_VERSION)})


def write_bytes(path: Path, content: pa.Buffer | bytes) -> None:
    """Write a new file and flush it to the disk."""
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _publish(unfinished: Path, path: Path) -> bool:
    """Give the finished file its name. A link refuses to replace a file, so the first writer wins, on any machine."""
    try:
        os.link(unfinished, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            return False
        os.replace(unfinished, path)
    return True


def flush_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut, where the file system lets a folder be flushed."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
