"""The finding tables about inversions: verdicts, fidelity, what stands where a class was."""

from __future__ import annotations

from ganaudit.records.columns import (
    BYTE2,
    BYTE4,
    BYTE8,
    CLASS,
    CLASS_ID,
    FLOAT,
    GENERATOR,
    IMAGE,
    KEY,
    RUN,
    STRING,
    YES_NO,
    Column,
    Table,
    interval,
)
from ganaudit.studies.inversion.record_tables import FACTOR, LAYER, RATIO, SAMPLE

METHOD = Column("method", STRING, "The registered inverter, or the name of somebody else's reconstructions.")
_SETTING = (RUN, GENERATOR, METHOD, LAYER, FACTOR)
_RECALL = "Share of the class's pixels that the reconstruction shows as the class"

INVERSION_SUMMARY = Table(
    "inversion_summary",
    "generator, method, setting and kind of image",
    (
        *_SETTING,
        SAMPLE,
        Column("images", BYTE8, "Images that were inverted."),
        Column("failed", BYTE8, "Images whose search was set aside."),
        *interval("mse", "Weighted mean squared difference on [-1, 1]"),
        *interval("psnr", "Weighted mean in dB"),
        *interval("ssim", "Weighted mean structural similarity"),
        *interval("lpips", "Weighted mean LPIPS, where it was the perceptual term"),
    ),
)

PHOTO_VERDICTS = Table(
    "photo_verdicts",
    "class of an inverted photo, method and setting",
    (
        *_SETTING,
        KEY,
        IMAGE,
        Column("name", STRING, "Name of the photo."),
        CLASS_ID,
        CLASS,
        Column("target_pixels", BYTE4, "The class's pixels in the photo."),
        Column(
            "recall",
            FLOAT,
            "Share of them that the reconstruction shows as the class; NULL where the search was set aside.",
            True,
        ),
        Column("verdict", STRING, "One of omitted, distorted, recovered, search inconclusive, not testable."),
    ),
)

OMISSIONS = Table(
    "omissions",
    "generator, method, setting and class",
    (
        *_SETTING,
        CLASS_ID,
        CLASS,
        Column("images", BYTE8, "Photos that hold enough of the class to be tested."),
        *interval("recall", "Weighted mean recall over those photos"),
        Column("control", STRING, "What shows what the search can find: own samples, or other classes.", True),
        Column("control_images", BYTE8, "Cases of the control."),
        Column("control_recall", FLOAT, "Mean recall of the control.", True),
        Column("weighted_recall", FLOAT, "Mean recall of the mask-weighted search by this method, at this penalty.", True),
        Column("verdict", STRING, "One of not made, made, inconclusive, not testable."),
    ),
)

INVERSION_BY_LAYER = Table(
    "inversion_by_layer",
    "generator, layer where the search was free, method, setting and kind of image",
    (
        RUN,
        GENERATOR,
        Column("place", BYTE2, "Place of the layer on the generator's curve: 1 is z, or what has the fewest free numbers."),
        LAYER,
        METHOD,
        FACTOR,
        SAMPLE,
        RATIO,
        Column("evidential", YES_NO, "Whether what is lost says something about the generator."),
        Column("images", BYTE8, "Images whose search came to an end."),
        *interval("mse", "Weighted mean squared difference on [-1, 1]"),
        *interval("psnr", "Weighted mean in dB"),
        *interval("agreement", "Weighted share of the pixels that the parser gives one class in both"),
    ),
)

RECALL_BY_SIZE = Table(
    "recall_by_size",
    "class, kind of image and size of the object, for a generator, method and setting",
    (
        *_SETTING,
        SAMPLE,
        CLASS_ID,
        CLASS,
        Column("pixels_from", BYTE4, "The images hold this many pixels of the class or more: a power of two."),
        Column("pixels_below", BYTE4, "And fewer than this many, twice as many."),
        Column("images", BYTE8, "Images of this kind and size."),
        *interval("recall", f"{_RECALL}, weighted mean over images"),
    ),
)

WORST_PHOTOS = Table(
    "worst_photos",
    "class and rank of a photo, for a generator, method and setting",
    (
        *_SETTING,
        CLASS_ID,
        CLASS,
        Column(
            "rank",
            BYTE2,
            "Place by recall among testable photos, 1 is the lowest; of equals, more pixels first, then the lower index.",
        ),
        KEY,
        IMAGE,
        Column("name", STRING, "Name of the photo."),
        Column("target_pixels", BYTE4, "The class's pixels in the photo."),
        Column("recall", FLOAT, f"{_RECALL}."),
        Column("verdict", STRING, "The verdict on the class in the photo."),
        Column(
            "own_key", STRING, "Content key of the own sample that holds the class in the nearest size; NULL without one.", True
        ),
        Column("own_image", BYTE8, "Index of that own sample.", True),
        Column("own_pixels", BYTE4, "The class's pixels in it.", True),
        Column("own_recall", FLOAT, "The same recall in it: what the search finds where the class is within reach.", True),
    ),
)

