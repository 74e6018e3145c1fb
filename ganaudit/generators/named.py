"""A generator named on the command line rather than in an audit file."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch

from ganaudit import factory, trial, weights
from ganaudit.errors import RequestError
from ganaudit.foreign_code import asking
from ganaudit.generators.opening import check_protocol
from ganaudit.generators.protocol import Generator
from ganaudit.registry import opener


def open_named(name: str, kind: str | None = None, folder: Path = Path(), device: str = "cpu") -> Generator:
    """`builtin:NAME` (or NAME alone), a weights file, or `module:factory` beside `folder`; frozen, in eval mode, on `device`.

    kind: the family of a weights file whose metadata do not say it. Raises RequestError for what is no generator.
    """
    found: Any
    if name in weights.builtin_names():
        name = weights.BUILTIN + name
    if ":" in name and not name.startswith(weights.BUILTIN) and not Path(name).is_file():
        made = factory.make(factory.Named(name), folder)
        found = made.object
        with asking(folder, name):
            check_protocol(found, name, 0)
            attempt = partial(trial.try_generator, found, name, 0, "cpu", None)
            trial.once([{**made.recipe, **made.content}, 0, "cpu", None], attempt)
    else:
        held = weights.load(name, folder)
        family = kind or held.metadata.get("kind")
        if family is None:
            raise RequestError(f"weights {held.path} do not say their kind; give it with --kind (dcgan, progan, stylegan)")
        if family == "unet":
            raise RequestError(f"{name} is a parser, no generator")
        found = weights.network(held, opener("generators", family))
    if isinstance(found, torch.nn.Module):
        found = found.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    opened: Generator = found
    return opened
