"""What a folder held when it was listed, in numbers and in words: what was taken for images, what was left out, and why."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath

from ganaudit import formats

HIDDEN, SYSTEM, SPECIAL, LABELS, OTHER = "hidden", "system", "special", "labels", "other"
"""Why something is left out: its name begins with a dot; a machine made it for itself; it is no file; no image has this
label map; its suffix is not that of an image."""

SYSTEM_NAMES = frozenset({
    "@eadir", "@tmp", "@recycle", "@recently-snapshot", "@sharebin", "#recycle", "#snapshot", "~snapshot", "__macosx",
    "$recycle.bin", "recycler", "system volume information", "lost+found", "thumbs.db", "ehthumbs.db", "desktop.ini",
})  # fmt: skip
"""Files and folders of network storage, archives and operating systems, in lower case: thumbnails, waste, indices."""

PICTURES = frozenset({
    ".heic", ".heif", ".jxl", ".svg", ".psd", ".tga", ".ico", ".exr", ".hdr", ".dds", ".xcf", ".eps", ".pdf", ".dng", ".cr2",
    ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw", ".npy", ".npz", ".dcm", ".nii", ".mp4", ".mov", ".avi",
    ".webm", ".zip", ".tar",
})  # fmt: skip
"""Files that may hold pictures and are not read: a folder of them is not what it seems."""

_ASIDE = frozenset({
    "ann", "anno", "annotation", "annotations", "depth", "edges", "groundtruth", "gt", "instance", "instances", "label",
    "labelmap", "labelmaps", "labels", "lbl", "mask", "masks", "matte", "mattes", "parsing", "seg", "segm", "segmentation",
    "segmentations", "segmentationclass", "segmentationobject", "segs", "semantic", "thumb", "thumbnail", "thumbnails",
    "thumbs", "trimap", "trimaps",
})  # fmt: skip
"""Words in the names of folders and files that stand beside photos and are none."""
_ENDING = re.compile(r"[\W_]([^\W_]+)$")
_PHOTOS, _LOSSLESS = ("jpg", "jpeg", "jpe", "jfif", "webp"), ("png", "gif", "bmp", "tif", "tiff")


@dataclass(frozen=True)
class Contents:
    """What a folder held.

    taken: images by suffix. left_out: files by (reason, suffix). skipped: folders not looked into, by their own names.
    aside: how many of the images have the name of a label map, a thumbnail or another image, and one of them.
    """

    taken: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[tuple[str, str], int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    aside: tuple[int, str] | None = None

    def sentences(self) -> list[str]:
        """What a person should know; nothing of a folder that holds images alone, beside hidden files that are none."""
        by_reason: dict[str, dict[str, int]] = {}
        for (reason, suffix), count in self.left_out.items():
            by_reason.setdefault(reason, {})[suffix] = count
        left = [
            f"{_listed(by_reason[reason])} {why}"
            for reason, why in (
                (OTHER, "(no image by its suffix)"), (HIDDEN, "(hidden)"), (SYSTEM, "(a machine's own)"),
                (SPECIAL, "(no file, or a link that leads nowhere)"), (LABELS, "(a label map without an image)"),
            ) if reason in by_reason
        ]  # fmt: skip
        if self.skipped:
            left.append(f"all in the folders {', '.join(_times(name, count) for name, count in sorted(self.skipped.items()))}")
        said = []
        if left:
            said.append(
                f"{sum(self.taken.values()):,} images were taken ({_listed(self.taken)}), left out were {'; '.join(left)}"
            )
        unread = {suffix: count for suffix, count in by_reason.get(OTHER, {}).items() if suffix in PICTURES}
        if unread:
            package = formats.advice(unread)
            said.append(
                f"{_listed(unread)} may hold pictures and are not read in a folder: "
                f"{f'{package}, or ' if package else ''}convert them to PNG to have them counted, "
                "or name an archive or an array as a source of its own (kinds zip, tar, npy)"
            )
        if self.aside is not None:
            count, name = self.aside
            said.append(
                f"{count:,} of its images, such as {name!r}, have the names of label maps, thumbnails or copies of others; "
                "they are counted as images: if they are none, give them a folder of their own"
            )
        return said


def is_system(name: str) -> bool:
    """Whether a file or folder of this name was made by a machine for itself."""
    return name.lower() in SYSTEM_NAMES


def suffix_of(name: str) -> str:
    """A file's suffix in lower case, or that it has none that says anything."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if 1 < len(suffix) <= 12 and suffix[1:].isalnum() else "without a known suffix"


def aside(names: Sequence[str]) -> tuple[int, str] | None:
    """Of relative names of images, how many look like a label map, a thumbnail or a copy of another image, and the first.

    Those in a folder or with an ending that says so, where there are others; and a lossless file of the name of a photo.
    """
    lossless = any(_stem(name)[1] in _LOSSLESS for name in names)
    photos = {stem for stem, suffix in map(_stem, names) if suffix in _PHOTOS} if lossless else set()
    count, first = 0, ""
    for name in names:  # of a million no list of parts
        stem, suffix = _stem(name)
        if (
            _folder_says_so(os.path.dirname(name))
            or ((ending := _ENDING.search(stem)) is not None and ending[1] in _ASIDE)
            or (suffix in _LOSSLESS and stem in photos)
        ):
            count, first = count + 1, first or name
    return (count, first) if 0 < count < len(names) else None


def _stem(name: str) -> tuple[str, str]:
    stem, _, suffix = os.path.basename(name).lower().rpartition(".")
    return stem, suffix


@lru_cache(maxsize=4096)
def _folder_says_so(folder: str) -> bool:
    return not _ASIDE.isdisjoint(re.split(r"[\W_]+", folder.lower()))


def counted(names: Iterable[str]) -> dict[str, int]:
    """How many files have each suffix, the most frequent first."""
    return dict(Counter(map(suffix_of, names)).most_common())


def _listed(counts: Mapping[str, int], most: int = 6) -> str:
    """300 .jpg, 12 .png and 40 others."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(count for _, count in ordered[most:])
    return ", ".join(f"{count:,} {suffix}" for suffix, count in ordered[:most]) + (f" and {rest:,} others" if rest else "")


def _times(name: str, count: int) -> str:
    return f"{name!r}" if count == 1 else f"{name!r} ({count:,} of them)"
