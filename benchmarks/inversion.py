"""What inversion is worth, measured here and now: `python -m benchmarks.inversion speed|schedule|sprites|…`.

speed: the reference's loop against the batched search, same generator, targets and loss, split by what each change gives.
schedule: where the default search ends, photo by photo, against the reference's 3,000 steps; `--photos N` instead of 64.
again: the reference's 3,000 steps against themselves, started a thousandth away: what a photo's ratio is by chance.
sprites: whole verdicts on classes of the sprite village that are switched off, on, or rare; how many are wrong.
people: whether photos' people come back from village-many-people more often than from village-progan.
trees: whether the omission of trees tells village-no-trees from village-progan.
own: what comes back of every shipped generator's own samples.
penalty: the residuals' penalty by several searches, and how large free residuals get by them.
cap: classes that villages were trained with or without, by penalised residuals and by capped ones.
order: the methods of Bau et al.'s Fig. 6 on held-out photos, with intervals, beside the generator's own samples.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch

from benchmarks.inversion_cap import cap
from benchmarks.inversion_schedule import again, schedule
from benchmarks.inversion_speed import speed
from benchmarks.inversion_sprites import sprites
from benchmarks.inversion_villages import order, own, penalty, people, trees

PARTS: dict[str, Callable[..., None]] = {
    "speed": speed, "schedule": schedule, "again": again, "sprites": sprites, "people": people, "trees": trees, "own": own,
    "penalty": penalty, "cap": cap, "order": order,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help="default: all")
    parser.add_argument("--photos", type=int, default=64, help="of schedule and again, in each generator; default: 64")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for part in given.parts or PARTS:
        print(f"== {part}", flush=True)
        PARTS[part](**({"photos": given.photos} if part in ("schedule", "again") else {}))


if __name__ == "__main__":
    main()
