"""Kind `torchscript`: a program that torch.jit.save wrote, which is run only where the audit file trusts it."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.inputs import FunctionSource
from ganaudit.kinds import Kind, Opened

if TYPE_CHECKING:
    from torch import nn

FILES = re.compile(r"\b(?:torch|ops\.aten)\.(save|from_file)\(")
"""What a program of TorchScript writes and reads files by."""
CODE_BYTES = 100_000_000


class TorchscriptSource(FunctionSource):
    """A TorchScript program from z, and perhaps a class, to images."""

    trust: bool = False
    """true: you trust who made it. It is a program, and runs with your rights as your own code does."""


def holds(path: Path) -> bool:
    """Whether a file is what torch.jit.save writes: a zip with code and constants."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.partition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
    return "constants.pkl" in names and any(name.startswith("code/") for name in names)


def open_torchscript(options: TorchscriptSource, context: Context) -> Opened:
    """The program of a file, tried once. Raises RequestError where it is not trusted, not of TorchScript, or no generator."""
    import hashlib

    from ganaudit import weights
    from ganaudit.checkpoints import read_bytes
    from ganaudit.foreign_code import naming
    from ganaudit.generators.networks.any_module import AnyModule
    from ganaudit.random import VERSION as DRAWS_VERSION

    path = weights.locate(options.weights, context.folder)
    content = read_bytes(path)
    sha256 = weights.insisted(path, hashlib.sha256(content).hexdigest(), options.sha256)
    if not holds(path):
        raise RequestError(f"{path} is no TorchScript program (torch.jit.save writes one); `kind: auto` reads tensors")
    with naming(path):
        asks = FILES.search(_code(content))
    if asks is not None:
        raise RequestError(f"{path} is refused: it asks for torch.{asks[1]}, and a generator needs no files")
    if not options.trust:
        raise RequestError(
            f"{path} is a TorchScript program: it would run with your rights, as your own code does, and nothing was run yet; "
            "where you trust who made it, say `kind: torchscript` and `trust: true`"
        )
    if options.shape is None:
        raise RequestError(
            f"{path} does not say what it takes; give the shape of one z beside its kind, such as `latent: 128` or "
            "`latent: [512, 1, 1]`"
        )
    recipe = {"kind": "torchscript", "weights": sha256, "draws": DRAWS_VERSION}
    with naming(path):
        network = _loaded(content, context.device)
        inputs, identity = options.inputs(options.shape), {"program": sha256}
        generator = AnyModule(network, inputs, (), options.arguments, identity, context.device)
    height, width = generator.resolution
    note = f"{path.name} is a TorchScript program, run because the audit file trusts it: {height}×{width} pixels" + (
        "; it takes one image at a time" if generator.batch == 1 else ""
    )
    return Opened(generator, recipe, {"weights": sha256}, path, (note,))


def _loaded(content: bytes, device: str) -> nn.Module:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch means to give TorchScript up one day
        load: Any = torch.jit.load
        network: nn.Module = load(io.BytesIO(content), map_location=device)
    return network


def _code(content: bytes) -> str:
    """The source text of a program's functions, as far as a program can need any."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        code = [entry for entry in archive.infolist() if "/code/" in entry.filename and entry.filename.endswith(".py")]
        if sum(entry.file_size for entry in code) > CODE_BYTES:
            raise RequestError(f"it holds more than {CODE_BYTES // 10**6} MB of code")
        return "\n".join(archive.read(entry).decode(errors="replace") for entry in code)


KIND = Kind(
    "torchscript", TorchscriptSource, open_torchscript, "a program that torch.jit.save wrote, run where it is trusted",
    holds=holds,
)  # fmt: skip
