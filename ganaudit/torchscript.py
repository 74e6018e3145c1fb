"""Programs that torch.jit.save wrote. They run with the user's rights: only where the audit file trusts who made them."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaudit.errors import RequestError

if TYPE_CHECKING:
    from torch import nn

FILES = re.compile(r"\b(?:torch|ops\.aten)\.(save|from_file)\(")
"""What a program of TorchScript writes and reads files by."""
CODE_BYTES = 100_000_000


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


def trusted(path: Path, sha256: str | None, trust: bool, otherwise: str) -> tuple[bytes, str]:
    """The bytes of a program and their SHA-256. Raises RequestError where it is none, asks for files, has another digest than
    `sha256`, or is not trusted; otherwise: what to do about a file of tensors."""
    from ganaudit import weights
    from ganaudit.checkpoints import read_bytes
    from ganaudit.foreign_code import naming

    content = read_bytes(path)
    found = weights.insisted(path, hashlib.sha256(content).hexdigest(), sha256)
    if not holds(path):
        raise RequestError(f"{path} is no TorchScript program (torch.jit.save writes one); {otherwise}")
    with naming(path):
        asks = FILES.search(_code(content))
    if asks is not None:
        raise RequestError(f"{path} is refused: it asks for torch.{asks[1]}, and a network needs no files")
    if not trust:
        raise RequestError(
            f"{path} is a TorchScript program: it would run with your rights, as your own code does, and nothing was run yet; "
            "where you trust who made it, say `kind: torchscript` and `trust: true`"
        )
    return content, found


def loaded(content: bytes, device: str, extra: dict[str, Any] | None = None) -> nn.Module:
    """The network of a program. extra: names of further files in it, whose content it gets."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch means to give TorchScript up one day
        load: Any = torch.jit.load
        network: nn.Module = load(io.BytesIO(content), map_location=device, _extra_files=extra)
    return network


def _code(content: bytes) -> str:
    """The source text of a program's functions, as far as a program can need any."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        code = [entry for entry in archive.infolist() if "/code/" in entry.filename and entry.filename.endswith(".py")]
        if sum(entry.file_size for entry in code) > CODE_BYTES:
            raise RequestError(f"it holds more than {CODE_BYTES // 10**6} MB of code")
        return "\n".join(archive.read(entry).decode(errors="replace") for entry in code)
