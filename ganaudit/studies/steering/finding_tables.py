"""The finding tables of steering: how far classes follow, how real it stays, why it stops, and what else moves."""

from __future__ import annotations

from ganaudit.records.columns import (
    BYTE2,
    BYTE4,
    BYTE8,
    FLOAT,
    GENERATOR,
    REAL_NAME,
    RUN,
    STRING,
    YES_NO,
    Column,
    Table,
    interval,
)
from ganaudit.studies.steering.record_tables import EDIT, SPACE, WALK

_WALK = (RUN, REAL_NAME, GENERATOR, EDIT, SPACE, WALK)
_CLASS = (
    Column("class_id", BYTE2, "Number of the class; NULL of the whole image.", True),
    Column("class", STRING, "Name of the class; NULL of the whole image.", True),
)
_ATTRIBUTE = Column(
    "attribute", STRING,
    "One of x, y (of the class's middle, share of the image's side), area (binary logarithm of its pixels' share), count "
    "(connected regions), red, green, blue, luminance (0 to 255).",
)  # fmt: skip
_ALPHA = Column("alpha", FLOAT, "Strength in the edit's own unit.")

STEERABILITY = Table(
    "steerability",
    "generator, walk and class",
    (
        *_WALK,
        *_CLASS,
        Column("attribute", STRING, "What the edit asks to change; NULL where no record measures it.", True),
        Column("images", BYTE8, "Images that hold the class where nothing is moved."),
        *interval("slope", "Change of the attribute by the change asked for, about the identity: 1 follows, 0 does not"),
        *interval("saturation_below", "Strength below the identity from which on the slope is less than a tenth; NULL: none"),
        *interval("saturation_above", "The same above the identity"),
        *interval("detection_below", "Share of these images in which the class is still found at the lowest strength"),
        *interval("detection_above", "The same at the highest"),
        *interval("range", "How far apart the attribute's means at the two ends of the walk's reach are"),
        Column("verdict", STRING, "One of follows, does not follow, inconclusive, too few images."),
    ),
)  # fmt: skip

STEERING_REACH = Table(
    "steering_reach",
    "generator and walk",
    (
        *_WALK,
        Column("margin", FLOAT, "By how much the corrected distance may exceed that at the identity, (percent of pixels)²."),
        Column("identity", FLOAT, "The strength that changes nothing."),
        Column("alpha_low", FLOAT, "Lowest strength that was looked at."),
        Column("alpha_high", FLOAT, "Highest strength that was looked at."),
        Column("reach_low", FLOAT, "From here to reach_high the corrected distance stays within the margin."),
        Column("reach_high", FLOAT, "See reach_low."),
        Column("sure_low", FLOAT, "From here to sure_high it does so beyond doubt: by the upper end of its interval."),
        Column("sure_high", FLOAT, "See sure_low."),
        Column("possible_low", FLOAT, "From here to possible_high it may: by the lower end of that interval."),
        Column("possible_high", FLOAT, "See possible_low."),
        *interval("followed", "Share of the squared error to the edited images that the walk takes away, over all strengths"),
        Column("withheld", STRING, "Why the distance is not known; then reach is the identity alone.", True),
    ),
)

STEERING_CURVES = Table(
    "steering_curves",
    "generator, walk, class, measure and strength",
    (
        *_WALK,
        *_CLASS,
        Column(
            "measure", STRING,
            "An attribute (x, y, area, count, red, green, blue, luminance); detection, confidence; of the whole image also "
            "distance (from the strength before), error, error_still, fsd, fsd_difference (from the identity's).",
        ),
        _ALPHA,
        Column("images", BYTE8, "Images that it is the mean over."),
        *interval("value", "Mean over images; of attributes in those that hold the class here and at the identity"),
        Column("asked", FLOAT, "Where the edit asks it to be; NULL where it asks for nothing.", True),
        Column("real_mean", FLOAT, "Mean of the same over the real images that hold the class.", True),
        Column("real_sd", FLOAT, "Standard deviation of the same over them.", True),
    ),
)  # fmt: skip

STEERING_CAUSES = Table(
    "steering_causes",
    "generator, walk and class",
    (
        *_WALK,
        *_CLASS,
        _ATTRIBUTE,
        Column("real_images", BYTE8, "Real images that hold the class."),
        *interval("sigma", "Standard deviation of the attribute over them: how much it varies in the data"),
        *interval("shift", "How far the walk moves the attribute: mean of the distances at both ends of the strengths"),
    ),
)

STEERING_CORRELATIONS = Table(
    "steering_correlations",
    "generator and walk",
    (
        *_WALK,
        _ATTRIBUTE,
        Column("classes", BYTE4, "Classes with both numbers."),
        *interval("correlation", "Pearson's, of shift and sigma over classes"),
        Column("p_value", FLOAT, "Of no correlation, two-sided.", True),
    ),
)

STEERING_SIDE_EFFECTS = Table(
    "steering_side_effects",
    "generator, walk, class and attribute",
    (
        *_WALK,
        *_CLASS,
        _ATTRIBUTE,
        Column("wanted", YES_NO, "Whether the edit asks for it."),
        Column("images", BYTE8, "Images that hold the class at the identity and at both ends."),
        *interval("below", "Change at the lowest strength, in standard deviations of the real images"),
        *interval("above", "The same at the highest"),
    ),
)

DISENTANGLEMENT = Table(
    "disentanglement",
    "generator and walk",
    (
        *_WALK,
        _ATTRIBUTE,
        Column("classes", BYTE4, "Classes that it is the mean over."),
        *interval("wanted", "Mean change of the attribute at both ends, over classes, in real standard deviations"),
        *interval("others", "The same of the other attributes"),
        *interval("share", "Wanted by the sum of both: 1 moves nothing else"),
    ),
)

FINDINGS = (
    STEERABILITY, STEERING_REACH, STEERING_CURVES, STEERING_CAUSES, STEERING_CORRELATIONS, STEERING_SIDE_EFFECTS,
    DISENTANGLEMENT,
)  # fmt: skip
