"""What a shard of inversion came to, and what its files say of how they were made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from ganaudit import devices
from ganaudit.studies.inversion.models import Setup
from ganaudit.version import __version__


@dataclass(frozen=True)
class InversionDone:
    """images: each counts once for every setting that it was worked on in. quarantined: those whose search was set aside."""

    images: int
    quarantined: int


def footer(setup: Setup, key: str, **further: str) -> Mapping[str, str]:
    """The footer of a shard's files."""
    return {
        "recipe": key, "code": __version__, "device": devices.describe(setup.device), "torch": torch.__version__,
        "batch": str(setup.asked.batch), **further,
    }  # fmt: skip
