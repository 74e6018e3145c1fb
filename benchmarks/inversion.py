"""What inversion is worth, measured here and now: `python -m benchmarks.inversion speed|sprites|people|trees|own|order`.

speed: the reference's loop against the batched search, same generator, targets and loss, split by what each change gives.
sprites: whole verdicts on classes of the sprite village that are switched off, on, or rare; how many are wrong.
people: whether photos' people come back from village-many-people more often than from village-progan.
trees: whether the omission of trees tells village-no-trees from village-progan.
own: what comes back of every shipped generator's own samples.
order: the methods of Bau et al.'s Fig. 6 on held-out photos, with intervals, beside the generator's own samples.
"""

from __future__ import annotations

import sys

import torch

from benchmarks.inversion_speed import speed
from benchmarks.inversion_sprites import sprites
from benchmarks.inversion_villages import order, own, people, trees

PARTS = {"speed": speed, "sprites": sprites, "people": people, "trees": trees, "own": own, "order": order}

if __name__ == "__main__":
    torch.set_num_threads(1)
    for part in sys.argv[1:] or PARTS:
        print(f"== {part}", flush=True)
        PARTS[part]()
