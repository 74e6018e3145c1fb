"""The checkpoints of one training: `weights: "ckpt/*.safetensors"` becomes one generator for each file, by training step."""

from __future__ import annotations

import fnmatch
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganaudit.names import first_few
from ganaudit.paths import checked

CARD, METADATA, FILE_NAME = "card", "metadata", "file name"
"""Where a step is read from, in this order: a training's steps all come from the first that every file has."""

STEP_NAMES = ("iterations", "step", "training_step", "global_step", "iteration", "steps")
"""What a card or a file's metadata calls its training step."""

LABELS = ("step", "steps", "iter", "iters", "iteration", "iterations", "it", "kimg", "epoch")
"""Words that stand before a step in a file name."""

MOST_ENTRIES, LONGEST = 200_000, 20.0
"""Files and folders that a pattern may look through, and seconds that it may take."""

MOST_CHECKPOINTS = 1_000
"""Generators that one pattern may become."""

SHOWN = 5
"""Names that a sentence lists before it counts the rest."""

_GLOB = re.compile(r"[*?\[]")


def is_pattern(weights: Any, folder: Path) -> bool:
    """Whether `weights` names files by a pattern: it holds *, ? or [, and no file has that very name."""
    if not isinstance(weights, str) or weights.startswith("builtin:") or not _GLOB.search(weights):
        return False
    try:
        checked(weights)
    except ValueError:
        return False  # the key's own check says what is wrong
    return not (folder / Path(weights).expanduser()).exists()


def expanded(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[int], list[tuple[str, str]]]:
    """An audit file's mapping in which every generator is one file.

    Returns it, the place in the audit file of each of its generators, and what is wrong as (key path, sentence). A generator
    whose pattern is wrong stays as it is.
    """
    generators = data.get("generators")
    if not isinstance(generators, list | tuple):
        return dict(data), [], []
    folder = Path(str(data.get("folder", ".")))
    sources: list[Any] = []
    places: list[int] = []
    mistakes: list[tuple[str, str]] = []
    members: dict[str, list[str]] = {}
    for place, generator in enumerate(generators):
        many = [generator]
        if isinstance(generator, Mapping) and is_pattern(generator.get("weights"), folder):
            try:
                many = _each(generator, folder)
                members[str(generator.get("name"))] = [each["name"] for each in many]
            except ValueError as error:
                mistakes.append((f"generators[{place}].weights", str(error)))
        sources += many
        places += [place] * len(many)
    changed = {**data, "generators": sources}
    accept = data.get("accept")
    if members and isinstance(accept, Mapping):  # what is accepted of a training is accepted of each of its checkpoints
        changed["accept"] = {name: what for key, what in accept.items() for name in members.get(str(key), [key])}
    return changed, places, mistakes


def _each(asked: Mapping[str, Any], folder: Path) -> list[dict[str, Any]]:
    """One generator for each file that the pattern names, by step. Raises ValueError in one sentence."""
    if asked.get("sha256") is not None:
        raise ValueError("a pattern names several files and sha256 one; leave sha256 out, the run records every file's digest")
    for key in ("url", "bytes"):
        if asked.get(key) is not None:
            raise ValueError(
                f"a pattern names several files and {key} is of one; leave {key} out, or name the files one by one"
            )
    for key in ("step", "training"):
        if asked.get(key) is not None:
            raise ValueError(f"a pattern names several files and {key} is said of each by its own; leave {key} out")
    pattern, name = str(asked["weights"]), str(asked.get("name", "checkpoint"))
    there = _fitting(pattern, folder)
    own = ":" in str(asked.get("kind"))
    files = [file for file in there if file.is_file()] or [file for file in there if own and file.is_dir()]
    if not files:
        raise ValueError(_nothing(pattern, folder))
    if len(files) > MOST_CHECKPOINTS:
        raise ValueError(
            f"{pattern!r} fits {len(files):,} files, each a generator of its own; name {MOST_CHECKPOINTS:,} or fewer"
        )
    steps, source = steps_of(files)
    twice = next((step for step in steps if steps.count(step) > 1), None)
    if twice is not None:
        same = [file.name for file, step in zip(files, steps, strict=True) if step == twice]
        raise ValueError(
            f"{first_few(same, SHOWN)} have one training step, {twice} (from their {_plural(source)}); "
            "each checkpoint needs a step of its own"
        )
    return [
        {**asked, "name": f"{name}@{step}", "weights": _written(file, pattern, folder), "step": step, "step_from": source,
         "training": name}
        for step, file in sorted(zip(steps, files, strict=True))
    ]  # fmt: skip


def _fitting(pattern: str, folder: Path) -> list[Path]:
    """Files and folders that fit a pattern, sorted, as `glob` finds them; the walk is bounded. Raises ValueError."""
    try:
        whole = folder / Path(pattern).expanduser()
        parts = whole.parts
        fixed = next(place for place, part in enumerate(parts) if _GLOB.search(part))
        walk = _Walk(pattern, time.monotonic() + LONGEST)
        return sorted({Path(path) for path in walk.below(str(Path(*parts[:fixed])), parts[fixed:])})
    except (OSError, RuntimeError) as error:
        raise ValueError(f"pattern {_short(pattern)} names no place: {getattr(error, 'strerror', None) or error}") from None
    except StopIteration:
        return []


