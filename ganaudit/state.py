"""What a model of your own is, as a digest: its tensors, by name, to the bit."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from ganaudit.errors import RequestError
from ganaudit.foreign_code import Stand


def state_digest(model: Any, without: str | None = None) -> str | None:
    """SHA-256 over the state dict of `model`, or of the modules among its attributes; None where there is no state.

    without: how the names of tensors begin that do not count.
    Raises RequestError for a tensor that holds no numbers (on the device meta).
    """
    parts = _named_tensors(model)
    if without is not None:
        parts = [(name, tensor) for name, tensor in parts if not name.startswith(f".{without}")]
    if not parts:
        return None
    total = hashlib.sha256()
    for name, tensor in sorted(parts, key=lambda part: part[0]):
        add_tensor(total, name, tensor)
    return total.hexdigest()


def _named_tensors(model: Any) -> list[tuple[str, torch.Tensor]]:
    """The tensors that are the state of `model`: of its own state dict, or of what stands directly among its attributes."""
    model = model.__wrapped__ if isinstance(model, Stand) else model
    parts: list[tuple[str, torch.Tensor]] = []
    holders = {"": model} if hasattr(model, "state_dict") else vars(model) if hasattr(model, "__dict__") else {}
    for prefix, holder in sorted(holders.items()):
        if isinstance(holder, torch.Tensor):
            parts.append((prefix, holder))
        elif hasattr(holder, "state_dict") and not isinstance(holder, type):
            parts += [
                (f"{prefix}.{name}", value) for name, value in holder.state_dict().items() if isinstance(value, torch.Tensor)
            ]
    return parts


def add_tensor(total: Any, name: str, tensor: torch.Tensor) -> None:
    """Adds a tensor's name, type, shape and bytes to a hash; one that is not laid out plainly counts by its parts."""
    if tensor.is_meta:
        raise RequestError(f"the tensor {name!r} is on the device meta: it holds no numbers, load its weights first")
    if tensor.layout != torch.strided:
        whole = (tensor if tensor.layout == torch.sparse_coo else tensor.to_sparse()).detach().coalesce()
        total.update(f"{name}\0sparse\0{tuple(tensor.shape)}\0".encode())
        add_tensor(total, f"{name}.indices", whole.indices())
        add_tensor(total, f"{name}.values", whole.values())
        return
    plain = tensor.detach()
    if plain.is_quantized:
        total.update(f"{name}\0{plain.qscheme()}\0".encode())
        plain = plain.dequantize()
    plain = plain.cpu().contiguous().resolve_conj().resolve_neg()
    total.update(f"{name}\0{plain.dtype}\0{tuple(plain.shape)}\0".encode())
    total.update(plain.flatten().view(torch.uint8).numpy().tobytes() if plain.numel() else b"")
