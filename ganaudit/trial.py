"""A user's own part, tried before work begins: what it makes of an image follows from that image alone, in any thread.

A shard is a pure function, so image 0 is the same alone, a second time, in another batch and beside another thread. What does
not keep to that gives records that no key stands for. Gradients are off, not inference mode: what a part keeps for later may be
searched through.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit import images
from ganaudit.datasets.protocol import Dataset
from ganaudit.errors import GanauditError, RequestError
from ganaudit.foreign_code import said
from ganaudit.generators.outputs import wrong_images
from ganaudit.generators.protocol import Generator, size_of
from ganaudit.keys import canonical
from ganaudit.modules import training
from ganaudit.parsers.outputs import wrong_labels
from ganaudit.parsers.protocol import Parser

LEVELS, LABELS = 0.01, 0.002
"""Share of 8-bit values that may differ, by one level, and share of labels: what rounding does from one batch to another."""
PERCENT = 2.0
"""Percent by which the confidences of a label map may differ, on the average."""
LOOSE = 0.5
"""Levels by which values may differ on the average on an accelerator, from one batch to another: half precision does."""
ROUNDS, SLOW = 4, 2.0
"""Times that two threads meet; once where asking three times took longer than so many seconds."""
SIDE = 64
"""Of the images that a parser is tried on, where it does not say its resolution: a scene's own."""

Values = NDArray[np.int64]
_TRIED: set[str] = set()


@dataclass(frozen=True)
class _Trial:
    """One way to ask: image 0 alone, and in another batch, each as whole numbers (h, w, …); None: nothing to compare."""

    who: str
    tried: Any
    what: str
    alone: Callable[[], Values | None]
    beside: Callable[[], Values | None]
    same: Callable[[Values, Values, bool], bool]


class _Failed(RequestError):
    """It raised."""


class _Wrong(RequestError):
    """What it gave is none of what it should be."""


def once(known: Any, attempt: Callable[[], None]) -> None:
    """`attempt`, unless this process did it for the same JSON-able content already."""
    text = canonical(known)
    if text not in _TRIED:
        attempt()
        _TRIED.add(text)


def try_generator(generator: Generator, who: str, seed: int, device: str, threads: int | None) -> None:
    """Raises RequestError where image 0 of a user's generator depends on anything but seed and index."""

    def made(*indices: int) -> Callable[[], Values | None]:
        def make() -> Values | None:
            with torch.no_grad():
                state = generator.run(generator.latents(seed, torch.tensor(indices)))
            wrong = wrong_images(state, len(indices), size_of(generator))
            if wrong is not None:
                raise RequestError(wrong)
            image = state["image"]
            unit = torch.nan_to_num(image[indices.index(0)].float()).clamp(-1.0, 1.0)
            made_bytes: Values = images.to_bytes(unit[None]).cpu().numpy()[0].astype(np.int64)
            return made_bytes

        return make

    def same(first: Values, other: Values, another_batch: bool) -> bool:
        return _same_pixels(first, other, loose=another_batch and not device.startswith("cpu"))

    _attempt(_Trial(who, generator, "pixels", made(0), made(1, 0), same), threads)


def try_parser(parser: Parser, who: str, size: tuple[int, int] | None, batch: int, device: str, threads: int | None) -> None:
    """Raises RequestError where the label map of a user's parser depends on what is parsed beside an image.

    batch: images it will be given at once; a parser that takes no other number is tried with that many.
    """
    scenes = images.to_unit(_scenes(size)).to(device)

    def parsed(places: list[int]) -> Callable[[], Values | None]:
        def parse() -> Values | None:
            with torch.no_grad():
                labels = parser.parse(scenes[places])
            wrong = wrong_labels(labels, len(places), tuple(parser.classes))
            if wrong is not None:
                raise _Wrong(wrong.sentence)
            here = places.index(0)
            values: Values = torch.stack([labels.maps[here].float(), labels.confidence[here].float() * 100.0]).cpu().numpy()
            return values.astype(np.int64)

        return parse

    def tried(first: list[int], second: list[int]) -> _Trial:
        return _Trial(who, parser, "labels", parsed(first), parsed(second), _same_labels)

    try:
        _attempt(tried([0], [1, 0][-batch:]), threads)
    except _Failed as failed:
        if size is None and not isinstance(failed.__cause__, _Wrong):
            return  # it wants another size, which the sources know
        if batch == 1:
            raise
        try:  # it may take whole batches alone
            _attempt(tried([0] + [1] * (batch - 1), [2] * (batch - 1) + [0]), threads)
        except _Failed:
            raise failed from failed.__cause__


