"""What the paper on steerability says (Jahanian, Chai and Isola, ICLR 2020), put to the test on the village's generators.

Each sentence is measured by the study that audits use, on walks that are trained here. The last two are not in the paper, which
could not change the data: two generators whose training worlds differ in where chapels stand, and in nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from ganaudit.claims import steering_ways
from ganaudit.claims.claim import Claim, Criterion, Measurement
from ganaudit.claims.measuring import mean_over_seeds
from ganaudit.claims.steering_ways import ALONE, EDITED, TOGETHER
from ganaudit.claims.workshop import NeededTraining, Workshop
from ganaudit.context import Context
from ganaudit.generators.opening import open_generator
from ganaudit.generators.protocol import Generator, size_of
from ganaudit.named import options_named
from ganaudit.parsers.opening import open_parser
from ganaudit.parsers.seeing import see
from ganaudit.sources.opening import GeneratorSource
from ganaudit.sources.roles import GENERATED, SourceRole
from ganaudit.statistics import resampling
from ganaudit.statistics.responses import Estimate, estimated, slope
from ganaudit.steering.files import open_walk
from ganaudit.studies.steering import class_rows
from ganaudit.studies.steering.models import AskedWalk, Steerable
from ganaudit.studies.steering.reading import Steered, Walked, steered_of
from ganaudit.studies.steering.rows import Seen, recorded
from ganaudit.studies.steering.walk_measures import Measured, WalkMeasures
from ganaudit.studies.steering.walking import seen_along
from ganaudit.training.loop import Budget, Progress
from ganaudit.training.making_walks import make_walk, start_walk
from ganaudit.training.walks import WalkRecipe
from ganaudit.village.classes import IDS, NAMES
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence

PAPER = "Jahanian, Chai and Isola, On the steerability of generative adversarial networks, ICLR 2020"
OURS = "a causal test of the same, on a pair of worlds"
STEPS = 200
SEEDS = (1, 2, 3, 4, 5)
"""Of the trainings on digits."""
IMAGES, BATCH, LEAST = 128, 64, 0.1
"""Samples along each walk, and real scenes; images at once; percent of pixels from which on a class is there."""
SCENES = 3_000_029
"""Seed of the real scenes: no training saw them."""
STRENGTHS = {
    "luminance": (-0.5, -0.25, -0.125, 0.0, 0.125, 0.25, 0.5), "shift-x": (-16.0, -8.0, -4.0, 0.0, 4.0, 8.0, 16.0),
}  # fmt: skip
TRAINED = {"luminance": 0.5, "shift-x": 0.2}
"""Share of an edit's range that walks are trained on. Of a shift a small one: where much is masked, a masked square error also
falls when things leave what is seen, by going the other way."""
CHAPEL, OTHERS = ("building", "roof", "dome", "door", "window"), ("cloud", "tree", "person", "car", "fence", "lamp")
"""Classes that stand where chapels do, and those that do not."""


def _training(generator: str, edit: str, space: str, kind: str = "linear") -> NeededTraining:
    name = f"{generator}-{edit}-{space}-{kind}"

    def make(folder: Path, budget: Budget, progress: Progress, device: str) -> Path:
        training = start_walk(_generator(generator), WalkRecipe((edit,), space, kind, reach=TRAINED[edit]), device=device)
        return make_walk(training, name, folder, progress, budget)

    return NeededTraining(name, Budget(steps=STEPS), make)


def _generator(name: str) -> Generator:
    return open_generator(options_named("generators", f"builtin:{name}"), Context()).generator


BRIGHT = _training("village-stylegan", "luminance", "z")
BRIGHT_IN_W = _training("village-stylegan", "luminance", "w")
BENT = _training("village-stylegan", "luminance", "z", "residual")
OTHER = _training("village-progan", "luminance", "z")
NARROW, WIDE = (_training(f"village-{which}-chapel", "shift-x", "z") for which in ("narrow", "wide"))


@lru_cache(maxsize=1)
def _real() -> Steered:
    """Scenes as they are."""
    parser = open_parser(options_named("parsers", "builtin:village"), Context(precision="bfloat16"))
    pixels = render(Prevalence(), SCENES, range(IMAGES))[0]
    maps, confidence = see(parser, torch.from_numpy(pixels), BATCH, "cpu")
    seen = Seen(range(IMAGES), None, pixels, maps, confidence, [None] * IMAGES, {})
    made = recorded("k0", [seen], len(NAMES) + 1)
    return steered_of(made["steering_images"], made["steering"], (None,), LEAST)


@lru_cache(maxsize=16)
def _measures(path: Path, generator: str, _changed: float) -> WalkMeasures:
    walk, options = open_walk(path).walk.eval(), options_named("generators", f"builtin:{generator}")
    shape, strengths = walk.shape, STRENGTHS[walk.shape.edits[0]]
    parser = open_parser(options_named("parsers", "builtin:village"), Context(precision="bfloat16"))
    opened = open_generator(options, Context(seed=1))
    source = GeneratorSource(opened, parser, options, "cpu")
    which = Steerable(SourceRole(GENERATED), generator, "k0", "", size_of(opened.generator))
    seen = list(seen_along(source, parser, walk, AskedWalk(which, shape, strengths), (0, IMAGES - 1), BATCH, "cpu"))
    made = recorded("k0", seen, len(NAMES) + 1)
    walked = Walked(generator, shape.edits[0], shape.space, shape.kind, "k0", IMAGES, strengths, which.size)
    steered = steered_of(made["steering_images"], made["steering"], strengths, LEAST)
    return WalkMeasures(walked, steered, _real(), {number: name for name, number in IDS.items()})


def _along(workshop: Workshop, training: NeededTraining) -> WalkMeasures:
    path = workshop.trained(training)
    return _measures(path, training.name.split(f"-{_edit(training)}-")[0], path.stat().st_mtime)


def _edit(training: NeededTraining) -> str:
    return next(edit for edit in STRENGTHS if f"-{edit}-" in training.name)


def _measured(estimate: Estimate, n: int, of: str, seen: str = "") -> Measurement:
    return Measurement(*estimate, n, of, seen)


def _slopes(measured: Measured) -> tuple[float, np.ndarray]:
    """Slope of the attribute that the edit asks for, and those of resamples."""
    place, asked = measured.attribute, measured.walked.change
    assert place is not None and asked is not None
    means, resampled = (slope(changes[..., place, :], asked, measured.walked.origin) for changes in measured.changes.both)
    return float(means), resampled


def _moved(measured: Measured) -> tuple[float, np.ndarray]:
    """How far the attribute is from the identity at both ends, whichever way, and the same of resamples."""
    place = measured.attribute
    assert place is not None
    means, resampled = (
        class_rows.moved_both_ways(changes[..., place, :], measured.walked.origin) for changes in measured.changes.both
    )
    return float(means), resampled


def follows(workshop: Workshop) -> Measurement:
    """The slope of the image's luminance along a walk toward brightness in z; beside it, in w."""
    whole, in_w = (_along(workshop, training).whole for training in (BRIGHT, BRIGHT_IN_W))
    value, low, high = estimated(*_slopes(in_w))
    return _measured(estimated(*_slopes(whole)), whole.held, "images", f"in w {value:.2f} [{low:.2f}, {high:.2f}]")


