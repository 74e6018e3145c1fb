"""Images, label maps and confidences as bytes of a record: lossless, and each by itself."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganaudit.errors import AuditError

STEPS = 65_535
"""A confidence is kept as a whole number of steps of 1/65535."""


def webp(pixels: NDArray[np.uint8]) -> bytes:
    """Lossless WebP of (h, w, 3), with little effort: 40 times as fast, files a fifth larger."""
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(content, "WEBP", lossless=True, method=0)
    return content.getvalue()


def label_png(labels: NDArray[np.int64]) -> bytes:
    """A label map (h, w) as a grey PNG of 16 bits, whose pixels are the class ids themselves."""
    return _png(labels.astype(np.uint16))


def confidence_png(confidence: NDArray[np.float32]) -> bytes:
    """Confidences (h, w) in [0, 1] as a grey PNG of 16 bits, in steps of 1/65535."""
    return _png(np.rint(np.clip(confidence, 0.0, 1.0) * STEPS).astype(np.uint16))


def pixels_of(content: bytes) -> NDArray[np.uint8]:
    """(h, w, 3) of a record's picture. Raises AuditError where it is none."""
    return np.asarray(_opened(content, "RGB"), dtype=np.uint8)


def labels_of(content: bytes) -> NDArray[np.int64]:
    """Class ids (h, w). Raises AuditError where the record holds no label map."""
    return np.asarray(_opened(content, "I;16"), dtype=np.int64)


def confidence_of(content: bytes) -> NDArray[np.float32]:
    """Confidences (h, w). Raises AuditError where the record holds none."""
    return np.asarray(_opened(content, "I;16"), dtype=np.float32) / np.float32(STEPS)


def _png(values: NDArray[np.uint16]) -> bytes:
    content = io.BytesIO()
    Image.fromarray(values).save(content, "PNG", compress_level=1)
    return content.getvalue()


def _opened(content: bytes, mode: str) -> Image.Image:
    try:
        with Image.open(io.BytesIO(content), formats=("WEBP", "PNG")) as image:
            image.load()
            if image.mode == mode:
                return image.copy()
            problem = f"its mode is {image.mode}"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        problem = str(error)
    raise AuditError(f"a picture in the records is damaged: {problem}; run `ganaudit verify`, and the audit again")
