"""Which device and which precision: a fixed table, so that `auto` means the same on every machine of a kind.

Kinds are a processor or a GPU with bfloat16 arithmetic of its own, and one without: there bfloat16 is emulated, on a processor
ten times slower than float32.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator, Mapping
from typing import TypeVar

import torch

from ganaudit.errors import RequestError

Network = TypeVar("Network", bound=torch.nn.Module)
PRECISION = {"cpu": "bfloat16", "cuda": "bfloat16"}
"""What `precision: auto` is, by device type, where the device computes in it itself; float32 elsewhere. Labels differ from
float32's in a small share of pixels."""


def pick(name: str) -> str:
    """`auto` → cuda, mps or cpu, whichever is there first. Raises RequestError for a device that is not usable here."""
    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise RequestError(f"device {name!r} is none of auto, cpu, cuda, cuda:N, mps")
    try:
        torch.empty(1, device=name).cpu()
    except Exception as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RequestError(f"device {name!r} is not usable here: {first}") from None
    return name


def placed(network: Network, device: str | torch.device) -> Network:
    """A network on a device, in the layout that convolutions are fastest in."""
    made: Network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return made


def precision(name: str, device: str) -> str:
    """`auto` → the table's entry for the device."""
    if name != "auto":
        return name
    lower = PRECISION.get(device.split(":")[0])
    return lower if lower is not None and has_bfloat16(device) else "float32"


def has_bfloat16(device: str) -> bool:
    """Whether a device computes in bfloat16 itself; true of a GPU that is not in this machine."""
    if device.startswith("cuda"):
        return not torch.cuda.is_available() or torch.cuda.is_bf16_supported(including_emulation=False)
    return any(getattr(torch.cpu, f"_is_{feature}_supported", lambda: False)() for feature in ("avx512_bf16", "amx_tile"))


GENERATED, PARSED = {"cpu": 2**16}, {"cpu": 2**18}
"""Pixels that a generator and a parser work on at once, by device type: a generator's activations are larger, and where they
outgrow a processor's caches it is slower."""
MOST_AT_ONCE = 2**22
"""The same elsewhere: more at once is faster there, until memory ends it."""


def parts(count: int, height: int, width: int, device: str, pixels: Mapping[str, int]) -> Iterator[slice]:
    """`count` images of a size in parts that are worked on at once; pixels: GENERATED or PARSED."""
    size = max(1, pixels.get(device.split(":")[0], MOST_AT_ONCE) // (height * width))
    for first in range(0, count, size):
        yield slice(first, min(first + size, count))


def for_worker(device: str, worker: int) -> str:
    """The device of worker `worker`: one GPU each where there are several, the device itself elsewhere."""
    if device == "cuda" and torch.cuda.device_count() > 1:
        return f"cuda:{worker % torch.cuda.device_count()}"
    return device


_SEATS = threading.local()
_TAKEN = itertools.count()


def seat() -> int:
    """The number of this thread among those that work, which it keeps."""
    if not hasattr(_SEATS, "number"):
        _SEATS.number = next(_TAKEN)
    return int(_SEATS.number)


def take(number: int) -> None:
    """This thread works in the place of the one that has the number."""
    _SEATS.number = number


def of_this_thread(device: str) -> str:
    """The device of this thread: each that works has its own GPU where there are several."""
    return for_worker(device, seat())


def workers(asked: int | str, device: str) -> int:
    """Blocks worked on at once: `auto` is one for each GPU, or one for each core this process may use."""
    if isinstance(asked, int):
        return asked
    if device == "cuda":
        return torch.cuda.device_count()
    return _cores() if device == "cpu" else 1


MOST_READERS = 8
"""Processes that `readers: auto` starts at most: each may hold a large photo at a time."""


def readers(asked: int | str, at_once: int | str, device: str) -> int:
    """Processes that decode ahead: `auto` is none on a processor, whose cores all have a block to decode and to parse already,
    and beside a GPU one for each core that works on no block."""
    if isinstance(asked, int):
        return asked
    return 0 if device == "cpu" else max(1, min(MOST_READERS, _cores() - workers(at_once, device)))


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def describe(device: str) -> str:
    """What the device is, in words, for records' footers."""
    if device.startswith("cuda"):
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return device
