"""The record tables of steering: the walks, and what was seen in each image along each of them."""

from __future__ import annotations

import pyarrow as pa

from ganaudit.records.columns import (
    BYTE2,
    BYTE4,
    BYTE8,
    CLASS_ID,
    FLOAT,
    IMAGE,
    OF_KEY,
    REAL,
    STRING,
    Column,
    Shards,
    Table,
)

EDIT = Column("edit", STRING, "What the walk is to do to the image, such as zoom, shift-x, luminance.")
SPACE = Column("space", STRING, "Where the walk moves: z, w, w+.")
WALK = Column("walk", STRING, "Its kind: linear, residual.")
ALPHA = Column(
    "alpha", FLOAT, "Strength in the edit's own unit: field of view, pixels, degrees, or what is added; NULL of real images.",
    True,
)  # fmt: skip
_COLOURS = ("red", "green", "blue")
_STEERED = Column("key", STRING, "Content key of generator, walk, strengths and parser; or of real images and parser.")

WALKS = Table(
    "walks",
    "walk, as it was trained",
    (
        Column("key", STRING, "Content key of the generator and of the training."),
        Column("generator_key", STRING, "Content key of the generator's samples."),
        EDIT,
        SPACE,
        WALK,
        Column("sha256", STRING, "Of the walk's tensors, to the bit."),
        Column("file", STRING, "Its file, in the store's folder walks."),
        Column("steps", BYTE8, "Optimiser steps that it was trained."),
        Column("parameters", BYTE8, "Numbers that it has."),
        Column("norm", FLOAT, "Euclidean norm of all of them."),
        Column("loss_first", FLOAT, "Mean loss of the first twentieth of the steps.", True),
        Column("loss_last", FLOAT, "Mean loss of the last twentieth.", True),
        Column("seconds", FLOAT, "Wall time of the training."),
    ),
    files=OF_KEY,
)

STEERING = Table(
    "steering",
    "image, strength and class that is in the image at any strength: lost, it has no pixels",
    (
        _STEERED,
        IMAGE,
        ALPHA,
        CLASS_ID,
        Column("pixels", BYTE4, "Pixels of the class; 0 where it is in the image at another strength only."),
        Column("confidence", REAL, "The parser's mean confidence over them; NULL without any.", True),
        Column("x_sum", BYTE8, "Sum over them of the distance from the left edge, in pixels."),
        Column("y_sum", BYTE8, "Sum over them of the distance from the top edge."),
        *(
            Column(f"{axis}_{end}", BYTE2, f"{which} {axis} among them; NULL without any.", True)
            for end, which in (("min", "Least"), ("max", "Greatest")) for axis in ("x", "y")
        ),
        Column("parts", BYTE4, "Connected regions of at least four pixels."),
        Column("largest", BYTE4, "Pixels of the largest region."),
        *(Column(name, REAL, f"Mean {name} over them, 0 to 255; NULL without any.", True) for name in _COLOURS),
    ),
    sort=("image", "alpha", "class_id"),
    files=OF_KEY,
)  # fmt: skip

STEERING_IMAGES = Table(
    "steering_images",
    "image and strength",
    (
        _STEERED,
        IMAGE,
        ALPHA,
        Column("width", BYTE4, "Of the label map, in pixels; NULL where the image was set aside.", True),
        Column("height", BYTE4, "Of the label map.", True),
        Column("confidence", REAL, "The parser's mean confidence over the image.", True),
        *(Column(name, REAL, f"Mean {name}, 0 to 255.", True) for name in _COLOURS),
        Column("distance", FLOAT, "Root mean square difference from the image at the strength before, on [-1, 1].", True),
        Column("error", FLOAT, "Mean squared difference from the edited image, where that is known, on [-1, 1].", True),
        Column("error_still", FLOAT, "The same of the image that was not moved: what no walk would have.", True),
        Column("known", FLOAT, "Share of the pixels at which the edited image is known.", True),
        Column("cluster", STRING, "Group of images that are not independent of each other, where known.", True),
        Column("digest", STRING, "Digest of the 8-bit pixels where nothing is moved; NULL at other strengths.", True),
        Column("status", STRING, "Either ok, or quarantined."),
        Column("error_text", STRING, "Why it was set aside.", True),
        Column("picture", pa.binary(), "Lossless WebP of the image as the parser saw it, of the first few images.", True),
    ),
    sort=("image", "alpha"),
    files=OF_KEY,
)  # fmt: skip

RECORDS = (WALKS, STEERING, STEERING_IMAGES)
SHARDS = (Shards((), WALKS, indexed=False), Shards((STEERING,), STEERING_IMAGES, indexed=False))
