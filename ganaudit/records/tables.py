"""The record tables that every store has: what was seen image by image, runs and what they used."""

from __future__ import annotations

from ganaudit.records.columns import (
    BYTE2,
    BYTE4,
    BYTE8,
    CLASS_ID,
    FLOAT,
    HASH,
    IMAGE,
    KEY,
    OF_KEY,
    PARSER_KEY,
    REAL,
    RUN,
    STRING,
    TIME,
    WIDE,
    YES_NO,
    Column,
    Table,
    interval,
)

IMAGES = Table(
    "images",
    "image looked at",
    (
        KEY,
        IMAGE,
        Column("name", STRING, "Name of the image within its source: a file name, or its index."),
        Column("digest", STRING, "Digest of the 8-bit pixels; NULL where the image could not be read.", True),
        Column(
            "phash", HASH,
            "Perceptual hash, bit_count(xor(a, b)) is small for near duplicates; NULL where the image shows nothing, and in "
            "records of an older ganaudit.", True,
        ),
        Column("cluster", STRING, "Group of images that are not independent of each other, where known.", True),
        Column("label", STRING, "The source's own label of the image, where it has one.", True),
        Column("pixels", BYTE4, "Pixels of the label map, one number per key; NULL if quarantined.", True),
        Column("confidence", REAL, "The parser's mean confidence over the image, 0 to 1.", True),
        Column("status", STRING, "Either ok, or quarantined if the image was set aside."),
        Column("error", STRING, "Why the image was set aside, in one sentence.", True),
    ),
    sort=("image",),
    files=OF_KEY,
)  # fmt: skip

CLASS_PIXELS = Table(
    "class_pixels",
    "class present in an image",
    (
        KEY,
        IMAGE,
        CLASS_ID,
        Column("pixels", BYTE4, "Pixels of the class; absent classes have no row: divide by images, never by rows."),
        Column("confidence", REAL, "The parser's mean confidence over these pixels, 0 to 1.", True),
        Column("x_sum", BYTE8, "Sum of the pixels' columns; divided by pixels, the centre."),
        Column("y_sum", BYTE8, "Sum of the pixels' rows; divided by pixels, the centre."),
        Column("x_min", BYTE4, "Leftmost column."),
        Column("y_min", BYTE4, "Topmost row."),
        Column("x_max", BYTE4, "Rightmost column, included."),
        Column("y_max", BYTE4, "Lowest row, included."),
        Column(
            "parts", BYTE4,
            "Connected regions of at least 4 pixels, or things where the parser tells them apart; NULL in records of an older "
            "ganaudit.", True,
        ),
        Column("largest", BYTE4, "Pixels of the largest of them; NULL in records of an older ganaudit.", True),
    ),
    sort=("image", "class_id"),
    files=OF_KEY,
)  # fmt: skip

PARSER_CONFUSION = Table(
    "parser_confusion",
    "pair of true and parsed class in an image whose true labels are known",
    (
        KEY,
        IMAGE,
        Column("true_class", BYTE2, "Number of the class that is there; 0 where the true labels say nothing."),
        Column("class_id", BYTE2, "Number of the class that the parser gave, by its first head."),
        Column("pixels", BYTE4, "Pixels of the label map that are both."),
    ),
    sort=("image", "true_class", "class_id"),
    files=OF_KEY,
)

PARSER_OVERLAP = Table(
    "parser_overlap",
    "pair of classes, one of each of two parsers, in an image that both read",
    (
        Column("key", STRING, "Content key of both parsers' records of the source: 'k' and hexadecimal digits."),
        IMAGE,
        Column(
            "class_id",
            BYTE2,
            "Number of the class that the first parser gave: of its first head each, of others those whose name the second one "
            "has; beside a class of the second's other heads 0 is where the first one's class of that name is not.",
        ),
        Column(
            "second_class_id",
            BYTE2,
            "Number of the class that the second one gave: of its first head each, of others where the first one has its name.",
        ),
        Column("pixels", BYTE4, "Pixels of the first one's label map that are both."),
    ),
    sort=("image", "class_id", "second_class_id"),
    files=OF_KEY,
)

PARSED_TWICE = Table(
    "parsed_twice",
    "image that two parsers read",
    (
        Column("key", STRING, "Content key of both parsers' records of the source: 'k' and hexadecimal digits."),
        IMAGE,
        Column("pixels", BYTE4, "Pixels of the first one's label map; NULL if quarantined.", True),
        Column(
            "alike",
            BYTE4,
            "Pixels to which the first heads of both give classes of one name, or void; NULL if quarantined.",
            True,
        ),
    ),
    sort=("image",),
    files=OF_KEY,
)

