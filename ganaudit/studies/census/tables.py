"""The tables of class statistics: the shards of the store's own record tables, and what follows from the records of one run."""

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
    REAL,
    REAL_NAME,
    RUN,
    STRING,
    YES_NO,
    Column,
    Shards,
    Table,
    interval,
    pair,
)
from ganaudit.records.tables import CLASS_PIXELS, IMAGES, PARSED_TWICE, PARSER_CONFUSION, PARSER_OVERLAP

_THRESHOLD = Column(
    "presence_threshold", FLOAT,
    "From which size a class counts as present, percent of an image's pixels: of its largest region, or of all its "
    "pixels where decide.presence is a number.",
)  # fmt: skip
_PAIR = (RUN, REAL_NAME, GENERATOR)
_PAIR_AND_CLASS = (*_PAIR, CLASS_ID, CLASS)

CLASS_STATS = Table(
    "class_stats",
    "pair of real source and generator, and class (void left out)",
    (
        *_PAIR_AND_CLASS,
        _THRESHOLD,
        *pair("area", "Mean share of the image, percent of pixels"),
        *pair("presence", "Share of images that hold the class, 0 to 1"),
        *pair("size", "Mean share of the images that hold the class, percent of pixels"),
        *pair("count", "Mean number of connected regions in an image, none where the class is not present"),
        *pair("any_trace", "Share of images with any pixel of the class, 0 to 1"),
        Column("real_confidence", FLOAT, "The parser's mean confidence over the class's pixels, real images.", True),
        Column("generated_confidence", FLOAT, "The same over the generated images.", True),
        Column("real_trace_confidence", FLOAT, "The same in those real images where the class is not present.", True),
        Column("generated_trace_confidence", FLOAT, "The same in such generated images.", True),
    ),
)

FSD = Table(
    "fsd",
    "pair of real source and generator",
    (
        *_PAIR,
        Column("real_images", BYTE8, "Real images that were read."),
        Column("generated_images", BYTE8, "Generated images that were read."),
        Column("live_classes", BYTE4, "Classes (with void) that hold a pixel on either side: the others change nothing."),
        Column("fsd", FLOAT, "Fréchet segmentation distance over the first head's classes and void, (percent of pixels)²."),
        Column("mean_part", FLOAT, "The part that comes from mean areas."),
        Column("covariance_part", FLOAT, "The part that comes from how areas vary together."),
        Column(
            "floor",
            FLOAT,
            "What fsd would be, about, for a perfect generator at these numbers of images on either side.",
            True,
        ),
        Column("resolution_floor", FLOAT, "The fsd of real images sent through the generator's resolution and back.", True),
        *interval("corrected", "The distance without the bias of finite samples; it may lie below 0, its interval does not"),
        Column("withheld", STRING, "Why corrected has no interval; NULL where it has one.", True),
        Column(
            "corrected_se",
            FLOAT,
            "Standard error of corrected, by the jackknife, without what it counts twice where the distance is small.",
            True,
        ),
        Column("delta_se", FLOAT, "Standard error of fsd by the delta method; it vanishes where the distance is 0.", True),
        Column("mostly_bias", YES_NO, "Whether the correction is larger than half of fsd: more images are needed.", True),
        Column(
            "p_value",
            FLOAT,
            "Of no difference, this generator alone, by permuting blocks of equal size; NULL where images are clustered.",
            True,
        ),
        Column(
            "q_value",
            FLOAT,
            "The same, adjusted over the generators of the run (Holm): alpha is the chance of one false finding in all.",
            True,
        ),
        Column(
            "permutations",
            BYTE4,
            "How many permutations gave p_value: it is never below 1 / (1 + permutations), q_value of k generators never "
            "below k / (1 + permutations).",
        ),
    ),
)

FSD_BY_CLASS = Table(
    "fsd_by_class",
    "pair of real source and generator, and class (with void)",
    (
        *_PAIR_AND_CLASS,
        Column("share", FLOAT, "The class's part of fsd, (percent of pixels)²; 0 or more, and they add up to fsd."),
    ),
)

FSD_CURVE = Table(
    "fsd_curve",
    "pair of real source and generator, and number of images",
    (
        *_PAIR,
        Column("real_images", BYTE8, "Real images used."),
        Column("generated_images", BYTE8, "Generated images used."),
        *interval("fsd", "The plain distance at these numbers of images, mean of several subsets"),
        *interval("corrected", "The corrected distance at these numbers of images"),
    ),
)