INVERSION_CONFUSIONS = Table(
    "inversion_confusions",
    "class and what stands in its place, for a generator, method, setting and kind of image",
    (
        *_SETTING,
        SAMPLE,
        CLASS_ID,
        CLASS,
        Column("rank", BYTE2, "Place by share of pixels, 1 is the largest."),
        Column("reconstruction_class_id", BYTE2, "Number of the class that stands there in the reconstruction."),
        Column("reconstruction_class", STRING, "Its name; that of the class itself where it came back."),
        Column("images", BYTE8, "Images that hold enough of the class to be tested."),
        *interval("share", "Share of the class's pixels in these images, each weighted as its image"),
    ),
)

INVERSION_ATTRIBUTES = Table(
    "inversion_attributes",
    "class and attribute, for a generator, method, setting and kind of image",
    (
        *_SETTING,
        SAMPLE,
        CLASS_ID,
        CLASS,
        Column(
            "attribute", STRING, "One of red, green, blue (means, 0–255), sharpness (mean absolute Laplacian of the luminance)."
        ),
        Column("images", BYTE8, "Images that hold enough of the class to be tested, and whose search came to an end."),
        Column("target", FLOAT, "Weighted mean inside the class's mask, in the images.", True),
        Column("reconstruction", FLOAT, "Weighted mean inside the same masks, in the reconstructions.", True),
        *interval("difference", "Reconstruction less image"),
    ),
)

GENERALISATION = Table(
    "generalisation",
    "pair of generators, method and setting",
    (
        RUN,
        Column("generator_a", STRING, "Name of one generator."),
        Column("generator_b", STRING, "Name of the other, of the same resolution."),
        METHOD,
        FACTOR,
        Column("layer_a", STRING, "Where the search was free in a."),
        Column("layer_b", STRING, "Where the search was free in b."),
        Column("resolution", BYTE4, "Of both, in pixels: errors at different resolutions are not compared."),
        Column("images", BYTE8, "Held-out photos that both inverted."),
        *interval(
            "difference", "Mean squared error of a less that of b on the same photos, weighted: negative where a is better"
        ),
        Column("verdict", STRING, "One of 'a is nearer', 'b is nearer', 'cannot be told apart', 'not testable'."),
    ),
)

MEMORISATION = Table(
    "memorisation",
    "generator",
    (
        RUN,
        GENERATOR,
        Column("train_images", BYTE8, "Training photos that were inverted by latent, from random starts."),
        Column("heldout_images", BYTE8, "Held-out photos that were inverted so."),
        *interval("difference", "Mean squared error of held-out less that of training photos, weighted"),
        Column("ks", FLOAT, "Kolmogorov-Smirnov distance of the two kinds of errors.", True),
        Column(
            "ks_p",
            FLOAT,
            "Its p-value, two-sided; of weighted photos by 999 permutations: never below 0.001.",
            True,
        ),
        Column(
            "auc", FLOAT, "Chance that a held-out photo's error is above a training photo's; 0.5 where they are alike.", True
        ),
        Column("verdict", STRING, "One of memorised, no sign of it, not testable."),
        Column("reason", STRING, "Why it is not testable.", True),
    ),
)

ENCODER_LIMITS = Table(
    "encoder_limits",
    "generator, encoder and class",
    (
        RUN,
        GENERATOR,
        Column("encoder", STRING, "The method that is the encoder alone, such as own_encoder."),
        CLASS_ID,
        CLASS,
        Column("images", BYTE8, "Photos that hold enough of the class to be tested, and that the encoder answered."),
        Column("encoded", BYTE8, "Of them, those in which half of the class comes back by the encoder alone."),
        Column("searched", BYTE8, "Those in which it does only by a search that starts from the encoder."),
        Column("elsewhere", BYTE8, "Those in which it does only by a search from another start."),
        Column("nowhere", BYTE8, "Those in which it does by none of the methods."),
        *interval("missed", "Weighted share of the photos in which it comes back from another start alone"),
        Column(
            "verdict", STRING,
            "Missed: beyond doubt in more than a twentieth of the photos; reached: in fewer than a fifth; inconclusive; "
            "not testable.",
        ),
    ),
)  # fmt: skip

FINDINGS = (
    INVERSION_SUMMARY, PHOTO_VERDICTS, OMISSIONS, INVERSION_BY_LAYER, RECALL_BY_SIZE, WORST_PHOTOS, INVERSION_CONFUSIONS,
    INVERSION_ATTRIBUTES, GENERALISATION, MEMORISATION, ENCODER_LIMITS,
)  # fmt: skip
