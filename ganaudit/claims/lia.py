"""What LIA's paper says (Zhu et al., ECCV 2020), put to the test on the village: in small trainings, and in the shipped model.

The cells of the paper's tables are pictures, so orders are compared, not figures. The small trainings are of 32 pixels, 3 seeds
each, at one budget; what they say holds at that size and budget.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ganaudit.claims.claim import Claim, Criterion, Measurement
from ganaudit.claims.measuring import mean_over_seeds, ratio_over
from ganaudit.claims.scenes import opened, pyramid, reconstructed, scenes
from ganaudit.claims.workshop import NeededTraining, Workshop
from ganaudit.encoders import OWN_ENCODER
from ganaudit.encoders.own import own_encoder
from ganaudit.errors import AuditError
from ganaudit.generators.protocol import size_of
from ganaudit.generators.shapes import LayerChoice, read_shape
from ganaudit.inversion.inverters import InversionTask
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.search import Search
from ganaudit.inversion.starts import MEAN, RANDOM, StartCurves, searched_from, start_codes
from ganaudit.latent_space.fidelity import SetFidelity, set_fidelity
from ganaudit.latent_space.path_length import path_lengths, perceptual_distance
from ganaudit.training.joint import JointRecipe
from ganaudit.training.lia import LiaRecipe
from ganaudit.training.lia_encoder import EncoderRecipe
from ganaudit.training.lia_stages import Lia, make_joint, make_lia
from ganaudit.training.loop import Budget, Progress

PAPER = "Zhu et al., LIA: Latently Invertible Autoencoder with Adversarial Learning, 2019"
SEEDS = (1, 2, 3)
SIDE, STEPS = 32, (150, 100)
SHIPPED = "village-lia"
PHOTOS, SEARCHED, SEARCH_STEPS, PAIRS = 500, 24, 120, 600
VOLATILE = 0.2
"""Of the budget, what is left out of gradients: they all begin wild."""


def _plan(mapping: str = "coupling", target: str = "images") -> Lia:
    widths = (24, 48, 96)
    first = LiaRecipe(
        latent=32, first=64, channels=((64,), (32,), (16,)), discriminator_widths=widths, mapping=mapping, images=1000
    )
    second = EncoderRecipe(encoder_widths=(16, 32, 48, 64), discriminator_widths=widths, target=target)
    return Lia(first, second, STEPS)


def _training(name: str, seed: int, make: Callable[..., Path]) -> NeededTraining:
    def made(folder: Path, budget: Budget, progress: Progress, device: str) -> Path:
        return make(folder, progress, budget, seed, device)

    return NeededTraining(f"{name}-seed-{seed}", Budget(steps=sum(STEPS)), made)


def _stages(name: str, plan: Lia) -> tuple[NeededTraining, ...]:
    return tuple(_training(name, seed, partial(make_lia, plan, name)) for seed in SEEDS)


def _joint(method: str) -> tuple[NeededTraining, ...]:
    return tuple(_training(method, seed, partial(make_joint, JointRecipe(method), _plan())) for seed in SEEDS)


TWO_STAGES = _stages("lia", _plan())
ORDINARY = _stages("lia-mlp", _plan(mapping="mlp"))
RIVALS = {"vae-gan": _joint("vae-gan"), "ali": _joint("ali"), "mse-inversion": _stages("lia-latents", _plan(target="latents"))}


@lru_cache(maxsize=64)
def _fidelity(path: Path, _changed: float) -> SetFidelity:
    photos = scenes(PHOTOS, SIDE)
    return set_fidelity(photos, reconstructed(opened(path), photos), pyramid())


def _against(workshop: Workshop, rivals: tuple[NeededTraining, ...]) -> Measurement:
    """ln of the mean squared error of reconstructions, less that of rivals, seed by seed; FID and SWD beside it."""
    pairs = []
    for mine, theirs in zip(TWO_STAGES, rivals, strict=True):
        paths = [workshop.trained(training) for training in (mine, theirs)]
        pairs.append([_fidelity(path, path.stat().st_mtime) for path in paths])

    def logs(which: Callable[[SetFidelity], float]) -> Measurement:
        return mean_over_seeds([math.log(which(a) / which(b)) for a, b in pairs])

    beside = {"FID (4 × 4 colours)": logs(lambda each: each.fid), "SWD": logs(lambda each: each.swd)}
    seen = ", ".join(f"{name} {each.text()}" for name, each in beside.items())
    mean = [float(np.mean([each.mse.mean() for each in side])) for side in zip(*pairs, strict=True)]
    said = f"mean squared error {mean[0]:.4f} against {mean[1]:.4f}; the same logarithms of {seen}"
    return replace(logs(lambda each: float(each.mse.mean())), seen=said)


def shorter(workshop: Workshop) -> Measurement:
    """Path lengths between the same pairs, at the radius of the prior."""
    generator, distance = opened(SHIPPED), perceptual_distance(pyramid())
    w, z = (path_lengths(generator, space, PAIRS, distance) for space in ("w", "z"))
    unit = path_lengths(generator, "z", PAIRS, distance, radius=1.0)
    seen = (
        f"in w {w.mean():.4g}, in z {z.mean():.4g}; trimmed {w.trimmed():.4g} and {z.trimmed():.4g}; "
        f"at radius 1, where published code measures, z is {unit.mean():.4g}"
    )
    return ratio_over(w.lengths, z.lengths, "pairs", seen)


@lru_cache(maxsize=1)
def _searched() -> dict[tuple[str, str], StartCurves]:
    """The shipped model's searches, by start and space."""
    generator = opened(SHIPPED)
    encoder, photos = own_encoder(generator), scenes(SEARCHED, size_of(generator)[0])
    if encoder is None:
        raise AuditError(f"{SHIPPED} has no encoder")
    objective, how = Objective("mse", pyramid()), Search(SEARCH_STEPS, "adam", 0.05, log_every=5)
    shape, targets = read_shape(generator), objective.targets(photos)
    task = InversionTask(generator, shape, LayerChoice((), "", 0.0), targets, range(len(photos)), objective, how)
    curves = searched_from(task, start_codes(generator, photos, {OWN_ENCODER: encoder}))
    return {(each.start, each.space): each for each in curves}


