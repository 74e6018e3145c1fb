"""Where the parser doubts what it sees in generated images: in all classes a little, or in one more than in the others.

Generated images are seldom what a parser was trained on, and it is less sure of all of them; that says something of the
generator, and nothing of one class. A class is reported when its doubt, generated over real, grew beyond noise by half more
than that of the generator's class in the middle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist, median

from ganaudit import sql
from ganaudit.records import catalog
from ganaudit.records.store import Store
from ganaudit.statistics import parser_error

FACTOR = 1.5
"""So many times the growth of the class in the middle is more than the others'."""


@dataclass(frozen=True)
class Doubt:
    """Mean doubt (1 - confidence) over a class's pixels in one source, with its standard error over images."""

    value: float
    se: float | None


Doubts = Mapping[tuple[str, int], Doubt]
"""(source, class id) → doubt."""


def doubts(store: Store, run: str) -> Doubts:
    """The doubt on each class of each real and generated source of a run."""
    with catalog.of_run(store, run) as connection:
        rows = connection.sql(sql.filled("doubt", run=sql.literal(run))).fetchall()
    return {(source, class_id): Doubt(value, se) for _, source, class_id, _, value, se in rows}


def falls(known: Doubts, real: str, generator: str, classes: list[int], alpha: float) -> dict[int, bool | None]:
    """Class → whether confidence falls on it more than on the generator's others, beyond noise; None where it is not known.

    It must also fall by what `parser_error.confidence_falls` asks: half as much doubt again, and .02 of it.
    """
    pairs = {
        class_id: (known[real, class_id], known[generator, class_id])
        for class_id in classes
        if (real, class_id) in known and (generator, class_id) in known
    }
    grown = {class_id: _growth(*pair) for class_id, pair in pairs.items()}
    usual = [growth[0] for growth in grown.values() if growth is not None]
    middle = max(median(usual), 0.0) if usual else 0.0
    z = NormalDist().inv_cdf(1 - alpha / max(len(usual), 1))  # one class among all that are looked at
    fallen: dict[int, bool | None] = {}
    for one in classes:
        pair, growth = pairs.get(one), grown.get(one)
        if pair is None:
            fallen[one] = None
            continue
        lower = parser_error.confidence_falls(1 - pair[0].value, 1 - pair[1].value)
        stands_out = growth is not None and growth[1] is not None and growth[0] - z * growth[1] > middle + math.log(FACTOR)
        fallen[one] = bool(lower and stands_out)
    return fallen


def _growth(real: Doubt, generated: Doubt) -> tuple[float, float | None] | None:
    """The log of generated over real doubt, and its standard error; None where either is 0."""
    if real.value <= 0 or generated.value <= 0:
        return None
    if real.se is None or generated.se is None:
        return math.log(generated.value / real.value), None
    spread = math.hypot(real.se / real.value, generated.se / generated.value)
    return math.log(generated.value / real.value), spread
