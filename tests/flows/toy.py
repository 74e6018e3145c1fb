"""A world of 8 by 8 pixels, copied beside the tests' audit files. What a test changes while it runs comes by the environment,
so that it is in no key: TOY_SLEEP, seconds a batch; TOY_FAULT, a file whose lines are faults still to come, one a batch;
TOY_OPENED, a file that gets a line with the process's id whenever the parser is opened."""

import os
import time
from pathlib import Path

import numpy as np
import torch

from ganaudit import ClassInfo, Image, Labels
from ganaudit.random import normals


class Parser:
    """Dark, grey and bright pixels."""

    classes = (ClassInfo(1, "dark"), ClassInfo(2, "grey"), ClassInfo(3, "bright"))
    resolution = 8

    def parse(self, images):
        grey = images.mean(dim=1)
        return Labels(1 + (grey > -0.3).long() + (grey > 0.3).long(), torch.full_like(grey, 0.75))


class Photos:
    def __init__(self, images):
        self.images = images

    def __len__(self):
        return self.images

    def recipe(self):
        return {"kind": "toy"}

    def image(self, index):
        grey = np.random.default_rng([7, index]).integers(0, 256, (8, 8, 1))
        return Image(np.repeat(grey, 3, 2).astype(np.uint8), f"photo {index}")


class Generator:
    resolution, layers = 8, ()

    def __init__(self, shift, broken):
        self.shift, self.broken = shift, broken

    def latents(self, seed, indices):
        return {"z": torch.from_numpy(normals(seed, "z", indices.numpy(), 64)), "index": indices}

    def run(self, state, after=None, upto=None):
        image = torch.tanh(state["z"] + self.shift).reshape(-1, 1, 8, 8).repeat(1, 3, 1, 1)
        image[torch.isin(state["index"], torch.tensor(self.broken, dtype=torch.int64))] = float("nan")
        if len(image) > 2:  # not when it is opened and looked at
            time.sleep(float(os.environ.get("TOY_SLEEP", 0)))
            _fault(Path(os.environ.get("TOY_FAULT", "/nowhere")), int(state["index"][0]))
        return {**state, "image": image}


def _fault(file, first):
    """Each line: the first image of a batch, then what is raised there."""
    lines = file.read_text().splitlines() if file.is_file() else []
    for line in lines:
        if line.startswith(f"{first} "):
            lines.remove(line)
            file.write_text("\n".join(lines))
            raise {"OSError": OSError, "ValueError": ValueError}[line.split()[1]]("on purpose")


def parser():
    if "TOY_OPENED" in os.environ:
        with open(os.environ["TOY_OPENED"], "a") as file:
            file.write(f"{os.getpid()}\n")
    return Parser()


def photos(images=1100):
    return Photos(images)


def generator(shift=0.0, broken=()):
    return Generator(shift, list(broken))