def encoders_start(_: Workshop) -> Measurement:
    """The loss at which photos end from the encoder's start in w, by the better of the two others, which is that of the lower
    mean."""
    found = _searched()
    ends = {start: found[start, "w"].best[:, -1] for start in (OWN_ENCODER, MEAN, RANDOM)}
    other = min((MEAN, RANDOM), key=lambda start: float(ends[start].mean()))
    threshold, most = found[RANDOM, "w"].best[:, -1], float(SEARCH_STEPS)
    mine, theirs = (np.minimum(found[start, "w"].steps_to(threshold), most) for start in (OWN_ENCODER, RANDOM))
    sooner = ratio_over(mine, theirs)
    seen = ", ".join(f"{start} {end.mean():.4f}" for start, end in ends.items())
    return ratio_over(
        ends[OWN_ENCODER],
        ends[other],
        seen=f"mean loss {seen}; it is where the random start ends after {sooner.text()} of that start's steps",
    )


def not_in_z(_: Workshop) -> Measurement:
    """The same losses from the encoder's start, in w by in z."""
    found = _searched()
    others = {start: ratio_over(found[start, "w"].best[:, -1], found[start, "z"].best[:, -1]) for start in (MEAN, RANDOM)}
    seen = "from the other starts: " + ", ".join(f"{start} {each.text()}" for start, each in others.items())
    return ratio_over(found[OWN_ENCODER, "w"].best[:, -1], found[OWN_ENCODER, "z"].best[:, -1], seen=seen)


def _volatility(folder: Path) -> float:
    """Mean over an encoder's parts of how much its gradient's length changes between rows of its curves, as a log ratio."""
    rows = pq.read_table(folder / "curves.parquet")
    rows = rows.filter(pc.starts_with(rows["name"], "gradient, "))
    by_part: dict[str, list[float]] = {}
    for name, value in zip(rows["name"].to_pylist(), rows["value"].to_pylist(), strict=True):
        by_part.setdefault(name, []).append(value)
    changes = []
    for values in by_part.values():
        late = np.log(np.maximum(values[int(VOLATILE * len(values)) :], 1e-12))
        if len(late) > 1:
            changes.append(float(np.abs(np.diff(late)).mean()))
    if not changes:
        raise AuditError(f"{folder} has too few rows of gradients; give the trainings more steps")
    return float(np.mean(changes))


def calm(workshop: Workshop) -> Measurement:
    """Volatility of the encoder's gradients in the second stage, less that where it is trained through the KL divergence."""
    both = []
    for trainings in (TWO_STAGES, RIVALS["vae-gan"]):
        both.append([_volatility(workshop.trained(training).parent) for training in trainings])
    seen = f"mean absolute log change between rows {np.mean(both[0]):.2f} against {np.mean(both[1]):.2f}"
    return mean_over_seeds([a - b for a, b in zip(*both, strict=True)], seen)


ERROR = "ln of the mean squared error of held-out reconstructions, less that of"
CLAIMS = (
    *(
        Claim(
            f"two-stages-{name}", f"Two stages bring photos back better than {named}.", PAPER, f"{ERROR} {named}",
            Criterion("below", 0.0), partial(_against, rivals=RIVALS[name]), (*TWO_STAGES, *RIVALS[name]),
        )
        for name, named in (
            ("vae-gan", "VAE/GAN"), ("ali", "ALI"), ("mse-inversion", "an encoder that learns codes of own samples"),
        )
    ),
    Claim(
        "invertible", "That the mapping network can be inverted is what makes the second stage work.", PAPER,
        f"{ERROR} an ordinary mapping network", Criterion("below", 0.0), partial(_against, rivals=ORDINARY),
        (*TWO_STAGES, *ORDINARY),
    ),
    Claim(
        "shorter", "Paths in w (the paper's y) are shorter than in z.", PAPER, f"path length in w by that in z, of {SHIPPED}",
        Criterion("below", 1.0), shorter,
    ),
    Claim(
        "encoders-start", "A search in w ends best when it starts from the encoder.", PAPER,
        f"loss at the end, by that of the better of random and mean start, of {SHIPPED}", Criterion("below", 1.0),
        encoders_start,
    ),
    Claim(
        "not-in-z", "A search in w ends far better than in z.", PAPER,
        f"loss at the end in w by that in z, from the encoder, of {SHIPPED}", Criterion("below", 0.8), not_in_z,
    ),
    Claim(
        "calm", "The second stage's gradients are calm where those through a KL divergence are not.", PAPER,
        "volatility of the encoder's gradients, less that of VAE/GAN's", Criterion("below", 0.0), calm,
        (*TWO_STAGES, *RIVALS["vae-gan"]),
    ),
)  # fmt: skip
