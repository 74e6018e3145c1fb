"""The checkpoint of a training: whole or not there, known by what it belongs to, with the one before it kept beside it."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from ganaudit import paths
from ganaudit.errors import AuditError, RequestError
from ganaudit.keys import canonical

LOG = logging.getLogger("ganaudit.training")
VERSION = 2
SAID, LONG = 3, 60
"""Of what another training has otherwise: differences that are said; characters from which on a value is not."""


class Checkpoints:
    """`checkpoint.pt` and `checkpoint.previous.pt` in a folder, which is made. belongs: JSON-able, what the training is.

    Raises RequestError where the folder cannot be made, or nothing can be written there.
    """

    def __init__(self, folder: Path, belongs: Mapping[str, Any]) -> None:
        self.folder, self.belongs = folder, {name: canonical(value) for name, value in belongs.items()}
        self._newest, self._previous = folder / "checkpoint.pt", folder / "checkpoint.previous.pt"
        self._steps: int | None = None
        paths.made(folder)
        if not os.access(folder, os.W_OK | os.X_OK):  # before anything is trained
            raise RequestError(f"the folder {folder} cannot be written to; choose another one with --out")

    def load(self) -> dict[str, Any] | None:
        """The last good checkpoint; None where there is none yet.

        Raises RequestError where it is of another training, saying what differs, and where what is there is damaged.
        """
        damaged = []
        for path in (self._newest, self._previous):
            if not path.exists():
                continue
            saved = _read(path)
            if saved is None:
                damaged.append(path.name)
                continue
            self._check(saved)
            self._steps = int(saved["steps"])
            if damaged:
                LOG.warning("%s in %s is damaged: %s", damaged[0], self.folder, self.stands())
                self._newest.unlink(missing_ok=True)  # or the good one would be replaced by it at the next save
            return saved
        if damaged:
            raise RequestError(
                f"{' and '.join(damaged)} in {self.folder} cannot be read (damaged, or no checkpoint): remove the folder, "
                "which starts anew, or choose another --out"
            )
        return None

    def _check(self, saved: Mapping[str, Any]) -> None:
        try:
            theirs, mine = (
                {name: json.loads(value) for name, value in each.items()} for each in (saved["belongs"], self.belongs)
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            theirs, mine = None, {}
        if saved.get("version") != VERSION or theirs is None:
            raise RequestError(f"{self.folder} holds a training of another version of ganaudit; choose another --out")
        differ = list(_differences(theirs, mine))
        if differ:
            said = "; ".join(differ[:SAID]) + (f"; {len(differ) - SAID} more" if len(differ) > SAID else "")
            raise RequestError(
                f"{self.folder} holds another training ({said}): repeat its own command, or choose another --out"
            )

    def save(self, state: Mapping[str, Any], also: Callable[[Path], object]) -> None:
        """Makes `state` the newest checkpoint; `also` writes the curves that go with it.

        Raises AuditError where it cannot be written or holds what is not finite: the last good checkpoint stands.
        """
        broken = next(_not_finite(state["training"]), None)
        if broken is not None:
            raise AuditError(f"{broken} is no longer finite at step {state['steps']:,}; {self.stands()}")
        self.write("curves.parquet", also)
        if self._newest.exists():
            os.replace(self._newest, self._previous)  # a crash between the two leaves the one before
        self.write(self._newest.name, lambda path: _save({"belongs": self.belongs, "version": VERSION, **state}, path))
        self._steps = int(state["steps"])

    def write(self, name: str, write: Callable[[Path], object]) -> None:
        """A file of the folder, as `write_whole` does."""
        write_whole(self.folder / name, write, self.stands())

    def stands(self) -> str:
        """What there is to go on from, in words."""
        if self._steps is None:
            return "there is no checkpoint yet"
        return f"the checkpoint of step {self._steps:,} stands, and the same command goes on from it"


@contextmanager
def locked(folder: Path, waiting: str | None = None) -> Iterator[None]:
    """One process at a time is at work in a folder; another one waits, and finds what this one made. waiting: said then."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is not None:
                LOG.warning(waiting)
            fcntl.flock(opened, fcntl.LOCK_EX)
        except OSError as error:
            LOG.debug("%s cannot be locked: %s", folder, error)
        yield
    finally:
        os.close(opened)


def write_whole(
    path: Path, write: Callable[[Path], object], stands: str = "the same command goes on from its checkpoint"
) -> None:
    """A file that is there whole or not at all. Raises AuditError where that cannot be; stands: what there is to go on from."""
    partial = path.with_name(f"partial-{path.name}")
    try:
        write(partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch raises RuntimeError for a file that it cannot write
        partial.unlink(missing_ok=True)
        reason = next((each.strerror for each in (error, error.__context__) if isinstance(each, OSError)), None)
        reason = reason or str(error).splitlines()[0]
        raise AuditError(f"{path} cannot be written ({reason}); {stands}") from None


def _differences(theirs: Any, mine: Any, name: str = "") -> Iterator[str]:
    """In words what one value, such as a recipe, has otherwise than another: `recipe batch 32, not 16`."""
    if isinstance(theirs, dict) and isinstance(mine, dict):
        for key in theirs | mine:
            if theirs.get(key) != mine.get(key):
                yield from _differences(theirs.get(key), mine.get(key), f"{name} {key}".lstrip())
        return
    values = ["nothing" if value is None else canonical(value) for value in (theirs, mine)]
    yield f"{name} {values[0]}, not {values[1]}" if max(map(len, values)) < LONG else f"another {name}"


def _save(state: Mapping[str, Any], path: Path) -> None:
    with path.open("wb") as file:
        torch.save(dict(state), file)


def _read(path: Path) -> dict[str, Any] | None:
    """A checkpoint, or None where the file is torn, changed or something else. No code of it is ever run."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:  # torch reads a flipped bit without a word
                return None
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a damaged file makes zip readers and torch's unpickler fail in any way there is
        return None
    return saved if isinstance(saved, dict) else None


def _not_finite(state: Any, name: str = "the training") -> Iterator[str]:
    """Names of the tensors in nested state that hold NaN or infinity."""
    if isinstance(state, Tensor):
        if state.is_floating_point() and not bool(state.isfinite().all()):
            yield name
    elif isinstance(state, Mapping | list | tuple):
        for key, value in state.items() if isinstance(state, Mapping) else enumerate(state):
            yield from _not_finite(value, f"{name} {key}" if name != "the training" else str(key))