INFLUENCES = Table(
    "influences",
    "image of a pair of real source and generator",
    (
        *_PAIR,
        Column("role", STRING, "Either real or generated."),
        KEY,
        IMAGE,
        Column("influence", REAL, "How much fsd would change, about, per unit of additional weight: positive pushes it up."),
    ),
)

_MEASURE = Column("measure", STRING, "One of presence, area, count.")
_VERDICT = Column("verdict", STRING, "One of dropped, reduced, increased, equivalent, invented, inconclusive, not testable.")
_RATIO = (
    *interval("ratio", "Generated over real"),
    Column("p_value", FLOAT, "Of a ratio of decide.reduced or more; NULL where not testable.", True),
    Column("q_value", FLOAT, "The same, adjusted over all rows of the run, generator and table (Benjamini-Hochberg).", True),
    Column("detectable", FLOAT, "The largest true ratio that would be found reduced with 90 % power; NULL where none.", True),
    Column(
        "images_needed",
        BYTE8,
        "Images of each side from which a total loss would be found; NULL where testable, or held by no real image.",
        True,
    ),
    _THRESHOLD,
    Column("real_holding", BYTE8, "Real images that count: that hold it (presence, count), or a pixel of it (area)."),
    Column("generated_holding", BYTE8, "Generated images that count."),
)

DROPPED_CLASSES = Table(
    "dropped_classes", "pair of real source and generator, class and measure", (*_PAIR_AND_CLASS, _MEASURE, _VERDICT, *_RATIO)
)

DROPPED_GROUPS = Table(
    "dropped_groups",
    "pair of real source and generator, named group of classes and measure",
    (*_PAIR, Column("group", STRING, "Name of the group."), _MEASURE, _VERDICT, *_RATIO),
)

DROPPED_IN_SLICES = Table(
    "dropped_in_slices",
    "slice of a pair of real source and generator, class and measure",
    (
        *_PAIR,
        Column("slice", STRING, "Name of the slice in the audit file."),
        CLASS_ID,
        CLASS,
        _MEASURE,
        _VERDICT,
        *_RATIO,
        Column("real_images", BYTE8, "Real images in the slice."),
        Column("generated_images", BYTE8, "Generated images in the slice."),
    ),
)

DROPPED_PAIRS = Table(
    "dropped_pairs",
    "pair of real source and generator, and pair of classes",
    (
        *_PAIR,
        Column("class_a", STRING, "Name of one class."),
        Column("class_b", STRING, "Name of the other."),
        _VERDICT,
        *interval("ratio", "How much likelier together than apart, generated over real: (p_ab / p_a p_b) over the same"),
        Column("p_value", FLOAT, "Of a ratio of decide.reduced or more.", True),
        Column("q_value", FLOAT, "The same, adjusted over the pairs of the run and generator.", True),
        Column("expected", FLOAT, "Generated images that would hold both, if they went together as in the real images."),
        Column("generated_holding", BYTE8, "Generated images that hold both."),
        Column("real_holding", BYTE8, "Real images that hold both."),
    ),
)

COMPARISON = Table(
    "comparison",
    "real source and pair of generators",
    (
        RUN,
        REAL_NAME,
        Column("generator_a", STRING, "Name of one generator."),
        Column("generator_b", STRING, "Name of the other."),
        *interval("difference", "The corrected fsd of a minus that of b: negative where a is nearer to the real images"),
        Column("difference_se", FLOAT, "Standard error of difference: what both share with the real images cancels.", True),
        Column("p_value", FLOAT, "Of no difference, two-sided, adjusted over the pairs of the run (Holm).", True),
        Column("verdict", STRING, "One of 'a is nearer', 'b is nearer', 'cannot be told apart'."),
    ),
)

RANKS = Table(
    "ranks",
    "real source and generator",
    (
        *_PAIR,
        Column("rank", BYTE4, "Place by corrected fsd, 1 is nearest to the real images."),
        Column("rank_low", BYTE4, "One more than the generators that are nearer beyond doubt."),
        Column("rank_high", BYTE4, "The generators less those that are farther beyond doubt."),
    ),
)