@dataclass
class _Walk:
    """A search for files that ends: after so many entries, or at a time."""

    pattern: str
    until: float
    entries: int = 0

    def below(self, base: str, parts: Sequence[str]) -> Iterator[str]:
        """What is at `base`, or below it where there are parts left to fit."""
        if not parts:
            yield base
            return
        part, rest = parts[0], parts[1:]
        if not _GLOB.search(part):
            following = os.path.join(base, part)
            if os.path.lexists(following):
                yield from self.below(following, rest)
            return
        if part == "**":
            yield from self.below(base, rest)
        for entry in self._inside(base):
            if entry.name.startswith(".") and not part.startswith("."):
                continue
            if part == "**":
                if _is_folder(entry):
                    yield from self.below(entry.path, parts)
                elif not rest:
                    yield entry.path
            elif fnmatch.fnmatch(entry.name, part):
                yield from self.below(entry.path, rest)

    def _inside(self, base: str) -> Iterator[os.DirEntry[str]]:
        """What a folder holds; nothing where it cannot be read, as `glob` has it: no folder, no permission, gone meanwhile."""
        try:
            with os.scandir(base) as listing:
                for entry in listing:
                    self.entries += 1
                    if self.entries > MOST_ENTRIES or time.monotonic() > self.until:
                        raise ValueError(
                            f"{self.pattern!r} has more than {min(self.entries, MOST_ENTRIES):,} files and folders to look "
                            "through; name the folder that the checkpoints are in"
                        )
                    yield entry
        except OSError:
            return


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "…")


def steps_of(files: Sequence[Path]) -> tuple[list[int], str]:
    """The training step of each file, and where all of them were read from. Raises ValueError for a file that says none."""
    named = dict(zip(files, _by_name(files), strict=True))
    ways: tuple[tuple[str, Callable[[Path], int | None]], ...] = (
        (CARD, card_step), (METADATA, metadata_step), (FILE_NAME, lambda file: named[file]),
    )  # fmt: skip
    silent: Path = files[0]
    for source, read in ways:
        steps = [read(file) for file in files]
        if all(step is not None for step in steps):
            return [step for step in steps if step is not None], source
        silent = next(file for file, step in zip(files, steps, strict=True) if step is None)
    raise ValueError(
        f"the training step of {silent.name} is not known: no card and no metadata that every file has, and no number in its "
        "name; give it a card (iterations: N), or a pattern that leaves it out"
    )


def card_step(file: Path) -> int | None:
    """The step in the card beside a weights file."""
    from ganaudit.weights import card

    return _step(card(file))


def metadata_step(file: Path) -> int | None:
    """The step in the metadata of a safetensors file; only its header is read."""
    if file.suffix != ".safetensors":
        return None
    from safetensors import SafetensorError, safe_open

    try:
        if not file.is_file():
            return None
        with safe_open(file, framework="numpy") as opened:
            return _step(opened.metadata() or {})
    except (SafetensorError, OSError, ValueError):
        return None  # what is wrong with the file is reported when it is opened


def _step(said: Mapping[str, Any]) -> int | None:
    """The first whole number under one of the names of a step."""
    for name in STEP_NAMES:
        value = said.get(name)
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value.strip()):
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**18:
            return value
    return None


def _by_name(files: Sequence[Path]) -> list[int | None]:
    """The number in each file name: the only one in which the names differ, else the one after a word such as step, else the
    last."""
    parts = [re.split(r"(\d+)", file.name.removesuffix(file.suffix)) for file in files]  # text and numbers take turns
    varying: list[int] = []
    if len({tuple(part[::2]) for part in parts}) == 1:
        varying = [place for place in range(1, len(parts[0]), 2) if len({int(part[place]) for part in parts}) > 1]
    return [int(part[varying[0]]) if len(varying) == 1 else _told(part) for part in parts]


def _told(part: Sequence[str]) -> int | None:
    numbers = range(1, len(part), 2)
    labelled = [place for place in numbers if re.split(r"[^a-z]+", part[place - 1].lower().rstrip("-_=. "))[-1] in LABELS]
    chosen = labelled or list(numbers)
    return int(part[chosen[-1]]) if chosen else None


def _nothing(pattern: str, folder: Path) -> str:
    """No file fits: which folder was searched, and what is there."""
    whole = folder / Path(pattern).expanduser()
    plain = next(parent for parent in whole.parents if not _GLOB.search(str(parent)))
    if not plain.is_dir():
        return f"no file fits {pattern!r}: there is no folder {plain.resolve()}"
    try:
        there = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in plain.iterdir())
    except OSError as error:
        return f"no file fits {pattern!r}: {plain.resolve()} cannot be read: {error.strerror}"
    return f"no file fits {pattern!r}: {plain.resolve()} holds {first_few(there, SHOWN) if there else 'nothing'}"


def _plural(source: str) -> str:
    return {CARD: "cards", METADATA: "metadata", FILE_NAME: "file names"}[source]


def _written(file: Path, pattern: str, folder: Path) -> str:
    """A file as the audit file would name it: relative where the pattern is."""
    if Path(pattern).expanduser().is_absolute():
        return str(file)
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)