def try_dataset(dataset: Dataset, who: str, threads: int | None) -> None:
    """Raises RequestError where the first image of a user's collection is another one the second time."""

    def read() -> Values | None:
        try:
            pixels = dataset.image(0).pixels
        except Exception:
            return None  # set aside, or reported, where images are read
        return np.asarray(pixels).astype(np.int64) if getattr(pixels, "dtype", None) == np.uint8 else None

    def same(first: Values, other: Values, _: bool) -> bool:
        return bool(np.array_equal(first, other))

    if len(dataset):
        _attempt(_Trial(who, dataset, "pixels", read, read, same), threads)


def _attempt(trial: _Trial, threads: int | None) -> None:
    try:
        started = time.perf_counter()
        first, second, beside = trial.alone(), trial.alone(), trial.beside()
        rounds = ROUNDS if time.perf_counter() - started < SLOW else 1
    except Exception as error:
        cause = error if isinstance(error, GanauditError) else f"it raised {said(error)}"
        tried = "" if isinstance(error, _Wrong) else " cannot be tried on an image or two"
        raise _Failed(f"{trial.who}{tried}: {cause}") from error
    if first is None or second is None or beside is None:
        return
    if not trial.same(first, second, False):
        cause = training(trial.tried) or "it draws fresh noise, or remembers what it was asked before"
        raise RequestError(f"{trial.who}: image 0 has other {trial.what} the second time: {cause}; {_ADVICE}")
    if not trial.same(first, beside, True):
        cause = training(trial.tried) or "something in it is computed over the batch, or drawn for the batch as a whole"
        raise RequestError(f"{trial.who}: image 0 has other {trial.what} in another batch: {cause}; {_ADVICE}")
    _two_threads(trial, first, threads, rounds)


_ADVICE = "what is made of an image follows from the image alone (networks in eval mode, draws from (seed, index))"


def _two_threads(trial: _Trial, expected: Values, threads: int | None, rounds: int) -> None:
    """Two threads ask at once. Raises RequestError where that fails or gives something else."""
    meeting = threading.Barrier(2, timeout=60.0)
    wrong: list[str] = []

    def ask(how: Callable[[], Values | None], another_batch: bool) -> None:
        for _ in range(rounds):
            try:
                meeting.wait()
                answer = how()
            except threading.BrokenBarrierError:
                return
            except BaseException as error:
                wrong.append(f"it raised {said(error)}")
                meeting.abort()
                return
            if answer is None or not trial.same(expected, answer, another_batch):
                wrong.append(f"image 0 had other {trial.what}")

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # threads take turns often: what is not safe shows
    try:
        both = [threading.Thread(target=ask, args=how, daemon=True) for how in ((trial.alone, False), (trial.beside, True))]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    if wrong and threads == 1:
        raise RequestError(
            f"{trial.who}: called from another thread than the one that made it, {wrong[0]}; an audit works in threads"
        )
    if wrong:
        raise RequestError(
            f"{trial.who}: called from two threads at once, {wrong[0]}; set `threads: 1` beside its kind, "
            "then calls wait for each other"
        )


def _same_pixels(first: Values, other: Values, loose: bool) -> bool:
    if first.shape != other.shape:
        return False
    away = np.abs(first - other)
    if loose:
        return bool(away.mean() <= LOOSE)
    return bool(away.max(initial=0) <= 1 and (away > 0).mean() <= LEVELS)


def _same_labels(first: Values, other: Values, _: bool) -> bool:
    if first.shape != other.shape:
        return False
    labels, percent = first != other, np.abs(first - other)
    return bool(labels[0].mean() <= LABELS and percent[1].mean() <= PERCENT)


def _scenes(size: tuple[int, int] | None) -> Tensor:
    """Three scenes of the village (3, H, W, 3) uint8: pictures with edges, areas and grain, on any machine the same."""
    from ganaudit.village.render import render
    from ganaudit.village.scene import Prevalence

    pixels = render(Prevalence(), 7, [0, 1, 2])[0]
    return torch.from_numpy(np.stack([images.resize(pixel, size or (SIDE, SIDE), "stretch") for pixel in pixels]))
