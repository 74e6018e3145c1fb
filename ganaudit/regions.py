"""Connected regions of label maps: of how many parts each class of an image is, and how large the largest is."""

from __future__ import annotations

import cc3d
import numpy as np
from numpy.typing import NDArray

LEAST_PIXELS = 4
"""A region of fewer pixels is a crumb: it is no part of a class."""


def regions(owners: NDArray[np.int32], slots: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Parts and largest, (slots,) each, from label maps (M, h, w) of values below `slots` that differ from image to image.

    parts: regions of at least LEAST_PIXELS pixels; largest: pixels of the largest region. Pixels that touch at a corner are
    connected. All maps are labelled in one pass, one below the other, with a row of nothing between two of them.
    """
    maps, height, width = owners.shape
    stacked = np.zeros((maps, height + 1, width), np.uint32)
    stacked[:, :height] = owners
    stacked[:, :height] += 1
    labels, count = cc3d.connected_components(stacked.reshape(-1, width), connectivity=8, return_N=True)
    places = labels.ravel()
    pixels = np.bincount(places, minlength=count + 1)[1:]
    owner = np.zeros(count + 1, np.int64)
    owner[places] = stacked.ravel()
    of = owner[1:] - 1
    parts = np.bincount(of[pixels >= LEAST_PIXELS], minlength=slots)
    largest = np.zeros(slots, np.int64)
    np.maximum.at(largest, of, pixels)
    return parts, largest


def with_instances(
    owners: NDArray[np.int32], instances: NDArray[np.int64], slots: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same where things are told apart: a thing of at least LEAST_PIXELS visible pixels is one part, however many regions
    it has. instances: (M, h, w) numbers of things in each map, 0 where there is none and regions are counted."""
    thing = instances > 0
    parts, largest = regions(np.where(thing, slots, owners), slots + 1)
    parts, largest = parts[:slots], largest[:slots]
    most = int(instances.max(initial=0)) + 1
    codes, pixels = np.unique(owners[thing].astype(np.int64) * most + instances[thing], return_counts=True)
    np.add.at(parts, codes // most, pixels >= LEAST_PIXELS)
    np.maximum.at(largest, codes // most, pixels)
    return parts, largest
