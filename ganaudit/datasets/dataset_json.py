"""Labels as StyleGAN's collections say them, in `dataset.json`: {"labels": [["00000/img00000000.png", 6], …]}."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ganaudit.paths import shown

NAME = "dataset.json"
MOST_BYTES = 2**30
"""Of that file."""


def labels_in(data: bytes) -> dict[str, str] | None:
    """Labels by name; empty where the file says that there are none, None where it is another kind of file."""
    try:
        said: Any = json.loads(data)["labels"]
        return {str(name).replace("\\", "/"): _text(label) for name, label in said or ()}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def of_no_image(labels: Mapping[str, str], image: str) -> str:
    """A note that the file labels none of the images, of which one is given."""
    return f"{NAME} labels none of its images: it names such as {shown(next(iter(labels)))}, they are such as {shown(image)}"


def _text(label: Any) -> str:
    return label if isinstance(label, str) else json.dumps(label)
