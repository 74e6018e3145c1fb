"""The encoder that a generator was trained together with, as an inverter to start from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ganaudit.generators.protocol import Encoding, State


@dataclass(frozen=True)
class OwnEncoder:
    """A generator's own encoder: images (N, 3, H, W) in [-1, 1] -> its codes, by the name of their space."""

    generator: Encoding

    def __call__(self, images: Tensor) -> State:
        return {self.generator.encodes: self.generator.encode(images)}

    @property
    def encoder(self) -> OwnEncoder:
        """Itself: what is started from."""
        return self

    @property
    def sha256(self) -> str:
        """What it is, to the bit."""
        return self.generator.encoder_digest


def own_encoder(generator: Any) -> OwnEncoder | None:
    """The own encoder of a generator; None where it has none."""
    return OwnEncoder(generator) if isinstance(generator, Encoding) else None
