"""The record tables of inversions: what became of each image, and the columns that name an inversion."""

from __future__ import annotations

import pyarrow as pa

from ganaudit.records.columns import (
    BYTE2,
    BYTE4,
    BYTE8,
    CLASS_ID,
    FLOAT,
    IMAGE,
    KEY,
    OF_KEY,
    PARSER_KEY,
    REAL,
    STRING,
    YES_NO,
    Column,
    Shards,
    Table,
)

FACTOR = Column(
    "penalty_factor", FLOAT, "The residuals' penalty as a multiple of that set from own samples; NULL without residuals.", True
)
SAMPLE = Column(
    "sample", STRING,
    "One of heldout, train (training photos), own (the generator's own samples, the control), masked (own samples with a "
    "patch greyed out).",
)  # fmt: skip
METHOD = Column("method", STRING, "The registered inverter.")
LAYER = Column(
    "layer", STRING,
    "Where the search was free: z, or r, the first layer that is frozen whole; unknown in reconstructions of others.",
)  # fmt: skip
SETTING = (
    KEY,
    SAMPLE,
    METHOD,
    FACTOR,
    Column("weighted_class", BYTE2, "Class whose pixels the loss counts ten times; NULL in a plain search.", True),
    IMAGE,
)

RATIO = Column(
    "ratio", FLOAT,
    "Free numbers per pixel value; above a quarter, what is found is an upper bound. NULL where nobody said it of somebody "
    "else's reconstructions.", True,
)  # fmt: skip
_KEPT = "NULL in mask-weighted searches, at other penalties, and where the search was set aside."

INVERSION_TARGETS = Table(
    "inversion_targets",
    "image that is inverted, as it was parsed: once for all generators and methods",
    (
        Column("key", STRING, "Content key of the list of images."),
        SAMPLE,
        IMAGE,
        Column("weight", FLOAT, "One over the chance that the image was chosen."),
        *(
            Column(f"patch_{side}", FLOAT, f"Where a patch is greyed out: its {side}, as a share of the image.", True)
            for side in ("top", "left", "bottom", "right")
        ),
        Column("picture", pa.binary(), "Lossless WebP of the image as the parser saw it, the patch greyed out."),
        Column("label_map", pa.binary(), "PNG of 16 bits: the class ids that the parser saw in it; void (0) in the patch."),
        Column("confidence_map", pa.binary(), "PNG of 16 bits: the parser's confidence in each, in steps of 1/65535."),
    ),
    sort=("image",),
    files=OF_KEY,
)

INVERSIONS = Table(
    "inversions",
    "image, generator, method and setting",
    (
        *SETTING,
        Column("generator_key", STRING, "Content key of the generator's samples."),
        PARSER_KEY,
        Column("inverter", STRING, "Digest of the trained inverter's file; NULL where none was used.", True),
        Column("weight", FLOAT, "One over the chance that the image was chosen."),
        LAYER,
        RATIO,
        Column("evidential", YES_NO, "Whether what is lost says something about the generator."),
        Column(
            "start", STRING,
            "Where the search started: random, encoder, layered, unknown, or what was found at the penalty itself.",
        ),
        Column("restart", BYTE4, "Which of the random starts was best, from 0."),
        Column("spread", FLOAT, "Worst less best over best final loss of the random starts.", True),
        Column("seed", BYTE8, "Seed of the random starts."),
        Column("penalty", FLOAT, "Weight of the sum over layers of mean squared residuals."),
        Column("perceptual", STRING, "The perceptual term of the loss."),
        Column("precision", STRING, "What the search computed in; NULL in records of 0.2.0.", True),
        Column("steps", BYTE4, "Steps that were taken."),
        Column("seconds", FLOAT, "Wall time of the image's batch, divided by its images."),
        Column("loss_first", FLOAT, "Loss at the start.", True),
        Column("loss_best", FLOAT, "Loss at the best step, in float32.", True),
        Column("best_step", BYTE4, "The step that was kept."),
        Column("residual", FLOAT, "Root mean square of all residuals; NULL where none are free.", True),
        Column("gradient_norm", FLOAT, "Norm of the gradient at the best step.", True),
        Column("mse", FLOAT, "Mean squared difference on [-1, 1].", True),
        Column("psnr", FLOAT, "In dB, with a peak of 2; NULL where the two are equal.", True),
        Column("ssim", FLOAT, "Structural similarity.", True),
        Column("lpips", FLOAT, "LPIPS, where it was the perceptual term: then it was also optimised.", True),
        Column("status", STRING, "Either ok, or quarantined if the search was set aside."),
        Column("error", STRING, "Why, with the step.", True),
        Column("targets_key", STRING, "Content key of the list in `inversion_targets` that the image stands in.", True),
        Column("picture", pa.binary(), f"Lossless WebP of the reconstruction as the parser saw it; {_KEPT}", True),
        Column("label_map", pa.binary(), f"PNG of 16 bits: the class ids that the parser saw in it; {_KEPT}", True),
    ),
    sort=("image",),
    files=OF_KEY,
)  # fmt: skip

INVERSION_CONFUSION = Table(
    "inversion_confusion",
    "pair of classes in an inverted image",
    (
        *SETTING,
        Column("target_class", BYTE2, "Class of the pixels in the image."),
        Column("reconstruction_class", BYTE2, "Class of the same pixels in the reconstruction."),
        Column("pixels", BYTE4, "How many pixels; pairs that do not occur have no row."),
    ),
    sort=("image", "target_class", "reconstruction_class"),
    files=OF_KEY,
)

