"""Where weights lie: in this package, in a snapshot, at a path. Imports no torch: it is told before anything starts."""

from __future__ import annotations

import importlib.resources
import os
import re
from pathlib import Path

from ganaudit import paths
from ganaudit.errors import RequestError
from ganaudit.names import first_few

BUILTIN = "builtin:"
SNAPSHOT = "hf://"
SUFFIXES = (".safetensors", ".pth", ".pt", ".pkl", ".ckpt", ".bin", ".tar")
"""How the names of weights files end."""


def builtin_names() -> list[str]:
    """The models that ship with the package."""
    folder = importlib.resources.files("ganaudit.village") / "weights"
    return sorted(item.name.removesuffix(".safetensors") for item in folder.iterdir() if item.name.endswith(".safetensors"))


def locate(name: str, folder: Path = Path()) -> Path:
    """The file of `builtin:NAME`, or of a path (from `folder` where it is relative)."""
    path = located(name, folder)
    if path.is_dir():
        inside = sorted(each.name for suffix in SUFFIXES for each in path.glob(f"*{suffix}"))  # of one that is closed: none
        holds = f", such as one that it holds: {first_few(inside, 4)}" if inside else ""
        raise RequestError(f"weights {path} are a folder; a file is wanted here{holds}")
    return path


def located(name: str, folder: Path = Path(), key: str = "weights") -> Path:
    """The file or folder of `builtin:NAME`, hf://OWNER/NAME@REVISION or a path, which `key` named. Raises RequestError."""
    if name.startswith(BUILTIN):
        wanted = name.removeprefix(BUILTIN)
        if wanted not in builtin_names():
            raise RequestError(f"there are no built-in weights {wanted!r}; there are {', '.join(builtin_names())}")
        return Path(str(importlib.resources.files("ganaudit.village") / "weights" / f"{wanted}.safetensors"))
    if name.startswith(SNAPSHOT):
        return _snapshot(name)
    path = paths.resolved(folder / paths.request(name, key), key)
    if not (path.is_file() or (path.is_dir() and name.strip("./ ") != "")):
        raise RequestError(f"{key} {path} do not exist (or are no file)")
    return path


def _snapshot(name: str) -> Path:
    """The folder of hf://OWNER/NAME@REVISION among what Hugging Face's own programs have downloaded to this machine."""
    known = re.fullmatch(r"hf://([\w.-]+)/([\w.-]+)@([0-9a-f]{40})", name)
    if known is None:
        raise RequestError(f"{name} names no snapshot; write hf://OWNER/NAME@REVISION, the revision as a commit of 40 digits")
    owner, model, revision = known.groups()
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    path = cache / f"models--{owner}--{model}" / "snapshots" / revision
    if not path.is_dir():
        raise RequestError(
            f"{name} is not on this machine ({path}), and an audit downloads nothing; "
            f"hf download {owner}/{model} --revision {revision} does"
        )
    return path
