"""Any module from z to images as a generator: some of its submodules are its layers, or it is one layer as a whole.

A layer's output is taken, or put in another's place, as the network runs: a network need be no chain. What stands before a
layer is computed again where a run begins after it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.generators.networks.inputs import Inputs
from ganaudit.generators.protocol import Space, State
from ganaudit.names import first_few

WHOLE = "whole"
"""The one layer of a network whose submodules are not named: what it gives, an image."""


class AnyModule(nn.Module):
    """A network as a generator. layers: names of its submodules, in the order in which they run, each once and each giving
    (N, C, h, w). arguments: values of its further inputs, by name. identity: what knows it beside its tensors, such as the
    digest of its file. device: where it is, where it has no parameters to tell.

    Raises RequestError in one sentence for what gives no images, or has no such layers.
    """

    place: Tensor

    def __init__(
        self, network: nn.Module, inputs: Inputs, layers: Sequence[str] = (), arguments: Mapping[str, Any] | None = None,
        identity: Mapping[str, Any] | None = None, device: str = "cpu",
    ) -> None:  # fmt: skip
        super().__init__()
        self.network, self.inputs = network.eval(), inputs
        self.arguments, self.identity = dict(arguments or {}), dict(identity or {})
        self.register_buffer("place", torch.zeros((), device=device), persistent=False)
        first = next((value for value in network.parameters() if value.is_floating_point()), None)
        if first is not None:
            self.place = self.place.to(first)
        self.batch: int | None = None
        names = {name for name, _ in network.named_modules()} - {""}
        unknown = [name for name in layers if name not in names]
        if unknown:
            raise RequestError(f"it has no submodule {unknown[0]!r}; it has {first_few(sorted(names), 20) or 'none'}")
        self.layers: tuple[str, ...] = tuple(layers) or (WHOLE,)
        for name in layers:
            network.get_submodule(name).register_forward_hook(partial(_passed, name))
        self.resolution = self._tried()

    def _tried(self) -> tuple[int, int]:
        """(height, width) of the image that it gives; two at once, or one at a time where it takes no two."""
        with torch.no_grad(), _passing(seen := _Pass()):
            (one,) = [self._images(self.inputs.latents(0, torch.arange(1), self.place.device))]
        if self.layers != (WHOLE,) and seen.names != list(self.layers):
            order = ", ".join(seen.names) or "none"
            raise RequestError(f"layers run once each, in the order in which they are named; of these ran: {order}")
        with torch.no_grad():
            try:
                two = self._images(self.inputs.latents(0, torch.arange(2), self.place.device))
            except torch.OutOfMemoryError:
                raise
            except (RuntimeError, ValueError, TypeError, IndexError, AssertionError, RequestError):
                two = one
        self.batch = None if len(two) == 2 else 1
        return int(one.shape[2]), int(one.shape[3])

    @property
    def sampling(self) -> Mapping[str, Any]:
        """What makes its images beside its tensors."""
        values = {"inputs": self.inputs.sampling, "range": list(self.inputs.range), "arguments": self.arguments}
        return {**self.identity, **{name: value for name, value in values.items() if value and value != [-1.0, 1.0]}}

    @property
    def spaces(self) -> tuple[Space, ...]:
        """z alone."""
        return (self.inputs.space,)

    def latents(self, seed: int, indices: Tensor) -> State:
        """`z` (N, L) float32, and `label` (N,) where it has classes, on the network's device."""
        return self.inputs.latents(seed, indices, self.place.device)

    def run(self, state: State, after: str | None = None, upto: str | None = None) -> State:
        """See `Generator.run`. Raises RequestError for a layer that does not exist, naming those that do."""
        for name in (after, upto):
            if name is not None and name not in self.layers:
                raise RequestError(f"layer {name!r} does not exist; this generator has {', '.join(self.layers)}")
        if self.layers == (WHOLE,):
            image = self._images(state) if after is None else state[WHOLE]
            return MappingProxyType({**state, "image" if upto is None else WHOLE: image})
        begun = () if after is None else self.layers[: self.layers.index(after) + 1]
        with _passing(_Pass({name: state[name] for name in begun if name in state}, upto)):
            try:
                return MappingProxyType({**state, "image": self._images(state)})
            except _Reached as reached:
                return MappingProxyType({**state, str(upto): reached.output})

    def _images(self, state: State) -> Tensor:
        given = self.inputs.given(state, self.place.dtype)
        parts = [given] if self.batch is None else zip(*(torch.split(value, self.batch) for value in given), strict=True)
        images = [self.inputs.images(self.network(*part, **self.arguments)) for part in parts]
        return images[0] if len(images) == 1 else torch.cat(images)

    def forward(self, z: Tensor) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1] of latents (N, L), of class 0 where it has classes."""
        return self.run({"z": z})["image"]


def layered(
    network: nn.Module,
    latent: int | Sequence[int],
    layers: Sequence[str] = (),
    *,
    classes: int = 0,
    label: int | None = None,
    class_as: Literal["index", "one-hot"] = "index",
    prior: Literal["normal", "uniform"] = "normal",
    truncation: float | None = None,
    range: tuple[float, float] = (-1.0, 1.0),
    arguments: Mapping[str, Any] | None = None,
) -> AnyModule:
    """Any module from z to images as a generator, which can be inverted.

    latent: the shape of one z, such as 128 or (512, 1, 1). layers: the names of submodules that give (N, C, h, w), in their
    order (as `named_modules` says them); without any, the network is one layer and z alone is searched. classes: how many,
    where the network is given a class after z, its number or one-hot; label: of all images. range: the values of black and
    white in its images. arguments: values of further inputs, by name.

    Raises RequestError in one sentence for a network that gives no images, or has no such layers.
    """
    shape = (latent,) if isinstance(latent, int) else tuple(latent)
    inputs = Inputs(shape, prior, truncation, classes, label, class_as == "one-hot", (float(range[0]), float(range[1])))
    return AnyModule(network, inputs, layers, arguments)


# a run through named submodules


class _Reached(BaseException):
    """The layer up to which a network runs has given its output. No Exception: a network's own code may catch those."""

    def __init__(self, output: Tensor) -> None:
        self.output = output


@dataclass
class _Pass:
    """One run of a network. given: outputs of layers, which stand in the place of their own. names: layers that ran."""

    given: Mapping[str, Tensor] = field(default_factory=dict)
    upto: str | None = None
    names: list[str] = field(default_factory=list)


_HERE = threading.local()
"""The run that this thread is in."""


@contextmanager
def _passing(run: _Pass) -> Iterator[_Pass]:
    outer = getattr(_HERE, "run", None)
    _HERE.run = run
    try:
        yield run
    finally:
        _HERE.run = outer


def _passed(name: str, module: nn.Module, given: Any, output: Any) -> Any:
    """Called by PyTorch after a submodule ran: what it gives from then on, None where that is its own output."""
    run: _Pass | None = getattr(_HERE, "run", None)
    if run is None:
        return None
    if not isinstance(output, Tensor) or output.ndim != 4:
        what = "×".join(map(str, output.shape)) if isinstance(output, Tensor) else type(output).__name__
        raise RequestError(f"its submodule {name!r} gives {what}; a layer gives one tensor (N, C, h, w)")
    run.names.append(name)
    if name in run.given:
        return run.given[name]
    if name == run.upto:
        raise _Reached(output)
    return None
