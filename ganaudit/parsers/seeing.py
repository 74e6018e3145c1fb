"""What a parser sees in 8-bit images, whoever asks: label maps and confidences of its first head."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit import images
from ganaudit.errors import AuditError
from ganaudit.foreign_code import blamed
from ganaudit.parsers.opening import OpenParser


@torch.inference_mode()
def see(parser: OpenParser, pixels: Tensor, batch: int, device: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Label maps and confidences (N, h, w) of 8-bit pixels (N, H, W, 3), of the parser's first head, asked in batches of one
    size. Raises AuditError where the parser fails."""
    maps, confidence = [], []
    for start in range(0, len(pixels), batch):
        part = pixels[start : start + batch]
        padded = torch.cat([part, part.new_zeros((batch - len(part), *part.shape[1:]))])
        with blamed("the parser", device, batch):
            labels = parser.parser.parse(images.to_unit(padded.to(device)))
            first = (slice(len(part)), 0) if labels.maps.ndim == 4 else (slice(len(part)),)
            maps.append(labels.maps[first].cpu().numpy().astype(np.int64))
            confidence.append(labels.confidence[first].cpu().float().numpy())
    label_maps, sure = np.concatenate(maps), np.concatenate(confidence)
    if label_maps.min() < 0 or label_maps.max() >= parser.class_count:
        raise AuditError(
            f"the parser gave the class ids {label_maps.min()} to {label_maps.max()}; they end at {parser.class_count - 1}"
        )
    if label_maps.shape != sure.shape or not ((sure > -1e-3) & (sure < 1.0 + 1e-3)).all():
        raise AuditError("the parser's confidences are numbers from 0 to 1, one for each pixel of a label map; these are not")
    return label_maps, np.clip(sure, 0.0, 1.0)