def limited(workshop: Workshop) -> Measurement:
    """Slope of the outermost steps by that about the identity."""
    whole = _along(workshop, BRIGHT).whole
    place, asked, origin = whole.attribute, whole.walked.change, whole.walked.origin
    assert place is not None and asked is not None

    def ratio(changes: np.ndarray) -> np.ndarray:
        mine = changes[..., place, :]
        steps = np.diff(mine, axis=-1) / np.diff(asked)
        return np.asarray((steps[..., 0] + steps[..., -1]) / 2.0 / slope(mine, asked, origin))

    means, resampled = map(ratio, whole.changes.both)
    return _measured(estimated(float(means), resampled), whole.held, "images")


def causes(workshop: Workshop) -> Measurement:
    """Correlation over classes of the real spread and of the walk's shift, the generator's classes together."""
    rows = []
    for training in (BRIGHT, OTHER):
        measures = _along(workshop, training)
        rows.append(class_rows.correlation_row(measures, class_rows.cause_rows(measures)) or {})
    first, other = rows
    if first.get("correlation") is None:
        return Measurement.missing("too few classes have both numbers")
    seen = f"of village-progan {other['correlation']:.2f} [{other['correlation_low']:.2f}, {other['correlation_high']:.2f}]"
    ends = first["correlation"], first["correlation_low"], first["correlation_high"]
    return _measured(ends, first["classes"], "classes", seen if other.get("correlation") is not None else "")


def bent(workshop: Workshop) -> Measurement:
    """Share of the squared error to the edited images that a residual walk takes away, less that of a linear one, image by
    image."""
    ((effect, low, high),) = resampling.means(
        (_share(_along(workshop, BENT)) - _share(_along(workshop, BRIGHT)))[:, None], np.ones(IMAGES)
    )
    return Measurement(effect, low, high, IMAGES, "images")


def _share(measures: WalkMeasures) -> np.ndarray:
    """(N,) what part of its share of the mean error an image's walk takes away."""
    error, still = (measures.steered.whole[name].sum(axis=1) for name in ("error", "error_still"))
    return np.asarray((still - error) / still.mean())


def disentangled(workshop: Workshop) -> Measurement:
    """Share of the movement that was asked for, in w less in z: of two walks, whose images are resampled one by one."""
    shares = [class_rows.disentanglement_row(_along(workshop, training)) or {} for training in (BRIGHT_IN_W, BRIGHT)]
    if any(share.get("share") is None for share in shares):
        return Measurement.missing("one of the walks moves nothing")
    effect = shares[0]["share"] - shares[1]["share"]
    half = np.hypot(*[(share["share_high"] - share["share_low"]) / 2 for share in shares])
    return Measurement(effect, effect - half, effect + half, IMAGES, "images", "the two intervals are taken as independent")


