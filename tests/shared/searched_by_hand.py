"""What one audit inverted, and each of its searches as a plain loop over one image with torch's own Adam."""

from __future__ import annotations

import pickle
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR

from ganaudit import images, kinds
from ganaudit.auditing.plan import plan
from ganaudit.auditing.run import Audit
from ganaudit.context import Context
from ganaudit.encoders.files import open_inverter
from ganaudit.generators.opening import open_generator
from ganaudit.inversion.eigenbasis import eigenbases
from ganaudit.inversion.search_space import SearchSpace
from ganaudit.records import catalog
from ganaudit.records.store import Store
from ganaudit.spec import AuditSpec
from ganaudit.studies.inversion.photos import OWN_SEED
from ganaudit.studies.inversion.settings import SearchSetting
from ganaudit.studies.inversion.study import STUDY
from ganaudit.studies.protocol import work


@dataclass(frozen=True)
class Again:
    """What was gone through: the settings that are used, what was said, and the images (or shards) done, by stage."""

    settings: list
    notes: list
    done: Counter

    @property
    def images(self):
        """Images that were inverted now."""
        return self.done["inverting"] + self.done["mask-weighted searches"]


@dataclass(frozen=True)
class InvertedAudit:
    """An audit that has run, and what it inverted."""

    spec: AuditSpec
    audit: Audit

    @property
    def store(self):
        return Store(self.spec.path(self.spec.store)).open_for_writing()

    def rows(self, statement):
        return catalog.query(self.store, statement).to_pylist()

    @cached_property
    def records(self):
        """Rows of `inversions` with latents and residuals, by (sample, method, factor, weighted class) and image."""
        result = {}
        statement = "SELECT i.*, z, layers, residuals FROM inversions AS i JOIN inversion_latents AS l USING (key, image)"
        for row in self.rows(statement):
            way = (row["sample"], row["method"], row["penalty_factor"], row["weighted_class"])
            result.setdefault(way, {})[row["image"]] = row
        return result

    @cached_property
    def generator(self):
        return open_generator(self.spec.generators[0], self.spec.context("cpu", "float32")).generator

    @cached_property
    def inverter(self):
        (path,) = (self.store.path / "inverters").glob("*.safetensors")
        return open_inverter(path)

    @cached_property
    def penalty(self):
        """The weight of the residuals at factor 1, as it was recorded."""
        (row,) = self.rows("SELECT DISTINCT penalty FROM inversions WHERE penalty_factor = 1")
        return row["penalty"]

    def again(self, limit=None, **changes):
        """Goes through the stages of inversion with other settings, in the same store, as the same run.

        limit: shards after which it is killed.
        """
        asked = self.spec.invert.model_copy(update=changes)
        planned = replace(plan(self.spec.model_copy(update={"invert": asked})), run=self.audit.run)
        settings, notes, done = [], [], Counter()
        for stage in STUDY.stages(planned, self.store):
            notes += stage.notes
            settings += [
                SearchSetting.of(key.key, key.count, key.variant) for key in stage.keys if key.table == "inversions"
            ]  # fmt: skip
            for shard in stage.shards:
                if limit is not None and done.total() >= limit:
                    return Again(settings, notes, done)
                shard = pickle.loads(pickle.dumps(shard))
                work(shard)
                done[stage.name] += 1 if limit is not None else shard.images
        return Again(settings, notes, done)

    def seen(self, sample, image):
        """What the parser was shown, (8, 8, 3) uint8; masked samples without their patch."""
        photos = {"heldout": self.spec.heldout, "train": self.spec.train}.get(sample)
        if photos is not None:
            return kinds.find("datasets", photos.kind).open(photos, Context(self.spec.folder)).image(image).pixels
        return images.resize(self.own(image), (8, 8))

    def own(self, image):
        """An own sample, (16, 16, 3) uint8."""
        made = self.generator.run(self.generator.latents(OWN_SEED, torch.tensor([image])))["image"]
        return bytes_of(made)

    def target(self, sample, image):
        """What is searched for, (1, 3, 16, 16) in [-1, 1]."""
        return unit(images.resize(self.seen(sample, image), (16, 16)))

    def image(self, z, residuals):
        """(1, 3, 16, 16): the generator's image of z (1, 8) with something added to its first layers."""
        x = z
        for name in self.generator.layers:
            x = self.generator.get_submodule(name)(x)
            x = x + residuals[name] if name in residuals else x
        return self.generator.output(x)

    def made(self, row):
        """The reconstruction of a record as the parser sees it, (8, 8, 3) uint8, from its latent and residuals alone."""
        return images.resize(bytes_of(self.image(latent(row), residuals(row))), (8, 8))

    @cached_property
    def directions(self):
        """Of the residuals, by layer, and of z: what `test_eigenbasis` holds against JᵀJ."""
        latents, layers = self.generator.latents(0, torch.arange(1)), ("layer1", "layer2")
        spaces = SearchSpace(self.generator, latents, residuals=layers), SearchSpace(self.generator, latents, latent=True)
        return {name: basis for space in spaces for name, basis in eigenbases(space).items()}

    def search(self, z, target, penalty, weights=None, begin=None, steps=6, rate=0.2):
        """Adam on the residuals along their directions, its rate falling to a hundredth in half a cosine: the losses before
        each step and after the last, and the best residuals."""
        begin = {"layer1": torch.zeros(1, 4, 4, 4), "layer2": torch.zeros(1, 2, 8, 8)} if begin is None else begin
        directions = self.directions
        along = {name: value.permute(0, 2, 3, 1) @ directions[name] for name, value in begin.items()}
        moved = {name: value.clone().requires_grad_(True) for name, value in along.items()}
        optimiser, schedule = falling(moved.values(), rate, steps)
        losses, best = [], {}
        for _ in range(steps + 1):
            free = {name: (value @ directions[name].T).permute(0, 3, 1, 2) for name, value in moved.items()}
            error = (self.image(z, free) - target).square()
            shown = error.mean() if weights is None else (error * weights).sum() / (3 * weights.sum())
            loss = shown + penalty * sum(value.square().mean() for value in free.values())
            if not losses or loss.item() < min(losses):
                best = {name: value.detach().clone() for name, value in free.items()}
            losses.append(loss.item())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        return losses, best

    def search_again(self, z, target, factor):
        """At another penalty: two further steps from the best residuals at the penalty itself."""
        _, best = self.search(z, target, self.penalty)
        return self.search(z, target, factor * self.penalty, begin=best, steps=2, rate=0.1)


