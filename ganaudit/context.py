"""What opening a model needs to know beside its options, and the models that this process has open."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class OpenedModels:
    """Opened models by content, the last used ones: two threads that ask for one model open it once."""

    def __init__(self, most: int = 64) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    def opened(self, key: str, make: Callable[[], T], anew: bool = False) -> T:
        """What `make` made for `key`, now or before; anew: now, whatever there is. A `make` that raises leaves nothing."""
        with self._lock:
            entry = None if anew else self._entries.pop(key, None)
            entry = self._entries[key] = entry or _Entry()  # a dict keeps its order: what was used last is at the end
            for oldest in list(self._entries)[: -self.most]:
                del self._entries[oldest]
        with entry.lock:
            if not entry.made:
                try:
                    entry.value, entry.made = make(), True
                except BaseException:
                    with self._lock:
                        if self._entries.get(key) is entry:
                            del self._entries[key]
                    raise
            model: T = entry.value
            return model

    def forget(self) -> None:
        """Closes every model that nobody else holds."""
        with self._lock:
            self._entries.clear()

    def __reduce__(self) -> str:
        return "PROCESS"  # a context that is sent to another process uses what that one has open


class _Entry:
    """One model, made under its own lock, so that different ones are opened side by side."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.made = False
        self.value: Any = None


PROCESS = OpenedModels()


@dataclass(frozen=True)
class Context:
    """folder: where relative paths and modules start from. precision: of parsers and features. seed: of the images of a source
    that has no seed of its own. size: (height, width) that the parser wants, where it says so. cache: a folder for what is
    quick to have again, such as digests of files. batch: images that a parser is given at once."""

    folder: Path = Path()
    device: str = "cpu"
    precision: str = "float32"
    seed: int = 0
    size: tuple[int, int] | None = None
    cache: Path | None = None
    batch: int = 64
    as_stored: bool = False
    """Whether images of which nobody says a size keep that in which they are stored."""
    anew: bool = False
    """Whether a user's own objects are made again, as a plan does: what their code reads may have changed since."""
    renewed: set[str] = field(default_factory=set, repr=False, compare=False)
    """What was made again already: once a context."""
    kept: OpenedModels = field(default=PROCESS, repr=False, compare=False)

    def path(self, value: Path | str) -> Path:
        """`value`, from the folder where it is relative."""
        return (self.folder / Path(value).expanduser()).resolve()

    def opened(self, key: str, make: Callable[[], T], anew: bool = False) -> T:
        """What `make` makes, once a process for one `key`: a key names content and device, never a path or a time alone."""
        anew = anew and key not in self.renewed
        if anew:
            self.renewed.add(key)
        return self.kept.opened(key, make, anew)
