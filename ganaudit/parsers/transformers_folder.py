"""The folder that save_pretrained of Hugging Face's transformers wrote: whether it can be read at all. Nothing is run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.paths import shown

MISSING = "kind {kind} needs a package that is not installed here; pip install 'ganaudit[hf]'"
MOST_BYTES = 10_000_000
"""A config.json is a page."""
MOST, MOST_ELSE = {"label": 32_767, "layers": 1_000, "depth": 1_000}, 10_000_000
"""Whole numbers that a configuration may say, in keys that hold such a part and in others: of them a model is built before its
weights are looked at."""


def checked(name: str, sha256: str | None, context: Context) -> tuple[Path, dict[str, Any]]:
    """The folder that an option names, and what its config.json says. Raises RequestError for one that is incomplete, has
    another digest, or holds its weights as anything but safetensors."""
    from ganaudit.parsers import folders

    folder = folders.folder(name, sha256, context, "config.json and safetensors")
    config = _config(folder)
    if not any(folder.glob("*.safetensors")):
        others = sorted(file.name for file in folder.iterdir() if file.suffix in (".bin", ".h5", ".msgpack", ".pt", ".pth"))
        held = f"holds its weights as {others[0]}" if others else "has no weights"
        raise RequestError(f"weights {folder}: the folder {held}; safetensors alone are read (save_pretrained writes them)")
    return folder, config


def _config(folder: Path) -> dict[str, Any]:
    """What config.json says. Raises RequestError."""
    file = folder / "config.json"
    try:
        with file.open("rb") as opened:
            config = json.loads(opened.read(MOST_BYTES))
    except OSError as error:
        raise RequestError(f"{file} cannot be read: {error.strerror}; save_pretrained writes it beside the weights") from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{file} is no JSON: {error}") from None
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise RequestError(f"{file} has no model_type; it is not the configuration of a model of transformers")
    for name, value in _whole_numbers(config):
        most = next((most for part, most in MOST.items() if part in name), MOST_ELSE)
        if value > most:
            raise RequestError(f"{file}: {shown(name)} is {value:,}; no model is known with more than {most:,}")
    return config


def _whole_numbers(value: Any, name: str = "") -> Iterator[tuple[str, int]]:
    """Every whole number of a configuration with its key; of a label's names their count."""
    if isinstance(value, Mapping):
        if name == "id2label":
            yield "number of labels", len(value)
        for key, inside in value.items() if name not in ("id2label", "label2id") else ():
            yield from _whole_numbers(inside, str(key))
    elif isinstance(value, list):
        for inside in value:
            yield from _whole_numbers(inside, name)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield name, value
