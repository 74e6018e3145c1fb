"""Layouts that a family's generators are published in, read as one: names differ, the order of dimensions, constant factors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.names import first_few

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Names:
    """One layout. mark: a name that it alone has. names: pairs of their name and ours, for a network of the size that theirs
    show. turned: a tensor as the body has it, of it, our name and theirs. average: the name of the average style, if it has
    one. filters: what the names of the filters end in. taps: those of a filter, in both directions. ignored: names of what is
    not needed. arguments: with which TensorFlow made such networks, as far as no tensor shows them."""

    title: str
    mark: str
    names: Callable[[Tensors], Iterator[tuple[str, str]]]
    turned: Callable[[Tensor, str, str], Tensor]
    average: str = ""
    filters: tuple[str, ...] = ()
    taps: tuple[float, ...] = ()
    ignored: Callable[[Tensors], Iterable[str]] = lambda _: ()
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def fits(self, tensors: Tensors) -> bool:
        """Whether tensors by name have it, below a name of their own or not."""
        return any(f".{name}".endswith(f".{self.mark}") for name in tensors)

    def renamed(self, tensors: Tensors) -> Tensors:
        """A generator's tensors under our names.

        A file may hold other networks beside it, each below a name of its own; of several generators the one whose name says
        that it is an average (`G_ema.`, `generator_smooth.`) is taken. Raises RequestError for names that are missing or not
        known, and for another filter.
        """
        prefix = _prefix([name.removesuffix(self.mark) for name in tensors if f".{name}".endswith(f".{self.mark}")])
        theirs = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        names = dict(self.names(theirs))
        filters = [name for name in theirs if self.filters and name.endswith(self.filters) and name not in names]
        missing = [f"{prefix}{name} is missing" for name in names if name not in theirs]
        extra = theirs.keys() - names.keys() - {*filters, self.average, *self.ignored(theirs)}
        wrong = missing + [f"{prefix}{name} is unknown" for name in sorted(extra)]
        if wrong:
            raise RequestError(f"this is of another architecture than {self.title}: {first_few(wrong, 3, '; ')}")
        for name in filters:
            self._check_filter(prefix + name, theirs[name])
        own = {name: self._turned(theirs[their], name, their, prefix) for their, name in names.items()}
        beside = [value for name, value in tensors.items() if f".{name}".endswith(f".{self.average}")]
        average = theirs.get(self.average, beside[0] if beside else None)
        return own if average is None else {**own, "w_avg": average.reshape(-1)}

    def _turned(self, value: Tensor, own: str, their: str, prefix: str) -> Tensor:
        if not value.numel():
            raise RequestError(f"{prefix}{their} is {tuple(value.shape)}, sizes of 0")
        try:
            return self.turned(value, own, their)
        except (IndexError, RuntimeError, TypeError):  # of fewer dimensions, or more
            raise RequestError(f"{prefix}{their} is {tuple(value.shape)}, which no such tensor of {self.title} is") from None

    def _check_filter(self, name: str, value: Tensor) -> None:
        """Raises RequestError for a filter other than the taps in both directions, whatever its sum."""
        taps = torch.tensor(self.taps, dtype=torch.float64)
        wanted = torch.outer(taps, taps) / taps.sum() ** 2
        found = value.double() / value.double().sum(dim=(-2, -1), keepdim=True) if value.ndim >= 2 else value
        if found.shape[-2:] != wanted.shape or not bool((found - wanted).abs().le(1e-4).all()):
            said = ", ".join(f"{tap:g}" for tap in self.taps)
            raise RequestError(f"{name} is another filter than [{said}] in both directions, which is the one that is known")


AVERAGED = re.compile(r"ema\b|smooth|running|\bGs\b", re.IGNORECASE)
"""What a name says of averaged weights."""


def _prefix(prefixes: Sequence[str]) -> str:
    averages = [prefix for prefix in prefixes if AVERAGED.search(prefix)]
    for found in (averages, prefixes):
        if len(found) == 1:
            return found[0]
    raise RequestError(f"there are several generators, {', '.join(prefixes)}; save the state dict of one alone")


def numbers(pattern: str, names: Iterable[str]) -> int:
    """One more than the largest number that the pattern finds in names."""
    return 1 + max((int(found[1]) for name in names if (found := re.match(pattern, name))), default=-1)


def turned_weight(value: Tensor) -> Tensor:
    """TensorFlow's weight as PyTorch has it: of a convolution (height, width, in, out) -> (out, in, height, width), of a
    linear layer (in, out) -> (out, in)."""
    return value.permute(3, 2, 0, 1) if value.ndim == 4 else value.permute(1, 0)


def scope(side: int, own: str) -> str:
    """TensorFlow's name of the convolutions `conv0` and `conv1` of a resolution: 4x4/Conv, 8x8/Conv0_up, 8x8/Conv1."""
    return f"{side}x{side}/{'Conv0_up' if own == 'conv0' else 'Conv' if side == 4 else 'Conv1'}"


def check_grown(level: Tensor | None) -> None:
    """Raises RequestError for a network that was saved while it grew. level: `lod`, how many resolutions were to come."""
    if level is not None and bool(level.any()):
        raise RequestError(
            f"this network was saved while it grew (lod is {level.flatten()[0].item():g}, not 0), and its last layers are not "
            "trained; take a later one"
        )
