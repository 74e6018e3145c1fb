"""Held-out photos and own samples, inverted in one generator: batch after batch, each written when it is done."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit import devices, images
from ganaudit.auditing.plan import Plan
from ganaudit.auditing.roles import GENERATED, HELDOUT, Asked
from ganaudit.auditing.sources import open_source
from ganaudit.errors import RequestError
from ganaudit.generators.opening import OpenGenerator, open_generator
from ganaudit.inversion import fidelity
from ganaudit.inversion.drawing import draw
from ganaudit.inversion.encoders import Encoder
from ganaudit.inversion.inverter_files import check_fit, find_inverter, open_inverter
from ganaudit.inversion.inverters import NEEDS, Inverted, Task
from ganaudit.inversion.making import SMALL, make_inverter
from ganaudit.inversion.objective import Objective
from ganaudit.inversion.penalty import FACTORS, calibrate
from ganaudit.inversion.perceptual import open_perceptual
from ganaudit.inversion.photos import OWN_SEED
from ganaudit.inversion.present import View, class_rows
from ganaudit.inversion.search import Search
from ganaudit.inversion.settings import HELD, OWN, InversionsDone, Setting, confusion_of
from ganaudit.inversion.shapes import choose_layers, generator_digest, read_shape
from ganaudit.inversion.side_by_side import side_by_side, webp
from ganaudit.inversion.span import floors
from ganaudit.inversion.training import InverterRecipe
from ganaudit.inversion.verdicts import Rules, confusion, proportion, seen
from ganaudit.keys import digest, source_key
from ganaudit.parsers.opening import OpenParser, open_parser
from ganaudit.records import catalog
from ganaudit.records.schema import INVERSION_CLASSES, INVERSION_CONFUSION, INVERSION_CURVES, INVERSIONS, OK, QUARANTINED
from ganaudit.records.store import Store
from ganaudit.registry import opener
from ganaudit.spec import AuditSpec, FactorySource, Invert, WeightsSource
from ganaudit.version import __version__

VERSION = 2
"""Enters the content keys: raised when the same images and settings would give other records."""

Row = dict[str, Any]


@dataclass(frozen=True)
class InversionTask:
    """All inversions in one generator: small, picklable."""

    spec: AuditSpec
    run: str
    place: int
    name: str
    generator_key: str
    heldout_key: str
    parser_key: str
    device: str
    precision: str


def inversion_tasks(planned: Plan) -> tuple[list[InversionTask], list[str]]:
    """One task for each generator that can be run, and a word about each that cannot."""
    if planned.spec.invert is None:
        return [], []
    held = next(source for source in planned.sources if source.role == HELDOUT)
    tasks, notes = [], []
    for source in planned.sources:
        if source.role != GENERATED:
            continue
        asked = source.asked.source(planned.spec)
        if not isinstance(asked, WeightsSource | FactorySource):
            notes.append(f"{source.name!r} is not inverted: a source of kind {source.kind!r} is images, not a generator.")
            continue
        tasks.append(
            InversionTask(
                planned.spec, planned.run, source.asked.place, source.name, source.key, held.key, planned.parser_key,
                planned.device, planned.precision,
            )
        )  # fmt: skip
    return tasks, notes


def make_inversions(task: InversionTask) -> InversionsDone:
    """Inverts what is not in the store yet. Raises RequestError for a layer or weights that do not exist."""
    torch.set_num_threads(1)
    asked = task.spec.generators[task.place]
    assert isinstance(asked, WeightsSource | FactorySource)
    opened = open_generator(asked, task.spec, task.device)
    if isinstance(opened.generator, torch.nn.Module):
        opened.generator.requires_grad_(False)
    try:
        read_shape(opened.generator)
        generator_digest(opened.generator)
    except RequestError as error:
        return InversionsDone(task.name, (), 0, (f"{task.name!r} is not inverted: {error}.",))
    return _Work(task, opened).run()


@dataclass(frozen=True)
class _Images:
    """Images to be inverted. pixels: (N, h, w, 3) uint8 at the parser's resolution."""

    sample: str
    indices: tuple[int, ...]
    names: tuple[str, ...]
    weights: tuple[float, ...]
    pixels: Tensor

    def take(self, places: Sequence[int]) -> _Images:
        chosen = list(places)
        return _Images(
            self.sample, tuple(self.indices[i] for i in chosen), tuple(self.names[i] for i in chosen),
            tuple(self.weights[i] for i in chosen), self.pixels[chosen],
        )  # fmt: skip