def falling(variables, rate, steps):
    """Adam, and its rate's fall to a hundredth along half a cosine."""
    optimiser = Adam(variables, lr=rate)
    return optimiser, CosineAnnealingLR(optimiser, steps, eta_min=rate / 100)


def unit(pixels):
    """(1, 3, h, w) in [-1, 1] of 8-bit pixels (h, w, 3)."""
    return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1.0


def bytes_of(image):
    """(h, w, 3) uint8 of an image (1, 3, h, w) in [-1, 1]."""
    return ((image[0].permute(1, 2, 0) + 1.0) * 127.5).round().numpy().astype(np.uint8)


def latent(row):
    """z of a record, (1, 8)."""
    return torch.tensor([row["z"]])


def residuals(row):
    """What was added to each layer, by layer, as a record keeps it: channel, row, column, one layer after the other."""
    if row["residuals"] is None:
        return {}
    first, second = np.split(np.array(row["residuals"], dtype=np.float32), [4 * 4 * 4])
    return {
        "layer1": torch.from_numpy(first).reshape(1, 4, 4, 4), "layer2": torch.from_numpy(second).reshape(1, 2, 8, 8),
    }  # fmt: skip


def brightness(pixels):
    """The tiny parser's label map of 8-bit pixels (8, 8, 3): 1 dark, 2 middle, 3 bright."""
    grey = pixels.mean(axis=2) / 255.0
    return 1 + (grey > 0.4).astype(int) + (grey > 0.6).astype(int)
