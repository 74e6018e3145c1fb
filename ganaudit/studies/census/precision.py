"""How many labels hang on how a parser computes: on its precision, and on what is beside an image in a batch. Measured once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit import devices, images, kinds
from ganaudit.errors import GanauditError
from ganaudit.foreign_code import blamed
from ganaudit.parsers.opening import OpenParser, open_parser
from ganaudit.records.store import Store
from ganaudit.records.tables import PARSER_PRECISION
from ganaudit.report import words
from ganaudit.sources.planned import Plan
from ganaudit.studies.census import work
from ganaudit.studies.census.blocks import block_of

IMAGES = 8
"""Real images that are read three times."""


@dataclass(frozen=True)
class Effect:
    """Shares of the pixels of so many images, 0 to 1. by_precision: whose label float32 gives otherwise, None where the parser
    computes in a precision of its own; by_batch: whose label is another one where the image is read alone."""

    parser_key: str
    device: str
    precision: str
    images: int
    by_precision: float | None
    by_batch: float

    def sentence(self) -> str:
        """What a person should know of it, without a full stop."""
        alone = f"{words.share(self.by_batch)} of the pixels have another label where an image is read alone, not in a batch"
        over = f"measured on {words.counted(self.images, 'real image')}"
        if self.by_precision is None:
            return f"{alone} ({over})"
        if self.precision == "float32":
            return f"the parser computes in float32; {alone} ({over})"
        precise = f"{words.share(self.by_precision)} of the pixels have another label than float32 gives"
        return f"the parser computes in {self.precision}: {precise}; {alone} ({over})"


def record(plan: Plan, store: Store) -> None:
    """Measures the parser of a plan, where no run did so before, and writes it down."""
    if recorded(store, plan.parser_key) is None and (effect := measured(plan)) is not None:
        store.write_parser_precision(vars(effect))


def known(plan: Plan, store: Store) -> Effect | None:
    """What was recorded of a plan's parser, else what is measured now."""
    return recorded(store, plan.parser_key) or measured(plan)


def recorded(store: Store, parser_key: str) -> Effect | None:
    """What was recorded of a parser."""
    file = store.parser_precision(parser_key)
    return Effect(**store.read(PARSER_PRECISION, file).to_pylist()[0]) if file.is_file() else None


def measured(plan: Plan) -> Effect | None:
    """Of the first real images; None where none of them can be read, no network reads them, or it takes whole batches alone."""
    source = plan.sources[0]
    task = block_of(plan, source, *source.blocks[0])
    parser, opened = work.opened(task)
    if not parser.reads or opened.maps:
        return None
    batch = opened.read(range(task.first, min(task.last + 1, task.first + IMAGES)))
    good = [place for place, error in enumerate(batch.errors) if error is None]
    if not good:
        return None
    shown = images.to_unit(batch.pixels[good].to(plan.device))
    try:
        together = _maps(parser, shown, plan)
        alone = np.concatenate([_maps(parser, one[None], plan) for one in shown])
        by_precision = _by_precision(plan, shown, together)
    except GanauditError:  # blocks were parsed: it is the number of images that it cannot do
        return None
    by_batch = float((alone != together).mean())
    return Effect(plan.parser_key, devices.describe(plan.device), plan.precision, len(good), by_precision, by_batch)


def _by_precision(plan: Plan, shown: Tensor, together: NDArray[Any]) -> float | None:
    if "precision" not in kinds.find("parsers", plan.spec.parser.kind).offers:
        return None
    if plan.precision == "float32":
        return 0.0
    precise = open_parser(plan.spec.parser, plan.spec.context(plan.device, "float32"))
    return float((_maps(precise, shown, plan) != together).mean())


def _maps(parser: OpenParser, shown: Tensor, plan: Plan) -> NDArray[Any]:
    with torch.inference_mode(), blamed("the parser", plan.device, len(shown)):
        maps: NDArray[Any] = parser.parser.parse(shown).maps.cpu().numpy()
        return maps
