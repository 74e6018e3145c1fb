"""Every scenario of a calibration, by name: the cases that it has for a pool, and what one replicate of a case is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.calibration import distances, pairs, verdicts
from benchmarks.calibration.cases import Case, OpenedCase, Row
from benchmarks.calibration.pool import VILLAGE, Pool, PoolSource, load
from benchmarks.calibration.worlds import WORLDS
from ganaudit.errors import RequestError


@dataclass(frozen=True)
class Scenario:
    """What is measured, in a sentence; its cases for a pool; the rows of one replicate."""

    question: str
    cases: Callable[[Pool], list[Case]]
    replicate: Callable[[OpenedCase, int], list[Row]]


def _dependent(opened: OpenedCase, replicate: int) -> list[Row]:
    return [*distances.interval(opened, replicate), *verdicts.boundary(opened, replicate)]


SCENARIOS: dict[str, Scenario] = {
    "distance": Scenario(
        "Does the interval of the corrected distance hold the truth?", distances.interval_cases, distances.interval
    ),
    "ratios": Scenario(
        "Do the intervals of ratios of presence, area and count hold the truth?", verdicts.ratio_cases, verdicts.ratios
    ),
    "permutation": Scenario(
        "How often does the permutation test see a difference?", distances.permutation_cases, distances.permute
    ),
    "boundary": Scenario(
        "How often is any verdict false where nothing is beyond a line?", verdicts.boundary_cases, verdicts.boundary
    ),
    "dependent": Scenario("And where images are repeated, or frames of a few scenes?", verdicts.dependent_cases, _dependent),
    "half reduced": Scenario("Which share of the found omissions is false?", verdicts.half_cases, verdicts.half),
    "planner": Scenario("Is a drop found that the planner says would be?", verdicts.planner_cases, verdicts.planner),
    "village": Scenario("Are known omissions called by the right word?", verdicts.village_cases, verdicts.village),
    "comparison": Scenario(
        "Does the interval of a difference hold the truth, and is `nearer` true?", distances.comparison_cases, distances.compare
    ),
    "pairs": Scenario("Are verdicts on pairs of classes right?", pairs.pair_cases, pairs.pairs),
}


OF_THE_POOL = ("village", "pairs")
"""Scenarios whose cases are named by a pool's classes."""
QUICK_WORLD = "two modes"
"""A population that is made at once, for the names of cases."""
COSTLY = ("half reduced", "comparison", "pairs")
"""Scenarios that a made-up world is not tried on unless they are asked for."""


def check_scenario(only: str | None) -> None:
    """Raises RequestError for a scenario or case that does not exist. only: a scenario, or `SCENARIO: CASE` with how a case's
    label begins."""
    if only is not None and _name(only) not in SCENARIOS:
        raise RequestError(f"--only {only!r}: there is no such scenario; there are {', '.join(SCENARIOS)}")
    if only is not None and ":" in only and _name(only) not in OF_THE_POOL:
        _named(SCENARIOS[str(_name(only))].cases(load(Path(), PoolSource(world=QUICK_WORLD))), only)


def _named(cases: list[Case], only: str | None) -> list[Case]:
    begins = "" if only is None else only.partition(":")[2].strip()
    named = [case for case in cases if case.label.startswith(begins)]
    if begins and not named:
        raise RequestError(f"--only {only!r}: there is no such case; there are {'; '.join(case.label for case in cases)}")
    return named


def _name(only: str | None) -> str | None:
    return None if only is None else only.partition(":")[0]


def check_world(world: str | None) -> None:
    """Raises RequestError for a population that does not exist."""
    there = (VILLAGE, *WORLDS)
    if world is not None and world not in there:
        raise RequestError(f"--world {world!r}: there is no such population; there are {', '.join(there)}")


def variants_of(source: PoolSource, only: str | None = None) -> list[PoolSource]:
    """The pools that scenarios need beside the main one: villages with omissions, where the main one is the village."""
    return verdicts.variants() if source.rendered and _name(only) in (None, "village") else []


def cases_of(pool: Pool, source: PoolSource, only: str | None = None) -> list[Case]:
    """The cases of every scenario, or those that `only` names. Raises RequestError for a pool in which nothing can be planted,
    and where no case is named so."""
    check_scenario(only)
    if not ((pool.share > 0) & (pool.share <= distances.COMMON)).any():
        raise RequestError(
            f"every class of the pool is in more than {100 * distances.COMMON:g} % of its {len(pool):,} images, or in none: "
            "no difference can be planted by thinning; use a run with more kinds of images"
        )
    asked = [
        name for name in SCENARIOS if _name(only) == name or (only is None and (source.world == VILLAGE or name not in COSTLY))
    ]
    if len(pool.classes) > distances.MANY_CLASSES and only is None:
        asked.remove("dependent")
    cases = [case for name in asked for case in SCENARIOS[name].cases(pool)]
    known = variants_of(source, only)
    return [case for case in _named(cases, only) if case.source is None or case.source in known]