CLASSES = Table(
    "classes",
    "class of a parser",
    (
        PARSER_KEY,
        CLASS_ID,
        Column("name", STRING, "Name of the class."),
        Column("head", STRING, "The parser's output that the class belongs to: object, part, material."),
    ),
    sort=("class_id",),
    files="key=p*/classes.parquet",
)

PARSER_PRECISION = Table(
    "parser_precision",
    "parser, once it was measured how many labels hang on how it computes",
    (
        PARSER_KEY,
        Column("device", STRING, "The device that it was measured on."),
        Column("precision", STRING, "The precision that runs of this key compute in."),
        Column("images", BYTE8, "Real images that it was measured on."),
        Column(
            "by_precision", FLOAT,
            "Share of the pixels to which float32 gives another label; NULL where the parser has a precision of its own.",
            True,
        ),
        Column("by_batch", FLOAT, "Share of the pixels that have another label where an image is read alone, not in a batch."),
    ),
    files="key=p*/precision.parquet",
)  # fmt: skip

SOURCES = Table(
    "sources",
    "content key",
    (
        KEY,
        Column("kind", STRING, "Kind of the dataset or generator."),
        Column("recipe", STRING, "Everything that decides the records, as JSON."),
        Column("digests", STRING, "Digests of weights or files, as JSON."),
        Column("resolution", BYTE4, "Short side of the images as they are made, in pixels, where they have one size.", True),
        Column("truncation", FLOAT, "Truncation of the latents, where there is one.", True),
        Column("noise", STRING, "How the generator's noise inputs were drawn, where it has some.", True),
        Column("training_step", BYTE8, "Training step of the weights, where known.", True),
    ),
    files="key=k*/source.parquet",
)

RUNS = Table(
    "runs",
    "run",
    (
        RUN,
        Column("audit", STRING, "Name of the audit."),
        Column("spec", STRING, "The audit file with every default filled in, as JSON."),
        Column("started", TIME, "When the run started, UTC."),
        Column("finished", TIME, "When the run finished or was stopped, UTC; NULL while it runs or if it was killed.", True),
        Column(
            "status", STRING, "One of running, done, set aside (done, with images or shards set aside), failed, interrupted."
        ),
        Column("versions", STRING, "Versions of ganaudit and of the libraries that decide numbers, as JSON."),
        Column("device", STRING, "The device that parsed."),
        Column("git_commit", STRING, "Commit of the code, where it runs from a repository.", True),
    ),
    files="run=*/[fis]*ed.parquet",
)

RUN_SOURCES = Table(
    "run_sources",
    "source of a run",
    (
        RUN,
        Column(
            "role",
            STRING,
            "One of real, heldout, train (photos that generators were trained on), generated, own (samples of a generator from "
            "latents that no inverter saw), truth (true label maps), resized_real (at a generator's resolution and back).",
        ),
        Column("source", STRING, "Name of the source in the audit file."),
        KEY,
        PARSER_KEY,
        Column("first", BYTE8, "Index of the first image that the run uses."),
        Column("count", BYTE8, "How many images the run uses, set-aside ones included."),
    ),
    files="run=*/sources.parquet",
)

OLDER_ROLES = {"control": "resized_real"}
"""What a role was called in runs of an older ganaudit: they are read under the name that it has today."""

RUN_KEYS = Table(
    "run_keys",
    "key of records that a study of a run uses",
    (
        RUN,
        Column("study", STRING, "The study: census, inversion."),
        Column("stage", STRING, "The stage of the study that the records belong to."),
        Column("table", STRING, "The table whose files are the mark that the records are there."),
        Column("source", STRING, "Name of the source or generator that they are about."),
        Column("role", STRING, "Its role in the run."),
        KEY,
        Column("first", BYTE8, "The first index, or place in a list, that the run uses."),
        Column("count", BYTE8, "How many it uses."),
        Column("variant", STRING, "What tells keys of one source and stage apart, as JSON."),
    ),
    files="run=*/*.parquet",
)

RUN_NOTES = Table(
    "run_notes",
    "sentence that a study says of a run before its findings",
    (
        RUN,
        Column("study", STRING, "The study that says it."),
        Column("stage", STRING, "The stage that found it out."),
        Column("note", STRING, "What a reader of the findings has to know, in one sentence."),
    ),
    files="run=*/*.parquet",
)

