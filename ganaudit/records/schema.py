"""The columns of every table that ganaudit writes: the schema is the data dictionary.

A record table holds what was seen, image by image; a finding table holds what follows from it for one run.
Counts are integers, so that sums are the same in any order. No table holds NaN or infinity: what cannot be
computed is NULL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ganaudit.errors import AuditError

SCHEMA_VERSION = 1

OK = "ok"
QUARANTINED = "quarantined"

INTERRUPTED = "interrupted"
"""The status of a run that was killed or stopped: the same command goes on from its records."""

FINISHED = ("done", "set aside")
"""The statuses of a run whose records are complete, apart from what was set aside."""


@dataclass(frozen=True)
class Column:
    """One column: its name, its type, one sentence on what it means, and whether it may be NULL."""

    name: str
    type: pa.DataType
    meaning: str
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """One table: what one row stands for, its columns in order, and the columns its rows are sorted by in a file."""

    name: str
    row: str
    columns: tuple[Column, ...]
    sort: tuple[str, ...] = ()

    @property
    def arrow(self) -> pa.Schema:
        """The Parquet file's schema."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns])

    def from_rows(self, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
        """A table of these rows; a nullable column may be left out of a row. Raises AuditError like `conform`."""
        rows = [dict(row) for row in rows]
        known = {column.name for column in self.columns}
        strange = sorted({name for row in rows for name in row} - known)
        if strange:
            raise AuditError(f"the table {self.name} has no column {strange[0]!r}; it has {', '.join(sorted(known))}")
        return self.conform(pa.table({name: [row.get(name) for row in rows] for name in self.arrow.names}))

    def conform(self, table: pa.Table) -> pa.Table:
        """The same rows with exactly this table's columns, types and order of rows.

        Raises AuditError for a missing or additional column, a value that does not fit its type, a NULL where none may
        be, and NaN or infinity anywhere.
        """
        names = [column.name for column in self.columns]
        if sorted(table.column_names) != sorted(names):
            raise AuditError(
                f"rows for the table {self.name} have the columns {', '.join(table.column_names)}; "
                f"they must have {', '.join(names)}"
            )
        columns = [self._values(column, table[column.name]) for column in self.columns]
        conformed = pa.table(columns, schema=self.arrow)
        return conformed.sort_by([(name, "ascending") for name in self.sort]) if self.sort else conformed

    def _values(self, column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray:
        where = f"the column {column.name} of the table {self.name}"
        try:
            values = values.cast(column.type)
        except pa.ArrowInvalid as error:
            raise AuditError(f"{where} holds a value that is not {column.type}: {error}") from None
        if values.null_count and not column.nullable:
            raise AuditError(f"{where} holds NULL, which it may not")
        if pa.types.is_floating(column.type) and pc.all(pc.is_finite(values)).as_py() is False:
            raise AuditError(f"{where} holds NaN or infinity; a number that cannot be computed is NULL")
        return values


_STRING, _FLOAT, _REAL = pa.string(), pa.float64(), pa.float32()
_BYTE2, _BYTE4, _BYTE8 = pa.int16(), pa.int32(), pa.int64()
_YES_NO = pa.bool_()
_WIDE = pa.decimal128(38)
_TIME = pa.timestamp("us", "UTC")

_KEY = Column("key", _STRING, "Content key of the source: 'k' and hexadecimal digits.")
_IMAGE = Column("image", _BYTE8, "Index of the image: its latent's number, or its place in the source's order.")
_PARSER_KEY = Column("parser_key", _STRING, "Content key of the parser: 'p' and hexadecimal digits.")
_CLASS_ID = Column("class_id", _BYTE2, "Number of the class; 0 is void.")
_CLASS = Column("class", _STRING, "Name of the class.")
_RUN = Column("run", _STRING, "Identifier of the run.")
_REAL_NAME = Column("real", _STRING, "Name of the source of real images.")
_GENERATOR = Column("generator", _STRING, "Name of the generator.")

IMAGES = Table(
    "images",
    "image looked at",
    (
        _KEY,
        _IMAGE,
        Column("name", _STRING, "Name of the image within its source: a file name, or its index."),
        Column("digest", _STRING, "Digest of the 8-bit pixels; NULL where the image could not be read.", True),
        Column("cluster", _STRING, "Group of images that are not independent of each other, where known.", True),
        Column("label", _STRING, "The source's own label of the image, where it has one.", True),
        Column("pixels", _BYTE4, "Pixels of the label map, one number per key; NULL if quarantined.", True),
        Column("confidence", _REAL, "The parser's mean confidence over the image, 0 to 1.", True),
        Column("status", _STRING, "Either ok, or quarantined if the image was set aside."),
        Column("error", _STRING, "Why the image was set aside, in one sentence.", True),
    ),
    sort=("image",),
)

CLASS_PIXELS = Table(
    "class_pixels",
    "class present in an image",
    (
        _KEY,
        _IMAGE,
        _CLASS_ID,
        Column("pixels", _BYTE4, "Pixels of the class; absent classes have no row: divide by images, never by rows."),
        Column("confidence", _REAL, "The parser's mean confidence over these pixels, 0 to 1.", True),
        Column("x_sum", _BYTE8, "Sum of the pixels' columns; divided by pixels, the centre."),
        Column("y_sum", _BYTE8, "Sum of the pixels' rows; divided by pixels, the centre."),
        Column("x_min", _BYTE4, "Leftmost column."),
        Column("y_min", _BYTE4, "Topmost row."),
        Column("x_max", _BYTE4, "Rightmost column, included."),
        Column("y_max", _BYTE4, "Lowest row, included."),
    ),
    sort=("image", "class_id"),
)

PARSER_CONFUSION = Table(
    "parser_confusion",
    "pair of true and parsed class in an image whose true labels are known",
    (
        _KEY,
        _IMAGE,
        Column("true_class", _BYTE2, "Number of the class that is there; 0 where the true labels say nothing."),
        Column("class_id", _BYTE2, "Number of the class that the parser gave, by its first head."),
        Column("pixels", _BYTE4, "Pixels of the label map that are both."),
    ),
    sort=("image", "true_class", "class_id"),
)

CLASSES = Table(
    "classes",
    "class of a parser",
    (
        _PARSER_KEY,
        _CLASS_ID,
        Column("name", _STRING, "Name of the class."),
        Column("head", _STRING, "The parser's output that the class belongs to: object, part, material."),
    ),
    sort=("class_id",),
)

SOURCES = Table(
    "sources",
    "content key",
    (
        _KEY,
        Column("kind", _STRING, "Kind of the dataset or generator."),
        Column("recipe", _STRING, "Everything that decides the records, as JSON."),
        Column("digests", _STRING, "Digests of weights or files, as JSON."),
        Column("resolution", _BYTE4, "Short side of the images as they are made, in pixels, where they have one size.", True),
        Column("truncation", _FLOAT, "Truncation of the latents, where there is one.", True),
        Column("noise", _STRING, "How the generator's noise inputs were drawn, where it has some.", True),
        Column("training_step", _BYTE8, "Training step of the weights, where known.", True),
    ),
)

RUNS = Table(
    "runs",
    "run",
    (
        _RUN,
        Column("audit", _STRING, "Name of the audit."),
        Column("spec", _STRING, "The audit file with every default filled in, as JSON."),
        Column("started", _TIME, "When the run started, UTC."),
        Column("finished", _TIME, "When the run finished or was stopped, UTC; NULL while it runs or if it was killed.", True),
        Column(
            "status", _STRING, "One of running, done, set aside (done, with images or shards set aside), failed, interrupted."
        ),
        Column("versions", _STRING, "Versions of ganaudit and of the libraries that decide numbers, as JSON."),
        Column("device", _STRING, "The device that parsed."),
        Column("git_commit", _STRING, "Commit of the code, where it runs from a repository.", True),
    ),
)

RUN_SOURCES = Table(
    "run_sources",
    "source of a run",
    (
        _RUN,
        Column("role", _STRING, "One of real, heldout, generated, truth (true label maps), control (real, resized)."),
        Column("source", _STRING, "Name of the source in the audit file."),
        _KEY,
        _PARSER_KEY,
        Column("first", _BYTE8, "Index of the first image that the run uses."),
        Column("count", _BYTE8, "How many images the run uses, set-aside ones included."),
    ),
)


def _pair(name: str, unit: str) -> tuple[Column, ...]:
    """The six columns of one measure: real, generated and their ratio, each with its standard error."""
    spread = f"Standard error of {name}"
    return (
        Column(f"real_{name}", _FLOAT, f"{unit}, in the real images.", True),
        Column(f"real_{name}_se", _FLOAT, f"{spread} in the real images.", True),
        Column(f"generated_{name}", _FLOAT, f"{unit}, in the generated images.", True),
        Column(f"generated_{name}_se", _FLOAT, f"{spread} in the generated images.", True),
        Column(f"{name}_ratio", _FLOAT, f"Generated {name} divided by real {name}; NULL where that is 0.", True),
        Column(f"{name}_ratio_se", _FLOAT, f"Standard error of {name}_ratio, by the delta method.", True),
    )


CLASS_STATS = Table(
    "class_stats",
    "pair of real source and generator, and class (void left out)",
    (
        _RUN,
        _REAL_NAME,
        _GENERATOR,
        _CLASS_ID,
        _CLASS,
        Column("presence_threshold", _FLOAT, "From how many percent of an image's pixels a class counts as present."),
        *_pair("area", "Mean share of the image, percent of pixels"),
        *_pair("presence", "Share of images that hold the class, 0 to 1"),
        *_pair("size", "Mean share of the images that hold the class, percent of pixels"),
        Column("real_confidence", _FLOAT, "The parser's mean confidence over the class's pixels, real images.", True),
        Column("generated_confidence", _FLOAT, "The same over the generated images.", True),
    ),
)


def _interval(name: str, what: str) -> tuple[Column, ...]:
    """A number and the ends of its interval at 1 - decide.alpha."""
    return (
        Column(name, _FLOAT, f"{what}.", True),
        Column(f"{name}_low", _FLOAT, f"Lower end of the interval of {name}.", True),
        Column(f"{name}_high", _FLOAT, f"Upper end of the interval of {name}.", True),
    )


FSD = Table(
    "fsd",
    "pair of real source and generator",
    (
        _RUN,
        _REAL_NAME,
        _GENERATOR,
        Column("real_images", _BYTE8, "Real images that were read."),
        Column("generated_images", _BYTE8, "Generated images that were read."),
        Column("live_classes", _BYTE4, "Classes (with void) that hold a pixel on either side: the others change nothing."),
        Column("fsd", _FLOAT, "Fréchet segmentation distance over the first head's classes and void, (percent of pixels)²."),
        Column("mean_part", _FLOAT, "The part that comes from mean areas."),
        Column("covariance_part", _FLOAT, "The part that comes from how areas vary together."),
        Column("floor", _FLOAT, "What fsd would be, about, for a perfect generator at these numbers of images.", True),
        Column("resolution_floor", _FLOAT, "The fsd of real images sent through the generator's resolution and back.", True),
        *_interval(
            "corrected", "The distance without the bias of finite samples (jackknife of both sides); it may lie below 0"
        ),
        Column("corrected_se", _FLOAT, "Standard error of corrected, by the same jackknife.", True),
        Column("delta_se", _FLOAT, "Standard error of fsd by the delta method; it vanishes where the distance is 0.", True),
        Column("mostly_bias", _YES_NO, "Whether the correction is larger than half of fsd: more images are needed.", True),
        Column("p_value", _FLOAT, "Of no difference at all, by permuting blocks of equally many images.", True),
        Column("permutations", _BYTE4, "How many permutations gave p_value; the smallest it can be is 1 / (1 + permutations)."),
    ),
)

FSD_BY_CLASS = Table(
    "fsd_by_class",
    "pair of real source and generator, and class (with void)",
    (
        _RUN,
        _REAL_NAME,
        _GENERATOR,
        _CLASS_ID,
        _CLASS,
        Column("share", _FLOAT, "The class's part of fsd, (percent of pixels)²; 0 or more, and they add up to fsd."),
    ),
)

FSD_CURVE = Table(
    "fsd_curve",
    "pair of real source and generator, and number of images",
    (
        _RUN,
        _REAL_NAME,
        _GENERATOR,
        Column("real_images", _BYTE8, "Real images used."),
        Column("generated_images", _BYTE8, "Generated images used."),
        *_interval("fsd", "The plain distance at these numbers of images, mean of several subsets"),
        *_interval("corrected", "The corrected distance at these numbers of images"),
    ),
)

INFLUENCES = Table(
    "influences",
    "image of a pair of real source and generator",
    (
        _RUN,
        _REAL_NAME,
        _GENERATOR,
        Column("role", _STRING, "Either real or generated."),
        _KEY,
        _IMAGE,
        Column("influence", _REAL, "How much fsd would change, about, per unit of additional weight: positive pushes it up."),
    ),
)

_MEASURE = Column("measure", _STRING, "Either presence or area.")
_VERDICT = Column("verdict", _STRING, "One of dropped, reduced, increased, equivalent, invented, inconclusive, not testable.")
_RATIO = (
    *_interval("ratio", "Generated over real"),
    Column("p_value", _FLOAT, "Of a ratio of decide.reduced or more; NULL where not testable.", True),
    Column("q_value", _FLOAT, "The same, adjusted over all rows of the run, generator and table (Benjamini-Hochberg).", True),
    Column("detectable", _FLOAT, "The largest true ratio that would be found reduced with 90 % power; NULL where none.", True),
    Column("presence_threshold", _FLOAT, "From how many percent of an image's pixels a class counts as present."),
    Column("real_holding", _BYTE8, "Real images that count: that hold it (presence), or hold a pixel of it (area)."),
    Column("generated_holding", _BYTE8, "Generated images that count."),
)

DROPPED_CLASSES = Table(
    "dropped_classes",
    "pair of real source and generator, class and measure",
    (_RUN, _REAL_NAME, _GENERATOR, _CLASS_ID, _CLASS, _MEASURE, _VERDICT, *_RATIO),
)

DROPPED_GROUPS = Table(
    "dropped_groups",
    "pair of real source and generator, named group of classes and measure",
    (
        _RUN,
        _REAL_NAME,
        _GENERATOR,
        Column("group", _STRING, "Name of the group."),
        _MEASURE,
        _VERDICT,
        *_RATIO,
    ),
)

DROPPED_IN_SLICES = Table(
    "dropped_in_slices",
    "slice of a pair of real source and generator, class and measure",
    (
        _RUN,
        _REAL_NAME,
        _GENERATOR,
        Column("slice", _STRING, "Name of the slice in the audit file."),
        _CLASS_ID,
        _CLASS,
        _MEASURE,
        _VERDICT,
        *_RATIO,
        Column("real_images", _BYTE8, "Real images in the slice."),
        Column("generated_images", _BYTE8, "Generated images in the slice."),
    ),
)

DROPPED_PAIRS = Table(
    "dropped_pairs",
    "pair of real source and generator, and pair of classes",
    (
        _RUN,
        _REAL_NAME,
        _GENERATOR,
        Column("class_a", _STRING, "Name of one class."),
        Column("class_b", _STRING, "Name of the other."),
        _VERDICT,
        *_interval("ratio", "How much likelier together than apart, generated over real: (p_ab / p_a p_b) over the same"),
        Column("p_value", _FLOAT, "Of a ratio of decide.reduced or more.", True),
        Column("q_value", _FLOAT, "The same, adjusted over the pairs of the run and generator.", True),
        Column("expected", _FLOAT, "Generated images that would hold both, if they went together as in the real images."),
        Column("generated_holding", _BYTE8, "Generated images that hold both."),
        Column("real_holding", _BYTE8, "Real images that hold both."),
    ),
)

COMPARISON = Table(
    "comparison",
    "real source and pair of generators",
    (
        _RUN,
        _REAL_NAME,
        Column("generator_a", _STRING, "Name of one generator."),
        Column("generator_b", _STRING, "Name of the other."),
        *_interval("difference", "The corrected fsd of a minus that of b: negative where a is nearer to the real images"),
        Column("difference_se", _FLOAT, "Standard error of difference: what both share with the real images cancels.", True),
        Column("p_value", _FLOAT, "Of no difference, two-sided, adjusted over the pairs of the run (Holm).", True),
        Column("verdict", _STRING, "One of 'a is nearer', 'b is nearer', 'cannot be told apart'."),
    ),
)

RANKS = Table(
    "ranks",
    "real source and generator",
    (
        _RUN,
        _REAL_NAME,
        _GENERATOR,
        Column("rank", _BYTE4, "Place by corrected fsd, 1 is nearest to the real images."),
        Column("rank_low", _BYTE4, "One more than the generators that are nearer beyond doubt."),
        Column("rank_high", _BYTE4, "The generators less those that are farther beyond doubt."),
    ),
)

PARSER_CLASSES = Table(
    "parser_classes",
    "source with true label maps, and class of the parser's first head",
    (
        _RUN,
        Column("source", _STRING, "Name of the source with true label maps."),
        _CLASS_ID,
        _CLASS,
        Column("presence_threshold", _FLOAT, "From how many percent of an image's pixels a class counts as present."),
        Column("images", _BYTE8, "Images that were read."),
        Column("holding", _BYTE8, "Images that truly hold the class."),
        *_interval("sensitivity", "Share of the images that hold the class in which the parser finds it"),
        *_interval("specificity", "Share of the images without the class in which the parser finds none"),
        Column("recall", _FLOAT, "Share of the class's true pixels that the parser gives it.", True),
        Column("precision", _FLOAT, "Share of the pixels that the parser gives the class that are truly of it.", True),
        Column("iou", _FLOAT, "Pixels that are both, divided by pixels that are either.", True),
    ),
)

PARSER_CORRECTED = Table(
    "parser_corrected",
    "pair of real source and generator, class and measure",
    (
        _RUN,
        _REAL_NAME,
        _GENERATOR,
        _CLASS_ID,
        _CLASS,
        _MEASURE,
        *_interval("ratio", "Generated over real, corrected for the parser's error, as if it erred alike on both sides"),
        Column(
            "tipping_sensitivity", _FLOAT,
            "The parser's sensitivity on generated images, given the real side's, below which a verdict reduced or dropped "
            "no longer holds; NULL for other verdicts.", True,
        ),
        Column(
            "tipping_false_positive", _FLOAT,
            "The parser's false-positive rate on generated images above which a verdict equivalent or increased no longer "
            "holds; NULL for other verdicts, and where none would do.", True,
        ),
        Column("real_confidence", _FLOAT, "The parser's mean confidence over the class's pixels, real images.", True),
        Column("generated_confidence", _FLOAT, "The same over the generated images.", True),
        Column(
            "confidence_falls", _YES_NO,
            "Whether the doubt (1 - confidence) on generated images is half as large again as on real ones, .02 larger, and "
            "grew beyond noise by half more than that of the generator's class in the middle.",
            True,
        ),
    ),
)  # fmt: skip

MOMENTS = Table(
    "moments",
    "group of a source's images, and class or pair of classes",
    (
        _KEY,
        Column("first", _BYTE8, "Index of the first image that was used."),
        Column("count", _BYTE8, "How many images were used, set-aside ones included."),
        Column("recorded", _BYTE8, "How many of them had been recorded."),
        Column("label_pixels", _BYTE8, "Pixels of one label map."),
        Column("group", _BYTE2, "Number of the group, from 0."),
        Column("images", _BYTE8, "Images of the group that were read."),
        Column("class_a", _BYTE2, "Class of a sum or product; NULL in the row that tells only the group's images.", True),
        Column("class_b", _BYTE2, "Second class of a product of pixel counts, not below class_a; NULL for a sum.", True),
        Column("value", _WIDE, "Sum over the group's images, exact; sums and products that are 0 have no row."),
    ),
    sort=("group", "class_a", "class_b"),
)

POOL_PIXELS = Table(
    "pool_pixels",
    "class present in a scene that calibrations draw from",
    (
        Column("key", _STRING, "Content key of the pool: 'k' and hexadecimal digits; `sources` holds its recipe."),
        Column("image", _BYTE8, "Index of the scene."),
        _CLASS_ID,
        Column("pixels", _BYTE4, "Pixels of the class in the scene's true label map; absent classes have no row."),
    ),
    sort=("image", "class_id"),
)

CALIBRATIONS = Table(
    "calibrations",
    "statistic of a replicate of a calibration",
    (
        Column("key", _STRING, "Content key of the case: pool, what is planted, and the code that is measured."),
        Column("pool", _STRING, "Content key of the pool that images are drawn from."),
        Column("scenario", _STRING, "What is measured."),
        Column("case", _STRING, "Under which circumstances."),
        Column("real_images", _BYTE8, "Images drawn for the real side."),
        Column("generated_images", _BYTE8, "Images drawn for the generated side."),
        Column("replicate", _BYTE8, "Number of the replicate, from 0."),
        Column("statistic", _STRING, "Name of the statistic."),
        Column("class", _STRING, "Name of the class, or of both of a pair; NULL for a statistic of all.", True),
        Column("truth", _FLOAT, "The true value, from the pool.", True),
        *_interval("estimate", "What the audit would have said"),
        Column("p_value", _FLOAT, "The p-value that it would have given.", True),
        Column("verdict", _STRING, "The word that it would have given.", True),
        Column("wrong", _YES_NO, "Whether the truth gainsays the verdict; NULL where there is none.", True),
    ),
    sort=("replicate", "statistic", "class"),
)

CALIBRATION = Table(
    "calibration",
    "measured property of a scenario",
    (
        Column("pool", _STRING, "Content key of the pool that images were drawn from."),
        Column("scenario", _STRING, "What is tried out."),
        Column("case", _STRING, "Under which circumstances."),
        Column("statistic", _STRING, "Of which statistic."),
        Column("property", _STRING, "Coverage, bias, a share of wrong verdicts, and so on."),
        Column("real_images", _BYTE8, "Images of the real side."),
        Column("generated_images", _BYTE8, "Images of the generated side."),
        Column("replicates", _BYTE8, "Replicates that it was measured over."),
        Column("truth", _FLOAT, "True value of the statistic, from the pool, where there is one.", True),
        Column("measured", _FLOAT, "The measured property; NULL where nothing was to be measured.", True),
        Column("measured_se", _FLOAT, "Its standard error over replicates.", True),
        Column("wanted_low", _FLOAT, "Least value that is wanted.", True),
        Column("wanted_high", _FLOAT, "Greatest value that is wanted.", True),
        Column("verdict", _STRING, "One of met, not met, said (nothing particular is wanted)."),
    ),
)

_FACTOR = Column(
    "penalty_factor", _FLOAT, "The residuals' penalty as a multiple of that set from own samples; NULL without residuals.", True
)
_SAMPLE = Column(
    "sample", _STRING,
    "One of heldout, train (training photos), own (the generator's own samples, the control), masked (own samples with a "
    "patch greyed out).",
)  # fmt: skip
_METHOD = Column("method", _STRING, "The registered inverter.")
_LAYER = Column("layer", _STRING, "Where the search was free: z, or r, the first layer that is frozen whole.")
_SETTING = (
    _KEY,
    _SAMPLE,
    _METHOD,
    _FACTOR,
    Column("paid_class", _BYTE2, "Class whose pixels the loss counts ten times (the paid search); NULL in a plain one.", True),
    _IMAGE,
)

INVERSIONS = Table(
    "inversions",
    "image, generator, method and setting",
    (
        *_SETTING,
        Column("generator_key", _STRING, "Content key of the generator's samples."),
        _PARSER_KEY,
        Column("inverter", _STRING, "Digest of the trained inverter's file; NULL where none was used.", True),
        Column("weight", _FLOAT, "One over the chance that the image was chosen."),
        _LAYER,
        Column("ratio", _FLOAT, "Free numbers per pixel value; above a quarter, what is found is an upper bound."),
        Column("evidential", _YES_NO, "Whether what is lost says something about the generator."),
        Column(
            "start", _STRING, "Where the search started: random, encoder, layered, or what was found at the penalty itself."
        ),
        Column("restart", _BYTE4, "Which of the random starts was best, from 0."),
        Column("spread", _FLOAT, "Worst less best over best final loss of the random starts.", True),
        Column("seed", _BYTE8, "Seed of the random starts."),
        Column("penalty", _FLOAT, "Weight of the sum over layers of mean squared residuals."),
        Column("perceptual", _STRING, "The perceptual term of the loss."),
        Column("precision", _STRING, "What the search computed in; NULL in records of 0.2.0.", True),
        Column("steps", _BYTE4, "Steps that were taken."),
        Column("seconds", _FLOAT, "Wall time of the image's batch, divided by its images."),
        Column("loss_first", _FLOAT, "Loss at the start.", True),
        Column("loss_best", _FLOAT, "Loss at the best step, in float32.", True),
        Column("best_step", _BYTE4, "The step that was kept."),
        Column("residual", _FLOAT, "Root mean square of all residuals; NULL where none are free.", True),
        Column("gradient_norm", _FLOAT, "Norm of the gradient at the best step.", True),
        Column("mse", _FLOAT, "Mean squared difference on [-1, 1].", True),
        Column("psnr", _FLOAT, "In dB, with a peak of 2; NULL where the two are equal.", True),
        Column("ssim", _FLOAT, "Structural similarity.", True),
        Column("lpips", _FLOAT, "LPIPS, where it was the perceptual term: then it was also optimised.", True),
        Column("status", _STRING, "Either ok, or quarantined if the search was set aside."),
        Column("error", _STRING, "Why, with the step.", True),
        Column("picture", pa.binary(), "WebP: image, reconstruction and both label maps, side by side.", True),
    ),
    sort=("image",),
)

INVERSION_CONFUSION = Table(
    "inversion_confusion",
    "pair of classes in an inverted image",
    (
        *_SETTING,
        Column("target_class", _BYTE2, "Class of the pixels in the image."),
        Column("reconstruction_class", _BYTE2, "Class of the same pixels in the reconstruction."),
        Column("pixels", _BYTE4, "How many pixels; pairs that do not occur have no row."),
    ),
    sort=("image", "target_class", "reconstruction_class"),
)

_COLOURS = ("red", "green", "blue")
_INSIDE = "inside the class's mask"
_OF_RECONSTRUCTION = f"in the reconstruction, {_INSIDE} in the image; NULL where the search was set aside."

INVERSION_CLASSES = Table(
    "inversion_classes",
    "class present in an inverted image",
    (
        *_SETTING,
        _CLASS_ID,
        Column("target_pixels", _BYTE4, "The class's pixels in the image: its mask."),
        Column(
            "contrast", _FLOAT,
            "Distance of the mask's mean colour from that of the two pixels around it, colours in [0, 1]; NULL without such.",
            True,
        ),
        Column("target_confidence", _FLOAT, "The parser's mean confidence over the mask, in the image."),
        Column("confidence", _FLOAT, f"The parser's mean confidence {_OF_RECONSTRUCTION}", True),
        *(Column(f"target_{name}", _FLOAT, f"Mean {name} {_INSIDE}, in the image, 0–255.") for name in _COLOURS),
        *(Column(name, _FLOAT, f"Mean {name}, 0–255, {_OF_RECONSTRUCTION}", True) for name in _COLOURS),
        Column("target_sharpness", _FLOAT, f"Mean absolute Laplacian of the luminance (0–255) {_INSIDE}, in the image."),
        Column("sharpness", _FLOAT, f"Mean absolute Laplacian of the luminance {_OF_RECONSTRUCTION}", True),
    ),
    sort=("image", "class_id"),
)  # fmt: skip

INVERSION_LATENTS = Table(
    "inversion_latents",
    "inverted image",
    (
        *_SETTING,
        Column("z", pa.list_(_REAL), "The latent of the reconstruction; NULL where the search was set aside.", True),
        Column("layers", pa.list_(_STRING), "Layers with residuals, in order; NULL where residuals are not kept.", True),
        Column(
            "residuals", pa.list_(_REAL),
            "Residuals of all these layers, one after the other, each in the order channel, row, column; kept with "
            "invert.keep: residuals.", True,
        ),
    ),
    sort=("image",),
)  # fmt: skip

INVERSION_CALIBRATIONS = Table(
    "inversion_calibrations",
    "generator, method and setting that was tried out on own samples before any photo was inverted",
    (
        Column("key", _STRING, "Content key of the generator, the method, the search and the own samples."),
        Column("generator_key", _STRING, "Content key of the generator's samples."),
        _METHOD,
        Column("precision", _STRING, "What searches compute in: bfloat16 only where that hardly changes the final loss."),
        Column("change", _FLOAT, "By how much bfloat16 changed the mean final loss, relatively; NULL where not asked.", True),
        Column("precision_images", _BYTE4, "Own samples that this was measured on."),
        Column("penalty", _FLOAT, "Weight of the residuals' sum of mean squares at factor 1; NULL without residuals.", True),
        Column("size", _FLOAT, "The 95th percentile of that sum over own samples, residuals being free.", True),
        Column("gain", _FLOAT, "Median loss that free residuals saved there.", True),
        Column("penalty_images", _BYTE4, "Own samples that the penalty was set from."),
        Column("seconds", _FLOAT, "Wall time of all this."),
    ),
)

INVERSION_CURVES = Table(
    "inversion_curves",
    "logged step of an image's search",
    (
        *_SETTING,
        Column("step", _BYTE4, "The step that these are the losses of."),
        Column("loss", _FLOAT, "The whole loss."),
        Column("pixel", _FLOAT, "Its pixel term."),
        Column("perceptual_term", _FLOAT, "Its perceptual term, before its weight.", True),
        Column("prior", _FLOAT, "Its prior on z, before its weight.", True),
        Column("residual_term", _FLOAT, "Sum over layers of mean squared residuals.", True),
    ),
    sort=("image", "step"),
)

INVERSION_SUMMARY = Table(
    "inversion_summary",
    "generator, method, setting and kind of image",
    (
        _RUN,
        _GENERATOR,
        _METHOD,
        _LAYER,
        _FACTOR,
        _SAMPLE,
        Column("images", _BYTE8, "Images that were inverted."),
        Column("failed", _BYTE8, "Images whose search was set aside."),
        *_interval("mse", "Weighted mean squared difference on [-1, 1]"),
        *_interval("psnr", "Weighted mean in dB"),
        *_interval("ssim", "Weighted mean structural similarity"),
        *_interval("lpips", "Weighted mean LPIPS, where it was the perceptual term"),
    ),
)

PHOTO_VERDICTS = Table(
    "photo_verdicts",
    "class of an inverted photo, method and setting",
    (
        _RUN,
        _GENERATOR,
        _METHOD,
        _LAYER,
        _FACTOR,
        _KEY,
        _IMAGE,
        Column("name", _STRING, "Name of the photo."),
        _CLASS_ID,
        _CLASS,
        Column("target_pixels", _BYTE4, "The class's pixels in the photo."),
        Column(
            "recall",
            _FLOAT,
            "Share of them that the reconstruction shows as the class; NULL where the search was set aside.",
            True,
        ),
        Column("verdict", _STRING, "One of omitted, distorted, recovered, search inconclusive, not testable."),
    ),
)

OMISSIONS = Table(
    "omissions",
    "generator, method, setting and class",
    (
        _RUN,
        _GENERATOR,
        _METHOD,
        _LAYER,
        _FACTOR,
        _CLASS_ID,
        _CLASS,
        Column("images", _BYTE8, "Photos that hold enough of the class to be tested."),
        *_interval("recall", "Weighted mean recall over those photos"),
        Column("control", _STRING, "What shows what the search can find: own samples, or other classes.", True),
        Column("control_images", _BYTE8, "Cases of the control."),
        Column("control_recall", _FLOAT, "Mean recall of the control.", True),
        Column("paid_recall", _FLOAT, "Mean recall of the paid search; NULL where nobody paid.", True),
        Column("verdict", _STRING, "One of not made, made, inconclusive, not testable."),
    ),
)

_SHOWN = (_RUN, _GENERATOR, _METHOD, _LAYER, _FACTOR)
_RECALL = "Share of the class's pixels that the reconstruction shows as the class"

INVERSION_BY_LAYER = Table(
    "inversion_by_layer",
    "generator, layer where the search was free, method, setting and kind of image",
    (
        _RUN,
        _GENERATOR,
        Column("place", _BYTE2, "Place of the layer on the generator's curve: 1 is z, or what has the fewest free numbers."),
        _LAYER,
        _METHOD,
        _FACTOR,
        _SAMPLE,
        Column("ratio", _FLOAT, "Free numbers per pixel value; above a quarter, what is found is an upper bound."),
        Column("evidential", _YES_NO, "Whether what is lost says something about the generator."),
        Column("images", _BYTE8, "Images whose search came to an end."),
        *_interval("mse", "Weighted mean squared difference on [-1, 1]"),
        *_interval("psnr", "Weighted mean in dB"),
        *_interval("agreement", "Weighted share of the pixels that the parser gives one class in both"),
    ),
)

RECALL_BY_SIZE = Table(
    "recall_by_size",
    "class, kind of image and size of the object, for a generator, method and setting",
    (
        *_SHOWN,
        _SAMPLE,
        _CLASS_ID,
        _CLASS,
        Column("pixels_from", _BYTE4, "The images hold this many pixels of the class or more: a power of two."),
        Column("pixels_below", _BYTE4, "And fewer than this many, twice as many."),
        Column("images", _BYTE8, "Images of this kind and size."),
        *_interval("recall", f"{_RECALL}, weighted mean over images"),
    ),
)

WORST_PHOTOS = Table(
    "worst_photos",
    "class and rank of a photo, for a generator, method and setting",
    (
        *_SHOWN,
        _CLASS_ID,
        _CLASS,
        Column(
            "rank",
            _BYTE2,
            "Place by recall among testable photos, 1 is the lowest; of equals, more pixels first, then the lower index.",
        ),
        _KEY,
        _IMAGE,
        Column("name", _STRING, "Name of the photo."),
        Column("target_pixels", _BYTE4, "The class's pixels in the photo."),
        Column("recall", _FLOAT, f"{_RECALL}."),
        Column("verdict", _STRING, "The verdict on the class in the photo."),
        Column(
            "own_key",
            _STRING,
            "Content key of the own sample that holds the class in the nearest size; NULL without one.",
            True,
        ),
        Column("own_image", _BYTE8, "Index of that own sample.", True),
        Column("own_pixels", _BYTE4, "The class's pixels in it.", True),
        Column("own_recall", _FLOAT, "The same recall in it: what the search finds where the class is within reach.", True),
    ),
)

INVERSION_CONFUSIONS = Table(
    "inversion_confusions",
    "class and what stands in its place, for a generator, method, setting and kind of image",
    (
        *_SHOWN,
        _SAMPLE,
        _CLASS_ID,
        _CLASS,
        Column("rank", _BYTE2, "Place by share of pixels, 1 is the largest."),
        Column("reconstruction_class_id", _BYTE2, "Number of the class that stands there in the reconstruction."),
        Column("reconstruction_class", _STRING, "Its name; that of the class itself where it came back."),
        Column("images", _BYTE8, "Images that hold enough of the class to be tested."),
        *_interval("share", "Share of the class's pixels in these images, each weighted as its image"),
    ),
)

INVERSION_ATTRIBUTES = Table(
    "inversion_attributes",
    "class and attribute, for a generator, method, setting and kind of image",
    (
        *_SHOWN,
        _SAMPLE,
        _CLASS_ID,
        _CLASS,
        Column(
            "attribute",
            _STRING,
            "One of red, green, blue (means, 0–255), sharpness (mean absolute Laplacian of the luminance).",
        ),
        Column("images", _BYTE8, "Images that hold enough of the class to be tested, and whose search came to an end."),
        Column("target", _FLOAT, "Weighted mean inside the class's mask, in the images.", True),
        Column("reconstruction", _FLOAT, "Weighted mean inside the same masks, in the reconstructions.", True),
        *_interval("difference", "Reconstruction less image"),
    ),
)

GENERALISATION = Table(
    "generalisation",
    "pair of generators, method and setting",
    (
        _RUN,
        Column("generator_a", _STRING, "Name of one generator."),
        Column("generator_b", _STRING, "Name of the other, of the same resolution."),
        _METHOD,
        _FACTOR,
        Column("layer_a", _STRING, "Where the search was free in a."),
        Column("layer_b", _STRING, "Where the search was free in b."),
        Column("resolution", _BYTE4, "Of both, in pixels: errors at different resolutions are not compared."),
        Column("images", _BYTE8, "Held-out photos that both inverted."),
        *_interval(
            "difference", "Mean squared error of a less that of b on the same photos, weighted: negative where a is better"
        ),
        Column("verdict", _STRING, "One of 'a is nearer', 'b is nearer', 'cannot be told apart', 'not testable'."),
    ),
)

MEMORISATION = Table(
    "memorisation",
    "generator",
    (
        _RUN,
        _GENERATOR,
        Column("train_images", _BYTE8, "Training photos that were inverted by latent, from random starts."),
        Column("heldout_images", _BYTE8, "Held-out photos that were inverted so."),
        *_interval("difference", "Mean squared error of held-out less that of training photos, weighted"),
        Column("ks", _FLOAT, "Kolmogorov-Smirnov distance of the two kinds of errors.", True),
        Column("ks_p", _FLOAT, "Its p-value, two-sided.", True),
        Column(
            "auc", _FLOAT, "Chance that a held-out photo's error is above a training photo's; 0.5 where they are alike.", True
        ),
        Column("verdict", _STRING, "One of memorised, no sign of it, not testable."),
        Column("reason", _STRING, "Why it is not testable.", True),
    ),
)

RECORDS = {
    table.name: table
    for table in (
        IMAGES, CLASS_PIXELS, PARSER_CONFUSION, CLASSES, SOURCES, RUNS, RUN_SOURCES, MOMENTS, POOL_PIXELS, CALIBRATIONS,
        CALIBRATION, INVERSIONS, INVERSION_CONFUSION, INVERSION_CLASSES, INVERSION_CURVES, INVERSION_LATENTS,
        INVERSION_CALIBRATIONS,
    )
}  # fmt: skip
FINDINGS = {
    table.name: table
    for table in (
        CLASS_STATS, FSD, FSD_BY_CLASS, FSD_CURVE, INFLUENCES, DROPPED_CLASSES, DROPPED_GROUPS, DROPPED_IN_SLICES,
        DROPPED_PAIRS, COMPARISON, RANKS, PARSER_CLASSES, PARSER_CORRECTED, INVERSION_SUMMARY, PHOTO_VERDICTS, OMISSIONS,
        INVERSION_BY_LAYER, RECALL_BY_SIZE, WORST_PHOTOS, INVERSION_CONFUSIONS, INVERSION_ATTRIBUTES, GENERALISATION,
        MEMORISATION,
    )
}  # fmt: skip
