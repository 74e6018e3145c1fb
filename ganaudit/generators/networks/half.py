"""Layers in half precision: those that a generator's official code computes so on a GPU, by what a file says of its making.

NVIDIA's code takes float16 for the highest resolutions of StyleGAN2 (from -ADA on) and StyleGAN3, and clamps what their
convolutions give, so that nothing is beyond its largest number (Karras et al., NeurIPS 2020, Appendix D.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ganaudit.errors import RequestError

HIGHEST = 4
"""Resolutions in half precision, where nothing is said."""
CLAMP = 256.0
"""To which activations of StyleGAN2 in half precision are clamped, and all of StyleGAN3 and of its repository's StyleGAN2."""


def resolutions(said: Mapping[str, Any]) -> int:
    """How many of the highest resolutions are in half precision. said: the arguments with which NVIDIA's code made it all."""
    count = _of_synthesis(said, "num_fp16_res", 0, HIGHEST)
    return count if type(count) is int and 0 < count <= 64 else 0


def clamp(said: Mapping[str, Any]) -> float | None:
    """To what the activations of a StyleGAN2 are clamped in every precision; None where they are not, or nothing is said.
    Raises RequestError for what clamps nothing."""
    limit: Any = _of_synthesis(said, "conv_clamp", None, CLAMP) if said else None
    if limit is None:
        return None
    if not isinstance(limit, int | float) or isinstance(limit, bool) or not 0 < limit < 1e30:
        raise RequestError(f"this network was made with conv_clamp={repr(limit)[:60]}, and a clamp is a number above 0")
    return float(limit)


def _of_synthesis(said: Mapping[str, Any], name: str, default: object, later: object) -> Any:
    """An argument of a synthesis network. later: its default in a later repository, which gives it among the others."""
    synthesis = said.get("synthesis_kwargs")
    return synthesis.get(name, default) if isinstance(synthesis, Mapping) else said.get(name, later)


def clamped(x: Tensor, limit: float | None, half: bool) -> Tensor:
    """x as it is, or between ± limit; of a layer in half precision there always is one."""
    limit = CLAMP if half and limit is None else limit
    return x if limit is None else x.clamp(-limit, limit)
