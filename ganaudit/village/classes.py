"""The fifteen classes of the village, with the ids that its label maps hold (0, void, never occurs)."""

from __future__ import annotations

NAMES: tuple[str, ...] = (
    "sky", "cloud", "sun", "grass", "road", "building", "roof", "dome",
    "door", "window", "tree", "person", "car", "fence", "lamp",
)  # fmt: skip
IDS: dict[str, int] = {name: number for number, name in enumerate(NAMES, start=1)}
