"""The inversions of one generator, batch after batch: own samples first, then photos, then the searches that are paid for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ganaudit import devices, images
from ganaudit.inversion.inverters import NEEDS, OVER_Z, Inverted, Task
from ganaudit.inversion.methods import inverter
from ganaudit.inversion.penalty import FACTORS
from ganaudit.inversion.search import Search
from ganaudit.keys import digest, source_key
from ganaudit.records.store import Store
from ganaudit.spec import AuditSpec, Invert
from ganaudit.studies.inversion import rows
from ganaudit.studies.inversion.calibration import Calibration, calibrated
from ganaudit.studies.inversion.photos import OWN_SEED
from ganaudit.studies.inversion.settings import HELD, OWN, TRAIN, InversionsDone, Setting, confusion_of
from ganaudit.studies.inversion.targets import Eye, Sought, masked_samples, own_samples, photos, resized
from ganaudit.studies.inversion.verdicts import Rules, proportion, seen
from ganaudit.version import __version__

VERSION = 5
"""Enters the content keys: raised when the same images and settings would give other records."""

AGAIN = 3
"""Searches at a tenth and at ten times the penalty start from what was found at the penalty, with this part of the steps."""
SEARCHED = (*OVER_Z, "layerwise")
"""The methods with a paid search: what they free is searched for, and is evidence."""
PAID = 5
"""At most so many times the photos that a verdict needs are searched again for a class."""
PAID_STARTS = 3
"""Further starts of a paid search over z. What a generator makes rarely is at the rim of z, and an inverter's guess may have no
slope that leads there: a class is not made only where no start finds it."""


@dataclass(frozen=True)
class Names:
    """What the records say about the generator: its name in the run, and content keys."""

    generator: str
    run: str
    generator_key: str
    parser_key: str
    photo_keys: dict[str, str]
    """Content keys of photos, by sample."""


@dataclass
class Work:
    """The inversions of one generator. base: what every search shares; inverters: digests by kind."""

    spec: AuditSpec
    names: Names
    store: Store
    eye: Eye
    base: Task
    inverters: dict[str, str]
    notes: list[str]
    inverted: int = 0
    _calibrations: dict[str, Calibration] = field(default_factory=dict)

    @property
    def asked(self) -> Invert:
        assert self.spec.invert is not None
        return self.spec.invert

    def run(self) -> InversionsDone:
        """Inverts what is not in the store yet."""
        usable = self._usable()
        if not usable:
            return InversionsDone(self.names.generator, (), 0, tuple(self.notes))
        own = own_samples(self.base.generator, self.eye, self.asked.own, self.base.seed)
        lists = [own]
        if self.asked.masked:
            lists.append(masked_samples(own, self.asked.masked, self.base.seed))
        for sample, count in ((HELD, self.asked.images), (TRAIN, self.asked.train_images)):
            if sample in self.names.photo_keys:
                lists.append(photos(self.store, self.names.run, self.spec, self.eye, sample, count))
        settings: list[Setting] = []
        for method in usable:
            for which in (one for one in lists if len(one)):
                settings += self._settings(which, method, self._factors(method, which.sample))
        held = next((one for one in lists if one.sample == HELD and len(one)), None)
        for plain in [s for s in settings if s.sample == HELD and s.method in SEARCHED and s.factor in (None, 1.0)]:
            assert held is not None
            settings += self._paid(held, plain)
        return InversionsDone(self.names.generator, tuple(settings), self.inverted, tuple(self.notes))

    def _usable(self) -> list[str]:
        usable: list[str] = [
            method for method in self.asked.methods if NEEDS[method] is None or NEEDS[method] in self.inverters
        ]
        if not self.base.choice.residuals and "layerwise" in usable:
            usable.remove("layerwise")
            self.notes.append(
                f"{self.names.generator!r} is not inverted by layerwise: no layer before {self.base.choice.feature!r} is small "
                "enough to be freed."
            )
        return usable

    def _factors(self, method: str, sample: str) -> tuple[float | None, ...]:
        """Other penalties than the one that own samples set are searched where a verdict or its control needs them."""
        if method != "layerwise":
            return (None,)
        return FACTORS if sample in (HELD, OWN) else (1.0,)

    def _paid(self, held: Sought, plain: Setting) -> list[Setting]:
        """The paid search of every class that few photos recovered, on the photos that hold it."""
        rules, found = Rules(), []
        by_image = confusion_of(self.store, plain, self.asked.batch)
        classes = sorted({number for rows in by_image.values() for number in seen(rows) if number > 0})
        for number in classes:
            holding = [
                place
                for place, image in enumerate(held.indices)
                if (one := seen(by_image.get(image, [])).get(number)) is not None and one.target >= rules.least_pixels
            ]
            recalls = [seen(by_image[held.indices[place]])[number].recall for place in holding]
            if len(holding) < rules.cases:
                continue
            if proportion(sum(recall >= rules.recovered for recall in recalls), len(recalls)).low > rules.made:
                continue
            chosen = held.take(holding[: PAID * rules.cases])
            found += self._settings(chosen, plain.method, self._factors(plain.method, HELD), number)
        return found

    def _calibrated(self, method: str) -> Calibration:
        if method not in self._calibrations:
            base = self.base
            known = {
                "generator": self.names.generator_key, "objective": base.objective.recipe(), "search": base.search.recipe(),
                "residuals": list(base.choice.residuals), "r": base.choice.feature,
                "inverter": self.inverters.get(NEEDS[method] or ""), "latents": base.seed,
            }  # fmt: skip
            wanted = devices.precision("auto", self.eye.device)
            count = self.asked.own
            found = calibrated(self.store, base, method, count, wanted, known, self.names.generator_key)
            self._calibrations[method] = found
            if found.note is not None:
                self.notes.append(f"{self.names.generator!r}: {found.note}.")
        return self._calibrations[method]

    def _settings(self, which: Sought, method: str, factors: Sequence[float | None], paid: int | None = None) -> list[Setting]:
        """Inverts a list of images in one way, at several penalties, but for what is in the store already."""
        known, size = self._calibrated(method), self.asked.batch
        how = replace(self.base.search, precision=known.precision)
        settings = [self._setting(which, method, factor, paid, how) for factor in factors]
        for first in range(0, len(which), size):
            last = min(first + size, len(which)) - 1
            missing = [one for one in settings if not self.store.shard("inversions", one.key, first, last).exists()]
            if missing:
                self._batch(missing, first, last, which.take(range(first, last + 1)), known, how)
        return settings

    def _setting(self, which: Sought, method: str, factor: float | None, paid: int | None, how: Search) -> Setting:
        base, own = self.base, which.sample not in self.names.photo_keys
        key = source_key({
            "inversion": VERSION, "photos": OWN_SEED if own else self.names.photo_keys[which.sample],
            "list": digest([list(which.indices), list(which.weights)]), "generator": self.names.generator_key, "method": method,
            "patches": None if which.patches is None else which.patches.tolist(),
            "objective": base.objective.recipe(), "penalty": factor, "own": self.asked.own if factor is not None else None,
            "search": how.recipe(), "then": None if factor in (None, 1.0) else _again(how, factor).recipe(),
            "residuals": list(base.choice.residuals), "r": base.choice.feature,
            "inverter": self.inverters.get(NEEDS[method] or ""), "parser": self.names.parser_key, "seed": base.seed,
            "restarts": base.restarts, "paid": paid, "wide": _wide(method, paid), "keep": self.asked.keep,
        })  # fmt: skip
        return Setting(key, which.sample, method, factor, paid, len(which))

    def _batch(
        self, missing: Sequence[Setting], first: int, last: int, which: Sought, known: Calibration, how: Search
    ) -> None:  # fmt: skip
        """Inverts one batch at every penalty that is missing: at the penalty itself first, because the others start there."""
        target = images.to_unit(self._at_generator(which.pixels)).to(self.eye.device)
        weighed = self._weighed(which, missing[0].paid)
        task = replace(self.base, indices=which.indices, search=how, wide=_wide(missing[0].method, missing[0].paid))
        start: Inverted | None = None
        for setting in sorted(missing, key=lambda one: one.factor != 1.0):
            again = setting.factor not in (None, 1.0)
            if again and start is None:
                start, _ = self._search(task, setting, 1.0, known, target, weighed)
            begun = None if start is None or not again else {n: v for n, v in start.found.free.items() if n != "z"}
            todo = replace(task, begin=begun, search=_again(how, setting.factor))
            made, seconds = self._search(todo, setting, setting.factor, known, target, weighed)
            if setting.factor == 1.0:
                start = made
            self._write(setting, first, last, which, made, target, seconds, known)

    def _search(
        self, task: Task, setting: Setting, factor: float | None, known: Calibration, target: Tensor, weighed: Tensor | None
    ) -> tuple[Inverted, float]:  # fmt: skip
        objective = replace(self.base.objective, penalty=_penalty(factor, known))
        began = time.perf_counter()
        targets = objective.targets(target, weighed)
        made = inverter(setting.method)(replace(task, objective=objective, targets=targets))
        if made.note is not None and (said := f"{self.names.generator!r}: {made.note}.") not in self.notes:
            self.notes.append(said)
        return made, (time.perf_counter() - began) / len(target)

    def _write(
        self, setting: Setting, first: int, last: int, which: Sought, made: Inverted, target: Tensor, seconds: float,
        known: Calibration,
    ) -> None:  # fmt: skip
        perceptual = self.base.objective.perceptual
        pixels = self.eye.resized(images.to_bytes(torch.nan_to_num(made.found.image)).cpu())
        maps, sure = self.eye.see(pixels)
        shared: dict[str, Any] = {
            "generator_key": self.names.generator_key, "parser_key": self.names.parser_key,
            "inverter": self.inverters.get(NEEDS[setting.method] or ""), "seed": self.base.seed,
            "penalty": _penalty(setting.factor, known), "perceptual": perceptual.name if perceptual else "none",
            "precision": known.precision, "seconds": seconds,
        }  # fmt: skip
        as_lpips = perceptual is not None and perceptual.name.startswith("lpips")
        keep = self.asked.keep == "residuals"
        batch = rows.Batch(setting, which, made, target, pixels, maps, sure, shared, as_lpips, keep)
        footer = {"recipe": setting.key, "code": __version__, "device": devices.describe(self.eye.device),
                  "torch": torch.__version__, "batch": str(self.asked.batch)}  # fmt: skip
        self.store.write_inversions(setting.key, first, last, rows.tables(batch), footer)
        self.inverted += len(which)

    def _weighed(self, which: Sought, paid: int | None) -> Tensor | None:
        """Where the loss counts ten times, at the generator's resolution."""
        if paid is None:
            return None
        mask = torch.from_numpy(which.maps == paid)[:, None].float()
        side = self.base.shape.resolution
        return (torch.nn.functional.interpolate(mask, (side, side), mode="nearest")[:, 0] > 0).to(self.eye.device)

    def _at_generator(self, pixels: Tensor) -> Tensor:
        side = self.base.shape.resolution
        return resized(pixels, (side, side))


def _wide(method: str, paid: int | None) -> int:
    return PAID_STARTS if paid is not None and method in OVER_Z else 0


def _again(how: Search, factor: float | None) -> Search:
    """The search at another penalty, which starts from what was found at the penalty itself."""
    if factor in (None, 1.0):
        return how
    return replace(how, steps=max(1, how.steps // AGAIN), halve_at=tuple(step // AGAIN for step in how.halve_at))


def _penalty(factor: float | None, known: Calibration) -> float:
    return 0.0 if factor is None or known.penalty is None else factor * known.penalty
