"""Checkpoints as people have them, as nested dicts of tensors and plain values: no code in them is ever run.

safetensors are read as such. Pickles (`.pth`, `.pt`, `.pkl`: both formats of torch.save, plain pickles, NVIDIA's) are read by
`pickled`, an allow-list reader, in a process of its own without network, with limits on memory and time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.pickled.answer import SHARED
from ganaudit.pickled.confined import ALIGNED
from ganaudit.pickled.stand_ins import SIZES

TYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
MEMORY, SECONDS = 512 * 2**20, 60
"""What reading the smallest file may take, in bytes and in seconds; a large one may take more."""
ROOT = Path(__file__).resolve().parents[1]
START = "import sys; sys.path.append(sys.argv[1]); from ganaudit.pickled.confined import main; main(*map(int, sys.argv[2:]))"
"""A process that has the standard library and this package alone."""


@dataclass(frozen=True)
class Checkpoint:
    """content: nested dicts and lists of tensors and plain values. left_out: what of the file is not in it, in words."""

    content: Any
    left_out: tuple[str, ...] = ()


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """What a checkpoint holds: nested dicts of tensors and plain values, names as stored; NVIDIA's networks as `class_name`,
    `init_kwargs`, `attributes` and `state_dict`. Raises RequestError in one sentence for a file that cannot be read safely."""
    content = read_bytes(path)
    if path.suffix == ".safetensors":
        return safetensors(path, content)[0]
    found = unpickled(path, content).content
    if not isinstance(found, dict):
        raise RequestError(f"weights {path} hold no dict but {_called(found)}; a checkpoint is a dict of tensors by name")
    return found


def read_bytes(path: Path) -> bytes:
    """A weights file's bytes. Raises RequestError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read()
    except OSError as error:
        raise RequestError(f"weights {path} cannot be read: {error.strerror}") from None
    except MemoryError:
        raise RequestError(f"weights {path} are larger than this machine's memory") from None


def safetensors(path: Path, content: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a safetensors file's bytes. Raises RequestError."""
    from safetensors import SafetensorError
    from safetensors.torch import load as loaded

    try:
        tensors = loaded(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (SafetensorError, OSError, ValueError, KeyError, RecursionError, MemoryError) as error:
        raise RequestError(f"weights {path} are no usable safetensors file: {error}") from None
    return tensors, dict(header.get("__metadata__") or {})


def unpickled(path: Path, content: bytes) -> Checkpoint:
    """What the bytes of a pickled checkpoint hold. path: names it in the sentence. Raises RequestError."""
    seconds = SECONDS + len(content) // 10_000_000
    limits = (MEMORY + 6 * len(content), seconds, SECONDS * 2**20 + SHARED * len(content))
    with tempfile.TemporaryFile() as answer:
        command = [sys.executable, "-I", "-S", "-B", "-c", START, str(ROOT), *map(str, limits)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=answer, stderr=subprocess.DEVNULL, cwd="/", env=_environment()
        )
        try:
            process.communicate(content, timeout=2 * seconds)
        except subprocess.TimeoutExpired:
            raise RequestError(f"weights {path} are refused: they are not read after {2 * seconds} s") from None
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            raise RequestError(
                f"weights {path} are refused: their reader was ended by the limits on its memory and time, or crashed "
                f"({process.returncode}); save the state dict, best as safetensors"
            )
        answer.seek(0)
        length = int.from_bytes(answer.read(8), "little")
        found = json.loads(answer.read(length))
        if "error" in found:
            raise RequestError(f"weights {path} are refused: {found['error']}")
        start = 8 + length + -(8 + length) % ALIGNED
        storages = bytearray(max(0, os.fstat(answer.fileno()).st_size - start))
        answer.seek(start)
        answer.readinto(storages)
    return Checkpoint(_built(found, _tensors(found, storages)), tuple(found["left_out"]))


def _tensors(found: Mapping[str, Any], storages: bytearray) -> list[Tensor]:
    """The tensors of an answer, contiguous; those of one storage share it where they can."""
    whole = torch.frombuffer(storages, dtype=torch.uint8) if storages else torch.empty(0, dtype=torch.uint8)
    places, place = [], 0
    for size in found["storages"]:
        place += -place % ALIGNED
        places.append(whole[place : place + size])
        place += size
    tensors = []
    for name, storage, offset, shape, stride in found["tensors"]:
        size = SIZES[name]
        numbers = places[storage][: len(places[storage]) // size * size].view(TYPES[name])
        tensors.append(torch.as_strided(numbers, shape, stride, offset + numbers.storage_offset()).contiguous())
    return tensors


def _built(found: Mapping[str, Any], tensors: list[Tensor]) -> Any:
    def built(node: Any) -> Any:
        if isinstance(node, list):
            return [built(entry) for entry in node]
        if not isinstance(node, dict):
            return node
        if "t" in node:
            return tensors[node["t"]]
        return {key: built(entry) for key, entry in node.get("d", []) if entry != LEFT} if "d" in node else None

    return built(found["value"])


LEFT = {"x": 0}
"""How the answer spells what was left out."""


def _environment() -> dict[str, str]:
    """What Python may need to start, and no more."""
    needed = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
    return {name: os.environ[name] for name in needed if name in os.environ}


def _called(value: Any) -> str:
    return "a single tensor" if isinstance(value, Tensor) else "nothing" if value is None else f"a {type(value).__name__}"