PARSER_CLASSES = Table(
    "parser_classes",
    "source with true label maps, and class of the parser's first head",
    (
        RUN,
        Column("source", STRING, "Name of the source with true label maps."),
        CLASS_ID,
        CLASS,
        _THRESHOLD,
        Column("images", BYTE8, "Images that were read."),
        Column("holding", BYTE8, "Images that truly hold the class."),
        *interval("sensitivity", "Share of the images that hold the class in which the parser finds it"),
        *interval("specificity", "Share of the images without the class in which the parser finds none"),
        Column("recall", FLOAT, "Share of the class's true pixels that the parser gives it.", True),
        Column("precision", FLOAT, "Share of the pixels that the parser gives the class that are truly of it.", True),
        Column("iou", FLOAT, "Pixels that are both, divided by pixels that are either.", True),
    ),
)

PARSER_CORRECTED = Table(
    "parser_corrected",
    "pair of real source and generator, class and measure",
    (
        *_PAIR_AND_CLASS,
        _MEASURE,
        *interval("ratio", "Generated over real, corrected for the parser's error, as if it erred alike on both sides"),
        Column(
            "tipping_sensitivity", FLOAT,
            "The parser's sensitivity on generated images, given the real side's, below which a verdict reduced or dropped "
            "no longer holds; NULL for other verdicts.", True,
        ),
        Column(
            "tipping_false_positive", FLOAT,
            "The parser's false-positive rate on generated images above which a verdict equivalent or increased no longer "
            "holds; NULL for other verdicts, and where none would do.", True,
        ),
        Column("real_confidence", FLOAT, "The parser's mean confidence over the class's pixels, real images.", True),
        Column("generated_confidence", FLOAT, "The same over the generated images.", True),
        Column(
            "confidence_falls", YES_NO,
            "Whether the doubt (1 - confidence) on generated images is half as large again as on real ones, .02 larger, and "
            "grew beyond noise by half more than that of the generator's class in the middle.",
            True,
        ),
    ),
)  # fmt: skip

PARSER_AGREEMENT = Table(
    "parser_agreement",
    "source that two parsers read, and class of one name, in any of their heads",
    (
        RUN,
        Column("source", STRING, "Name of the source."),
        Column("role", STRING, "Either real or generated."),
        CLASS_ID,
        Column("second_class_id", BYTE2, "Number of the class that the second parser calls so."),
        CLASS,
        Column("images", BYTE8, "Images that were read."),
        *interval("pixel_kappa", "Cohen's kappa over the pixels, its interval over images; NULL where neither gives the class"),
        *interval("presence_kappa", "Cohen's kappa over the images, of whether the class is present in them"),
        Column("area", FLOAT, "Mean share of the image by the first parser, percent of pixels."),
        Column("second_area", FLOAT, "The same by the second, its label maps in the first one's size."),
        Column("presence", FLOAT, "Share of images that hold the class by the first parser, 0 to 1."),
        Column(
            "second_presence", FLOAT, "The same by the second, from the size that it sees in nineteen of twenty real images."
        ),
        Column("both_presence", FLOAT, "Share of images that hold it by both."),
    ),
)

_SECOND = "The same by the second parser"
FSD_BY_PARSER = Table(
    "fsd_by_parser",
    "pair of real source and generator, under two parsers",
    (
        *_PAIR,
        Column("fsd", FLOAT, "The plain distance over the classes of the first parser's first head, as in fsd."),
        *interval("corrected", "That distance without the bias of few images, as in fsd"),
        Column("second_fsd", FLOAT, "The plain distance over the classes of the second parser's first head: in its own units."),
        *interval("second_corrected", "That distance without the bias of few images"),
    ),
)
VERDICTS_BY_PARSER = Table(
    "verdicts_by_parser",
    "pair of real source and generator, name of a class of either parser, and measure",
    (
        *_PAIR,
        CLASS,
        _MEASURE,
        Column("same", YES_NO, "Whether both verdicts are one; NULL where one parser alone has such a class.", True),
        Column("class_id", BYTE2, "Number of the class by the first parser; NULL where it has none of this name.", True),
        Column("verdict", STRING, "The verdict by the first parser, as in dropped_classes.", True),
        *interval("ratio", "Generated over real by the first parser"),
        Column("second_class_id", BYTE2, "Number of the class by the second; NULL where it has none of this name.", True),
        Column("second_verdict", STRING, f"{_SECOND}.", True),
        Column("second_ratio", FLOAT, "Generated over real by the second parser.", True),
        Column("second_ratio_low", FLOAT, "Lower end of the interval of second_ratio.", True),
        Column("second_ratio_high", FLOAT, "Upper end of the interval of second_ratio.", True),
    ),
)