def _wider(classes: tuple[str, ...]) -> Callable[[Workshop], Measurement]:
    def measure(workshop: Workshop) -> Measurement:
        """Mean over the classes of how far they are moved, in the wide world less in the narrow one: two sets of samples."""
        wide, narrow = (
            {m.class_id: moved for m in _along(workshop, t).enough if m.class_id and np.isfinite((moved := _moved(m))[0])}
            for t in (WIDE, NARROW)
        )
        shared = [name for name in classes if IDS[name] in wide and IDS[name] in narrow]
        ids = {IDS[name] for name in shared}
        if not shared:
            return Measurement.missing("no class is in enough images of both")
        means = [np.mean([side[IDS[name]][0] for name in shared]) for side in (wide, narrow)]
        resampled = [np.mean([side[IDS[name]][1] for name in shared], axis=0) for side in (wide, narrow)]
        apart = resampled[0] - resampled[1][np.random.default_rng(0).permutation(len(resampled[1]))]
        mine = [[m for m in _along(workshop, t).enough if m.class_id in ids] for t in (WIDE, NARROW)]
        slopes = [np.mean([_slopes(one)[0] for one in each]) for each in mine]
        seen = (
            f"{', '.join(shared)}: {means[0]:.3f} where chapels stand anywhere, {means[1]:.3f} where all are in the middle; "
            f"mean slopes {slopes[0]:.2f} and {slopes[1]:.2f}"
        )
        return _measured(estimated(float(means[0] - means[1]), apart), IMAGES, "images of each", seen)

    return measure


def _of_digits(way: str, seed: int) -> NeededTraining:
    def make(folder: Path, budget: Budget, progress: Progress, device: str) -> Path:
        return steering_ways.make_way(steering_ways.WORLDS["digits"](), way, seed, folder, budget, progress, device)

    return NeededTraining(
        f"digits {way}-seed-{seed}".replace(",", "").replace(" ", "-"), Budget(steps=steering_ways.STEPS), make
    )


DIGITS = {way: tuple(_of_digits(way, seed) for seed in SEEDS) for way in steering_ways.WAYS}


def _follows_more(way: str, other: str) -> Callable[[Workshop], Measurement]:
    def measure(workshop: Workshop) -> Measurement:
        """Share of the masked squares that a walk takes away, made in a way less made in the other, seed by seed."""
        alphas = steering_ways.strengths(steering_ways.WORLDS["digits"]())
        mine, theirs = (
            [
                steering_ways.followed(steering_ways.squares(*steering_ways.made(workshop.trained(each)), alphas))
                for each in DIGITS[which]
            ]
            for which in (way, other)
        )
        seen = f"{way}: {_percents(mine)}; {other}: {_percents(theirs)}"
        return mean_over_seeds(np.subtract(mine, theirs).tolist(), seen)

    return measure


def _percents(shares: list[float]) -> str:
    return ", ".join(f"{100 * share:.0f} %" for share in shares)


CLAIMS = (
    Claim(
        "follows", "A direction in latent space makes a generator's images follow an edit.", PAPER,
        "change of luminance by the change asked for, village-stylegan in z", Criterion("above", 0.1), follows,
        (BRIGHT, BRIGHT_IN_W),
    ),
    Claim(
        "limited", "The range is limited: far from where it starts, the image stops following.", PAPER,
        "slope of the outermost steps by that about the identity", Criterion("below", 0.75), limited, (BRIGHT,),
    ),
    Claim(
        "causes", "How far a class can be moved goes with how much it varies in the training data.", PAPER,
        "correlation over classes, village-stylegan", Criterion("above", 0.0), causes, (BRIGHT, OTHER),
    ),
    Claim(
        "linear-is-enough", "Non-linear walks do no better than linear ones.", PAPER,
        "share of the error that a residual walk takes away, less that of a linear one", Criterion("below", 0.05), bent,
        (BRIGHT, BENT),
    ),
    Claim(
        "w-disentangles", "In w a walk moves less of what it should leave alone than in z.", PAPER,
        "share of the movement that was asked for, w less z", Criterion("above", 0.0), disentangled, (BRIGHT, BRIGHT_IN_W),
    ),
    Claim(
        "edited-images-help", "A generator follows an edit farther where its training images were edited.", PAPER,
        "share of the squared error on turned digits that a walk takes away, with edited images less without",
        Criterion("above", 0.0), _follows_more(EDITED, ALONE), (*DIGITS[EDITED], *DIGITS[ALONE]),
    ),
    Claim(
        "together-is-best", "Farthest where generator and walk are trained together.", PAPER,
        "the same, both together less a walk after edited images", Criterion("above", 0.0), _follows_more(TOGETHER, EDITED),
        (*DIGITS[TOGETHER], *DIGITS[EDITED]),
    ),
    Claim(
        "wider-reaches-farther", "Where chapels stand in more places in the training world, a walk moves them farther.", OURS,
        "share of the width that a shift moves the chapel's classes, wide world less narrow one", Criterion("above", 0.0),
        _wider(CHAPEL), (NARROW, WIDE),
    ),
    Claim(
        "and-nothing-else-does", "And moves nothing else farther.", OURS,
        "the same of the classes that stand apart from chapels", Criterion("within", 0.05), _wider(OTHERS), (NARROW, WIDE),
    ),
)  # fmt: skip