MOMENTS = Table(
    "moments",
    "group of a source's images, and class or pair of classes",
    (
        KEY,
        Column("first", BYTE8, "Index of the first image that was used."),
        Column("count", BYTE8, "How many images were used, set-aside ones included."),
        Column("recorded", BYTE8, "How many of them had been recorded."),
        Column("label_pixels", BYTE8, "Pixels of one label map."),
        Column("group", BYTE2, "Number of the group, from 0."),
        Column("images", BYTE8, "Images of the group that were read."),
        Column("class_a", BYTE2, "Class of a sum or product; NULL in the row that tells only the group's images.", True),
        Column("class_b", BYTE2, "Second class of a product of pixel counts, not below class_a; NULL for a sum.", True),
        Column("value", WIDE, "Sum over the group's images, exact; sums and products that are 0 have no row."),
    ),
    sort=("group", "class_a", "class_b"),
    files="key=k*/moments-*-*.parquet",
)

POOL_PIXELS = Table(
    "pool_pixels",
    "class present in a scene that calibrations draw from",
    (
        Column("key", STRING, "Content key of the pool: 'k' and hexadecimal digits; `sources` holds its recipe."),
        Column("image", BYTE8, "Index of the scene."),
        CLASS_ID,
        Column("pixels", BYTE4, "Pixels of the class in the scene's true label map; absent classes have no row."),
        Column("parts", BYTE4, "Its connected regions of at least 4 pixels.", True),
        Column("largest", BYTE4, "Pixels of its largest connected region.", True),
    ),
    sort=("image", "class_id"),
    files=OF_KEY,
)

CALIBRATIONS = Table(
    "calibrations",
    "statistic of a replicate of a calibration",
    (
        Column("key", STRING, "Content key of the case: pool, what is planted, and the code that is measured."),
        Column("pool", STRING, "Content key of the pool that images are drawn from."),
        Column("scenario", STRING, "What is measured."),
        Column("case", STRING, "Under which circumstances."),
        Column("real_images", BYTE8, "Images drawn for the real side."),
        Column("generated_images", BYTE8, "Images drawn for the generated side."),
        Column("replicate", BYTE8, "Number of the replicate, from 0."),
        Column("statistic", STRING, "Name of the statistic."),
        Column("class", STRING, "Name of the class, or of both of a pair; NULL for a statistic of all.", True),
        Column("truth", FLOAT, "The true value, from the pool.", True),
        *interval("estimate", "What the audit would have said"),
        Column("p_value", FLOAT, "The p-value that it would have given.", True),
        Column("verdict", STRING, "The word that it would have given.", True),
        Column("wrong", YES_NO, "Whether the truth gainsays the verdict; NULL where there is none.", True),
    ),
    sort=("replicate", "statistic", "class"),
    files="key=k*/chunk-*.parquet",
)

CALIBRATION = Table(
    "calibration",
    "measured property of a scenario",
    (
        Column("pool", STRING, "Content key of the pool that images were drawn from."),
        Column("world", STRING, "Which population that is.", True),
        Column("scenario", STRING, "What is tried out."),
        Column("case", STRING, "Under which circumstances."),
        Column("statistic", STRING, "Of which statistic."),
        Column("property", STRING, "Coverage, bias, a share of wrong verdicts, and so on."),
        Column("real_images", BYTE8, "Images of the real side."),
        Column("generated_images", BYTE8, "Images of the generated side."),
        Column("replicates", BYTE8, "Replicates that it was measured over."),
        Column("truth", FLOAT, "True value of the statistic, from the pool, where there is one.", True),
        Column("measured", FLOAT, "The measured property; NULL where nothing was to be measured.", True),
        Column("measured_se", FLOAT, "Its standard error over replicates.", True),
        Column("wanted_low", FLOAT, "Least value that is wanted.", True),
        Column("wanted_high", FLOAT, "Greatest value that is wanted.", True),
        Column("verdict", STRING, "One of met, not met, said (nothing particular is wanted)."),
    ),
    files="key=k*/calibration.parquet",
)

RECORDS = (
    IMAGES, CLASS_PIXELS, PARSER_CONFUSION, PARSER_OVERLAP, PARSED_TWICE, CLASSES, PARSER_PRECISION, SOURCES, RUNS,
    RUN_SOURCES, RUN_KEYS, RUN_NOTES, MOMENTS, POOL_PIXELS, CALIBRATIONS, CALIBRATION,
)  # fmt: skip

GROWN = (POOL_PIXELS, CALIBRATION)
ADDED = {POOL_PIXELS.name: ("parts", "largest"), CALIBRATION.name: ("world",)}
