"""A folder that a parser's files lie in, and the networks of MIT CSAIL's scene parsers, which come as two files in one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from torch import Tensor, nn

from ganaudit import weights
from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.identity import content_digest
from ganaudit.names import first_few
from ganaudit.parsers.networks.convolutions import without_tracks

M = TypeVar("M", bound=nn.Module)


def folder(name: str, sha256: str | None, context: Context, holds: str) -> Path:
    """The folder that an option names. Raises RequestError where there is none, or its files have another digest."""
    path = weights.located(name, context.folder)
    if not path.is_dir():
        raise RequestError(f"weights {path} are a file; the folder with {holds} is wanted here")
    if sha256 is not None:
        weights.insisted(path, content_digest(path), sha256)
    return path


def one_file(path: Path, stem: str) -> Path:
    """The one weights file of a folder whose name begins so. Raises RequestError for none, or several."""
    found = sorted(file for file in path.glob(f"{stem}*") if file.suffix in (".pth", ".safetensors") and file.is_file())
    if len(found) != 1:
        several = f"has {first_few([file.name for file in found], 3)}: keep one" if found else f"has no {stem}*.pth"
        raise RequestError(f"weights {path}: the folder {several} (or .safetensors, what `ganaudit convert` writes)")
    return found[0]


def network(file: Path, from_weights: Callable[[Mapping[str, Tensor]], M]) -> tuple[M, str]:
    """The network of a weights file without what only its training needs, and the file's digest. Raises RequestError."""
    loaded = weights.load(str(file))
    tensors = {name: value for name, value in without_tracks(loaded.tensors).items() if not name.startswith(UNREAD)}
    return weights.network(weights.Weights(tensors, loaded.metadata, loaded.sha256, file), from_weights), loaded.sha256


UNREAD = ("scene_head.", "cbr_deepsup.", "conv_last_deepsup.")
"""Heads that give no label maps: the scene of a whole image, and what trains the layers before the last."""