_COLOURS = ("red", "green", "blue")
_INSIDE = "inside the class's mask"
_OF_RECONSTRUCTION = f"in the reconstruction, {_INSIDE} in the image; NULL where the search was set aside."

INVERSION_CLASSES = Table(
    "inversion_classes",
    "class present in an inverted image",
    (
        *SETTING,
        CLASS_ID,
        Column("target_pixels", BYTE4, "The class's pixels in the image: its mask."),
        Column(
            "contrast", FLOAT,
            "Distance of the mask's mean colour from that of the two pixels around it, colours in [0, 1]; NULL without such.",
            True,
        ),
        Column("target_confidence", FLOAT, "The parser's mean confidence over the mask, in the image."),
        Column("confidence", FLOAT, f"The parser's mean confidence {_OF_RECONSTRUCTION}", True),
        *(Column(f"target_{name}", FLOAT, f"Mean {name} {_INSIDE}, in the image, 0–255.") for name in _COLOURS),
        *(Column(name, FLOAT, f"Mean {name}, 0–255, {_OF_RECONSTRUCTION}", True) for name in _COLOURS),
        Column("target_sharpness", FLOAT, f"Mean absolute Laplacian of the luminance (0–255) {_INSIDE}, in the image."),
        Column("sharpness", FLOAT, f"Mean absolute Laplacian of the luminance {_OF_RECONSTRUCTION}", True),
    ),
    sort=("image", "class_id"),
    files=OF_KEY,
)  # fmt: skip

INVERSION_LATENTS = Table(
    "inversion_latents",
    "inverted image",
    (
        *SETTING,
        Column(
            "z", pa.list_(REAL), "The latent of the reconstruction; NULL where the search was set aside, or not ours.", True
        ),
        Column("w", pa.list_(REAL), "The style that the reconstruction was run from, by methods that answer in w.", True),
        Column("layers", pa.list_(STRING), "Layers with residuals, in order; NULL where residuals are not kept.", True),
        Column(
            "residuals", pa.list_(REAL),
            "Residuals of all these layers, one after the other, each in the order channel, row, column; kept with "
            "invert.keep: residuals.", True,
        ),
    ),
    sort=("image",),
    files=OF_KEY,
)  # fmt: skip

INVERSION_PRECISIONS = Table(
    "inversion_precisions",
    "generator and method whose searches were tried out in a lower precision on own samples, until 0.6.0",
    (
        Column("key", STRING, "Content key of the generator, the method, the search and the own samples."),
        Column("generator_key", STRING, "Content key of the generator's samples."),
        METHOD,
        Column("precision", STRING, "What searches compute in: bfloat16 only where that hardly changes the final loss."),
        Column("change", FLOAT, "By how much bfloat16 changed the mean final loss, relatively; NULL where not asked.", True),
        Column("images", BYTE4, "Own samples that this was measured on."),
        Column("seconds", FLOAT, "Wall time of all this."),
    ),
    files=OF_KEY,
)

INVERSION_CALIBRATIONS = Table(
    "inversion_calibrations",
    "own sample inverted to set the residuals' penalty",
    (
        Column("key", STRING, "Content key of the generator, the search and the own samples."),
        IMAGE,
        Column("generator_key", STRING, "Content key of the generator's samples."),
        METHOD,
        Column("size", REAL, "Sum over layers of mean squared residuals; NULL where the search was set aside.", True),
        Column("gain", REAL, "Loss that they saved.", True),
        Column("penalty", REAL, "Penalty under which nine tenths of that are still saved; searches have the median's.", True),
    ),
    sort=("image",),
    files=OF_KEY,
)

INVERSION_CURVES = Table(
    "inversion_curves",
    "logged step of an image's search",
    (
        *SETTING,
        Column("step", BYTE4, "The step that these are the losses of."),
        Column("loss", FLOAT, "The whole loss."),
        Column("pixel", FLOAT, "Its pixel term."),
        Column("perceptual_term", FLOAT, "Its perceptual term, before its weight.", True),
        Column("prior", FLOAT, "Its prior on z, before its weight.", True),
        Column("residual_term", FLOAT, "Sum over layers of mean squared residuals.", True),
    ),
    sort=("image", "step"),
    files=OF_KEY,
)

RECORDS = (
    INVERSION_TARGETS, INVERSIONS, INVERSION_CONFUSION, INVERSION_CLASSES, INVERSION_CURVES, INVERSION_LATENTS,
    INVERSION_PRECISIONS, INVERSION_CALIBRATIONS,
)  # fmt: skip
SHARDS = (
    Shards((), INVERSION_TARGETS, indexed=False),
    Shards((), INVERSION_PRECISIONS, indexed=False),
    Shards((), INVERSION_CALIBRATIONS),
    Shards(
        (INVERSION_CURVES, INVERSION_CONFUSION, INVERSION_CLASSES, INVERSION_LATENTS), INVERSIONS,
        whole=(INVERSION_LATENTS.name,), indexed=False,
    ),
)  # fmt: skip
GROWN = (INVERSIONS, INVERSION_CALIBRATIONS, INVERSION_CONFUSION, INVERSION_CLASSES, INVERSION_CURVES, INVERSION_LATENTS)
"""Tables that got further columns: files of an older ganaudit have NULL there."""