EXPECTATIONS = Table(
    "expectations",
    "published value that the audit file expects of a generator",
    (
        *_PAIR,
        Column("figure", STRING, "What it is a value of, in the audit file's words: relative_change, fsd and others."),
        Column("class", STRING, "Name of the class; NULL for figures of the whole generator.", True),
        Column("expected", FLOAT, "The published value."),
        Column("within", FLOAT, "What it may be off by itself, as the audit file says."),
        Column("source", STRING, "Where it was published."),
        *interval("measured", "The same figure of this run; the published value's sampling error is counted where known"),
        Column("verdict", STRING, "One of met, not met, withheld (there is no interval to hold it against)."),
    ),
)

_WHAT = Column(
    "what", STRING,
    "One of within (one source), leak (held-out images in real or training ones), memorised (real, training or held-out images "
    "in generated ones).",
)  # fmt: skip
_SOURCE_A = Column("source_a", STRING, "Name of the source of the first image.")
_SOURCE_B = Column("source_b", STRING, "Name of the source of the second; within a source, the same.")

NEAR_DUPLICATES = Table(
    "near_duplicates",
    "pair of images whose perceptual hashes differ in at most 4 bits (of two sources, or within one, the 1,000 nearest)",
    (
        RUN,
        _WHAT,
        _SOURCE_A,
        Column("image_a", BYTE8, "Index of the first image; of images with equal pixels in one source, of the first of them."),
        Column("name_a", STRING, "Name of the first image."),
        _SOURCE_B,
        Column("image_b", BYTE8, "Index of the second image."),
        Column("name_b", STRING, "Name of the second image."),
        Column("distance", BYTE2, "Bits in which the hashes differ."),
    ),
)

NEAR_DUPLICATE_COUNTS = Table(
    "near_duplicate_counts",
    "source, and pair of sources that should share no image",
    (
        RUN,
        _WHAT,
        _SOURCE_A,
        Column("role_a", STRING, "Its role in the run."),
        _SOURCE_B,
        Column("role_b", STRING, "Its role in the run."),
        Column("images_a", BYTE8, "Images of the first with a hash; those of equal pixels count once, here and below."),
        Column("images_b", BYTE8, "The same of the second."),
        Column("unhashed_a", BYTE8, "Images of the first without: they show nothing, or an older ganaudit recorded them."),
        Column("unhashed_b", BYTE8, "The same of the second."),
        Column("near_a", BYTE8, "Images of the first with a near duplicate in the second, or in the same source."),
        Column("near_b", BYTE8, "Images of the second with one in the first."),
        Column("pairs", BYTE8, "All pairs of near duplicates, kept in near_duplicates or not."),
        Column("complete", YES_NO, "Whether these are all; otherwise there were too many to count."),
        Column(
            "by_chance", FLOAT,
            "Pairs to be expected of two sources that share nothing: images of both as often near as within that source where "
            "they are less often so; NULL within a source.", True,
        ),
        Column("p_value", FLOAT, "Of near_b or more, if it were Poisson with the mean by_chance.", True),
    ),
)  # fmt: skip

RECORDS = ()
"""Beyond those that every store has."""
FINDINGS = (
    CLASS_STATS, FSD, FSD_BY_CLASS, FSD_CURVE, INFLUENCES, DROPPED_CLASSES, DROPPED_GROUPS, DROPPED_IN_SLICES, DROPPED_PAIRS,
    COMPARISON, RANKS, PARSER_CLASSES, PARSER_CORRECTED, PARSER_AGREEMENT, VERDICTS_BY_PARSER, FSD_BY_PARSER, NEAR_DUPLICATES,
    NEAR_DUPLICATE_COUNTS, EXPECTATIONS,
)  # fmt: skip
GROWN = (CLASS_PIXELS, IMAGES)
ADDED = {CLASS_PIXELS.name: ("parts", "largest"), IMAGES.name: ("phash",)}
"""What records of an older ganaudit lack."""
ALWAYS = (FSD, CLASS_STATS, DROPPED_CLASSES)
"""Those that every finished run has: all other studies stand on them."""
SHARDS = (
    Shards((PARSER_CONFUSION, CLASS_PIXELS), IMAGES, may_lack=(PARSER_CONFUSION.name,)),
    Shards((PARSER_OVERLAP,), PARSED_TWICE),
)
