"""What a model of your own is, as a digest: its tensors, by name, to the bit."""

from __future__ import annotations

import hashlib
from typing import Any

import torch


def state_digest(model: Any) -> str | None:
    """SHA-256 over the state dict of `model`, or of the modules among its attributes; None where there is no state."""
    parts: list[tuple[str, torch.Tensor]] = []
    holders = {"": model} if hasattr(model, "state_dict") else vars(model) if hasattr(model, "__dict__") else {}
    for prefix, holder in sorted(holders.items()):
        if isinstance(holder, torch.Tensor):
            parts.append((prefix, holder))
        elif hasattr(holder, "state_dict"):
            parts += [
                (f"{prefix}.{name}", value) for name, value in holder.state_dict().items() if isinstance(value, torch.Tensor)
            ]
    if not parts:
        return None
    total = hashlib.sha256()
    for name, tensor in sorted(parts, key=lambda part: part[0]):
        plain = tensor.detach().cpu().contiguous()
        total.update(f"{name}\0{plain.dtype}\0{tuple(plain.shape)}\0".encode())
        total.update(plain.flatten().view(torch.uint8).numpy().tobytes() if plain.numel() else b"")
    return total.hexdigest()