class _Work:
    """The inversions of one generator, in order: own samples first, then photos, then the searches that are paid for."""

    def __init__(self, task: InversionTask, opened: OpenGenerator) -> None:
        spec, generator = task.spec, opened.generator
        assert spec.invert is not None
        self.task, self.asked, self.opened = task, spec.invert, opened
        self.store = Store(spec.path(spec.store))
        self.parser: OpenParser = open_parser(spec, task.device, task.precision)
        shape = read_shape(generator)
        perceptual = open_perceptual(self.asked.perceptual, self.asked.perceptual_weights, spec.folder, task.device)
        steps = self.asked.steps
        precision = devices.precision("auto", task.device)
        how = Search(
            steps, "adam", 0.05, (steps * 6 // 10, steps * 8 // 10), max(20, steps // 5), precision=precision,
            batch=self.asked.batch,
        )  # fmt: skip
        nothing = torch.zeros((0, 3, shape.resolution, shape.resolution), device=task.device)
        objective = Objective("mse", perceptual)
        self.notes: list[str] = []
        self.inverters: dict[str, str] = {}
        self.base = Task(
            generator, shape, choose_layers(shape, self.asked.layer), objective.targets(nothing), (), objective, how,
            spec.sample.seed, self.asked.restarts, self._encoders(self.asked), floors(generator),
        )  # fmt: skip
        self.penalty: float | None = None
        self.inverted = 0

    def _encoders(self, asked: Invert) -> dict[str, Encoder]:
        """The trained inverters that the methods start from: shipped, in the store, or trained now."""
        generator, found = self.opened.generator, {}
        folder, mark = self.store.path / "inverters", generator_digest(generator)
        for kind in sorted({need for method in asked.methods if (need := NEEDS[method]) is not None}):
            path = find_inverter(mark, kind, [folder])
            if path is None and asked.inverter == "auto":
                path = make_inverter(
                    generator, mark, InverterRecipe(kind, asked.layer), folder / f"{mark}-{kind}", lambda *_: None, SMALL[kind],
                    device=self.task.device, command="an audit with invert.inverter: auto",
                )  # fmt: skip
                path = path.replace(folder / path.name)
            if path is None:
                methods = ", ".join(method for method in asked.methods if NEEDS[method] == kind)
                self.notes.append(
                    f"{self.task.name!r} is not inverted by {methods}: no inverter of kind {kind} is known for it; set "
                    f"invert.inverter: auto, which trains a small one in {SMALL[kind]:g} CPU minutes."
                )
                continue
            inverter = open_inverter(path, mark)
            check_fit(inverter, read_shape(generator))
            self.inverters[kind] = inverter.sha256
            found[kind] = inverter.encoder.to(self.task.device)
        return found

    def run(self) -> InversionsDone:
        own, photos = self._own(), self._photos()
        settings: list[Setting] = []
        usable = [method for method in self.asked.methods if NEEDS[method] is None or NEEDS[method] in self.inverters]
        if not self.base.choice.residuals and "layerwise" in usable:
            usable.remove("layerwise")
            self.notes.append(
                f"{self.task.name!r} is not inverted by layerwise: no layer before {self.base.choice.feature!r} is small "
                "enough to be freed."
            )
        for method in usable:
            for factor in FACTORS if method == "layerwise" else (None,):
                settings += [self._setting(sample, method, factor) for sample in (own, photos) if sample.indices]
        if usable and photos.indices:
            method = "layerwise" if "layerwise" in usable else usable[0]
            settings += self._paid(
                photos, next(s for s in settings if s.sample == HELD and s.method == method and s.factor in (None, 1.0))
            )
        return InversionsDone(self.task.name, tuple(settings), self.inverted, tuple(self.notes))

    def _own(self) -> _Images:
        """Own samples of the generator: never those that an inverter was trained on."""
        count = self.asked.own
        with torch.inference_mode():
            state = self.opened.generator.latents(OWN_SEED, torch.arange(count))
            made = images.to_bytes(self.opened.generator.run(state)["image"].clamp(-1.0, 1.0))
        names = tuple(f"sample {index}" for index in range(count))
        return _Images(OWN, tuple(range(count)), names, (1.0,) * count, self._at_parser(made.clone()))

    def _photos(self) -> _Images:
        """Held-out photos, chosen so that every class is in enough of them."""
        with catalog.of_run(self.store, self.task.run) as connection:
            rows = connection.execute(
                "SELECT image, name FROM run_images(?) WHERE role = 'heldout' AND status = 'ok' ORDER BY image", [self.task.run]
            ).fetchall()
            held = connection.execute(
                "SELECT image, class_id FROM run_class_pixels(?) WHERE role = 'heldout' AND class_id > 0 AND pixels >= ?",
                [self.task.run, Rules().least_pixels],
            ).fetchall()
        place = {image: number for number, (image, _) in enumerate(rows)}
        present = np.zeros((len(rows), self.parser.class_count), dtype=bool)
        for image, class_id in held:
            present[place[image], class_id] = True
        chosen = draw(
            np.array([image for image, _ in rows], dtype=np.int64), present, self.asked.images, self.task.spec.sample.seed
        )
        picked = [rows[number] for number in chosen.places.tolist()]
        spec = self.task.spec
        source = open_source(Asked(HELDOUT), spec, self.parser, self.task.device)
        size = spec.sample.batch
        pixels = [source.read([image for image, _ in picked[i : i + size]]).pixels for i in range(0, len(picked), size)]
        joined = torch.cat(pixels) if pixels else torch.zeros((0, 1, 1, 3), dtype=torch.uint8)
        return _Images(HELD, tuple(i for i, _ in picked), tuple(n for _, n in picked), tuple(chosen.weights.tolist()), joined)

    def _paid(self, photos: _Images, plain: Setting) -> list[Setting]:
        """The paid search of every class that few photos recovered, on the photos that hold it."""
        rules, found = Rules(), []
        by_image = confusion_of(self.store, plain, self.asked.batch)
        classes = sorted({number for rows in by_image.values() for number in seen(rows) if number > 0})
        for number in classes:
            holding = [
                place
                for place, image in enumerate(photos.indices)
                if (one := seen(by_image.get(image, [])).get(number)) is not None and one.target >= rules.least_pixels
            ]
            recalls = [seen(by_image[photos.indices[place]])[number].recall for place in holding]
            if len(holding) < rules.cases:
                continue
            if proportion(sum(recall >= rules.recovered for recall in recalls), len(recalls)).low > rules.made:
                continue
            found.append(self._setting(photos.take(holding), plain.method, plain.factor, number))
        return found

    def _weight(self) -> float:
        """The residuals' penalty, set from own samples when it is first needed."""
        if self.penalty is None:
            target = images.to_unit(self._at_generator(self._own().pixels)).to(self.task.device)
            own = replace(self.base, targets=self.base.objective.targets(target), indices=range(len(target)))
            self.penalty = calibrate(own).weight
        return self.penalty

    def _setting(self, which: _Images, method: str, factor: float | None, paid: int | None = None) -> Setting:
        """Inverts a list of images in one way, batch by batch, but for those that are in the store already."""
        base, size = self.base, self.asked.batch
        key = source_key({
            "inversion": VERSION, "photos": self.task.heldout_key if which.sample == HELD else OWN_SEED,
            "list": digest([list(which.indices), list(which.weights)]), "generator": self.task.generator_key, "method": method,
            "objective": base.objective.recipe(), "penalty": factor, "own": self.asked.own if factor is not None else None,
            "search": base.search.recipe(), "residuals": list(base.choice.residuals), "r": base.choice.feature,
            "inverter": self.inverters.get(NEEDS[method] or ""), "parser": self.task.parser_key, "seed": base.seed,
            "restarts": base.restarts, "paid": paid,
        })  # fmt: skip
        setting = Setting(key, which.sample, method, factor, paid, len(which.indices))
        for first in range(0, len(which.indices), size):
            last = min(first + size, len(which.indices)) - 1
            if not self.store.shard("inversions", key, first, last).exists():
                self._batch(setting, first, last, which.take(range(first, last + 1)))
        return setting

    def _batch(self, setting: Setting, first: int, last: int, which: _Images) -> None:
        target = images.to_unit(self._at_generator(which.pixels)).to(self.task.device)
        wanted, sure = self._parsed(which.pixels)
        penalty = 0.0 if setting.factor is None else setting.factor * self._weight()
        objective = replace(self.base.objective, penalty=penalty)
        inside = None
        if setting.paid is not None:
            mask = torch.from_numpy(wanted == setting.paid)[:, None].float()
            side = self.base.shape.resolution
            inside = (torch.nn.functional.interpolate(mask, (side, side), mode="nearest")[:, 0] > 0).to(self.task.device)
        task = replace(self.base, objective=objective, targets=objective.targets(target, inside), indices=which.indices)
        began = time.perf_counter()
        made = opener("inverters", setting.method)(task)
        seconds = (time.perf_counter() - began) / len(which.indices)
        if made.note is not None and made.note not in self.notes:
            self.notes.append(f"{self.task.name!r}: {made.note}.")
        pixels = self._at_parser(images.to_bytes(torch.nan_to_num(made.found.image)))
        shown, shown_sure = self._parsed(pixels)
        rows = [
            self._row(setting, which, place, made, target, penalty, seconds, (pixels, wanted, shown))
            for place in range(len(which.indices))
        ]
        common = [_common(setting, image) for image in which.indices]
        pairs = [
            {**common[place], "target_class": a, "reconstruction_class": b, "pixels": n}
            for place, row in enumerate(rows)
            if row["status"] == OK
            for a, b, n in confusion(wanted[place], shown[place])
        ]
        classes = [
            row
            for place, one in enumerate(rows)
            for row in class_rows(
                common[place], wanted[place],
                View(which.pixels[place].cpu().numpy(), sure[place]),
                View(pixels[place].cpu().numpy(), shown_sure[place]) if one["status"] == OK else None,
            )
        ]  # fmt: skip
        footer = {"recipe": setting.key, "code": __version__, "device": devices.describe(self.task.device),
                  "torch": torch.__version__, "batch": str(self.asked.batch)}  # fmt: skip
        tables = {
            "inversions": INVERSIONS.from_rows(rows), "inversion_confusion": INVERSION_CONFUSION.from_rows(pairs),
            "inversion_classes": INVERSION_CLASSES.from_rows(classes),
            "inversion_curves": INVERSION_CURVES.from_rows(_curve_rows(common, made)),
        }  # fmt: skip
        self.store.write_inversions(setting.key, first, last, tables, footer)
        self.inverted += len(which.indices)

    def _row(
        self, setting: Setting, which: _Images, place: int, made: Inverted, target: Tensor, penalty: float, seconds: float,
        panes: tuple[Tensor, NDArray[np.int64], NDArray[np.int64]],
    ) -> Row:  # fmt: skip
        found, perceptual = made.found, self.base.objective.perceptual
        lost = not math.isfinite(float(found.loss_best[place]))
        one, wanted = found.image[place : place + 1], target[place : place + 1]
        pixels, before, after = panes
        measured: Row = {}
        as_lpips = perceptual is not None and perceptual.name.startswith("lpips")
        if not lost:
            measured = {
                "loss_best": float(found.loss_best[place]), "gradient_norm": _finite(found.gradient_norm[place]),
                "mse": float(fidelity.mse(one, wanted)), "psnr": _finite(fidelity.psnr(one, wanted)),
                "ssim": float(fidelity.ssim(one, wanted)),
                "residual": float(found.residual[place]) if setting.factor is not None else None,
                "lpips": float(found.terms["perceptual"][place]) if as_lpips else None,
            }  # fmt: skip
            if setting.paid is None and setting.factor in (None, 1.0):
                shown = side_by_side(
                    which.pixels[place].cpu().numpy(), pixels[place].cpu().numpy(), (before[place], after[place])
                )
                measured["picture"] = webp(shown)
        return {
            **_common(setting, which.indices[place]), **measured, "generator_key": self.task.generator_key,
            "parser_key": self.task.parser_key, "inverter": self.inverters.get(NEEDS[setting.method] or ""),
            "weight": which.weights[place], "layer": made.layer, "ratio": made.ratio, "evidential": made.evidential,
            "start": made.start, "restart": int(made.restart[place]), "spread": _finite(made.spread[place]),
            "seed": self.base.seed, "penalty": penalty, "perceptual": perceptual.name if perceptual else "none",
            "steps": int(found.steps[place]), "seconds": seconds, "loss_first": _finite(found.loss_first[place]),
            "best_step": int(found.best_step[place]), "status": QUARANTINED if lost else OK, "error": found.errors[place],
        }  # fmt: skip

    @torch.inference_mode()
    def _parsed(self, pixels: Tensor) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The parser's label maps and confidences (N, h, w) of 8-bit pixels, of its first head; every batch has one size."""
        n, size = len(pixels), self.task.spec.sample.batch
        parts: list[tuple[Tensor, Tensor]] = []
        for start in range(0, n, size):
            part = pixels[start : start + size]
            padded = torch.cat([part, part.new_zeros((size - len(part), *part.shape[1:]))])
            labels = self.parser.parser.parse(images.to_unit(padded.to(self.task.device)))
            first = (slice(len(part)), 0) if labels.maps.ndim == 4 else (slice(len(part)),)
            parts.append((labels.maps[first], labels.confidence[first]))
        maps, sure = (torch.cat(list(one)).cpu() for one in zip(*parts, strict=True))
        return maps.numpy().astype(np.int64), sure.to(torch.float64).numpy()

    def _at_parser(self, pixels: Tensor) -> Tensor:
        return _resized(pixels, self.parser.resolution)

    def _at_generator(self, pixels: Tensor) -> Tensor:
        side = self.base.shape.resolution
        return _resized(pixels, (side, side))


def _resized(pixels: Tensor, size: tuple[int, int] | None) -> Tensor:
    if size is None or tuple(pixels.shape[1:3]) == size:
        return pixels
    return torch.from_numpy(np.stack([images.resize(one, size) for one in pixels.cpu().numpy()]))


def _finite(value: Tensor) -> float | None:
    return float(value) if bool(torch.isfinite(value)) else None


def _common(setting: Setting, image: int) -> Row:
    return {
        "key": setting.key, "sample": setting.sample, "method": setting.method, "penalty_factor": setting.factor,
        "paid_class": setting.paid, "image": image,
    }  # fmt: skip


def _curve_rows(common: Sequence[Row], made: Inverted) -> list[Row]:
    names = {
        "loss": "loss",
        "pixel": "pixel",
        "perceptual_term": "perceptual",
        "prior": "prior",
        "residual_term": "residual",
    }
    rows: list[Row] = []
    for place, curve in enumerate(made.found.curves):
        for number, step in enumerate(curve.steps):
            terms = {column: curve.terms[term][number] for column, term in names.items() if term in curve.terms}
            if all(math.isfinite(value) for value in terms.values()):
                rows.append({**common[place], "step": step, **terms})
    return rows
