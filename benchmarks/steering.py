"""A walk's training against the published way, on village-stylegan in w+: `python -m benchmarks.steering`.

`python -m benchmarks.steering digits village --seeds 3`: three ways to a generator that can be steered (`steering_ways`).
`python -m benchmarks.steering photos`: edited photos that come back (`steering_photos`).

The published way (Jahanian, Chai and Isola, ICLR 2020): a step has four images and one α for all of them; the target is made on
the host; a direction starts at noise of deviation .1; Adam at 1e-3, 2,000 images, float32. It is written here with torch's and
scipy's own functions, after the paper. Then ours, until its masked squares on own samples, which neither was trained on, are
no larger than where the published way ended. CPU seconds of one process.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import zoom as resized
from torch import Tensor

from benchmarks.steering_photos import photos
from benchmarks.steering_ways import three_ways
from ganaudit.claims.steering_ways import STEPS as WAYS_STEPS
from ganaudit.claims.steering_ways import WORLDS
from ganaudit.context import Context
from ganaudit.generators.opening import open_generator
from ganaudit.generators.protocol import Generator
from ganaudit.named import options_named
from ganaudit.steering.spaces import latent_of
from ganaudit.training.walks import WalkRecipe, WalkTraining

BATCH, STEPS, RATE, NOISE = 4, 500, 1e-3, 0.1
LOOK_EVERY, LOOKS = 5, 8
"""Steps of ours between two looks at its loss, and batches of a look."""
Host = NDArray[np.float32]


def brighter(image: Host, alpha: float) -> tuple[Host, Host]:
    """(4, 3, S, S) of the host, and its mask."""
    return image + np.float32(alpha), np.ones_like(image)


def zoomed(image: Host, alpha: float) -> tuple[Host, Host]:
    """A central cut made larger, or the image made smaller on zeros."""
    side = image.shape[-1]
    if alpha < 1.0:
        kept = 2 * (int(alpha * side) // 2)
        first = (side - kept) // 2
        cut = image[..., first : first + kept, first : first + kept]
        return _to(cut, side), np.ones_like(image)
    around = int(alpha * side) - side
    wide = [(0, 0), (0, 0), (around // 2, around - around // 2), (around // 2, around - around // 2)]
    return _to(np.pad(image, wide), side), (_to(np.pad(np.ones_like(image), wide), side) > 0).astype(np.float32)


def _to(image: Host, side: int) -> Host:
    factor = side / image.shape[-1]
    made: Host = resized(image, (1, 1, factor, factor), order=1, mode="nearest", grid_mode=True)
    return made


def any_brightness(rng: np.random.Generator) -> tuple[float, float]:
    """α, and its slider."""
    alpha = float(rng.uniform(-0.5, 0.5))
    return alpha, alpha


def any_zoom(rng: np.random.Generator) -> tuple[float, float]:
    alpha = float(rng.uniform(0.25, 1.0) if rng.random() < 0.5 else rng.uniform(1.0, 4.0))
    return alpha, float(np.log(alpha))


EDITS: dict[str, tuple[Callable[[Host, float], tuple[Host, Host]], Callable[[np.random.Generator], tuple[float, float]]]] = {
    "luminance": (brighter, any_brightness), "zoom": (zoomed, any_zoom),
}  # fmt: skip


def published(generator: Generator, edit: str, steps: int) -> tuple[Tensor, float]:
    """The direction of the published way, and its CPU seconds."""
    target_of, draw = EDITS[edit]
    rng, torch_rng = np.random.default_rng(0), torch.Generator().manual_seed(0)
    styles = latent_of(generator, generator.latents(7, torch.arange(1)), "w")
    layers = len(generator.layers)
    direction = (NOISE * torch.randn(layers, styles.shape[-1], generator=torch_rng)).requires_grad_()
    adam = torch.optim.Adam([direction], RATE)
    began = time.process_time()
    for step in range(steps):
        state = generator.latents(7, torch.arange(step * BATCH, (step + 1) * BATCH))
        alpha, slider = draw(rng)
        with torch.no_grad():
            w = latent_of(generator, state, "w")[:, None].expand(-1, layers, -1)
            still = generator.run({**state, "w": w})["image"].numpy()
        target, mask = (torch.from_numpy(np.ascontiguousarray(each, np.float32)) for each in target_of(still, alpha))
        image = generator.run({**state, "w": w + slider * direction})["image"]
        loss = (mask * (image - target).square()).sum() / mask.sum()
        adam.zero_grad()
        torch.autograd.backward(loss)
        adam.step()
    return direction.detach(), time.process_time() - began


@torch.no_grad()
def looked_at(training: WalkTraining) -> float:
    """Masked squares on own samples that were not trained on."""
    seed = training.recipe.data_seed + 1
    starts = range(0, LOOKS * training.recipe.images, training.recipe.images)
    return float(torch.cat([training.losses(seed, first)["l2"] for first in starts]).mean())


def ours(training: WalkTraining, until: float, most: int) -> tuple[int, float, float]:
    """Steps and CPU seconds until a look is at or below `until`, and what it saw."""
    spent, seen = 0.0, float("inf")
    for step in range(most):
        began = time.process_time()
        training.step(step, step / most)
        spent += time.process_time() - began
        if step % LOOK_EVERY == LOOK_EVERY - 1 and (seen := looked_at(training)) <= until:
            return step + 1, spent, seen
    return most, spent, seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("edits", nargs="*", default=["luminance"], choices=[*EDITS, *WORLDS, "photos", []], metavar="EDIT")
    parser.add_argument("--seeds", type=int, default=1, help="of the parts digits and village")
    parser.add_argument("--steps", type=int, help="of the published way: 500, as published for colour; of the three: 400")
    parser.add_argument("--out", type=Path, help="of the parts digits, village and photos: a folder for pictures")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
    for world in (world for world in WORLDS if world in given.edits):
        with tempfile.TemporaryDirectory() as folder:
            three_ways(world, given.seeds, given.steps or WAYS_STEPS, Path(folder), given.out)
    if "photos" in given.edits:
        photos(given.out)
    if not set(given.edits) & set(EDITS):
        return
    generator = open_generator(options_named("generators", "builtin:village-stylegan"), Context()).generator
    for edit in (edit for edit in given.edits if edit in EDITS):
        training = WalkTraining(generator, WalkRecipe((edit,), "w+", reach=1.0), 1, torch.device("cpu"))
        still = looked_at(training)
        direction, theirs = published(generator, edit, given.steps or STEPS)
        with torch.no_grad():
            training.walk.get_parameter("directions").copy_(direction[None])
            reached = looked_at(training)
            training.walk.get_parameter("directions").zero_()
        steps, spent, seen = ours(training, reached, 200)
        print(f"{edit}: masked squares {still:.5f} without a walk; published way {reached:.5f}, ours {seen:.5f}", flush=True)
        print(f"  published way: {given.steps or STEPS} steps of {BATCH} images, {theirs:.1f} CPU s")
        print(f"  ours: {steps} steps of {training.batch} images, {spent:.1f} CPU s: {theirs / spent:.1f}x", flush=True)


if __name__ == "__main__":
    main()
