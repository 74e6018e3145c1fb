"""Every scenario of a calibration, by name: the cases that it has for a pool, and what one replicate of a case is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.calibration import distances, pairs, verdicts
from benchmarks.calibration.cases import Case, OpenedCase, Row
from benchmarks.calibration.pool import Pool, PoolSource
from ganaudit.errors import RequestError


@dataclass(frozen=True)
class Scenario:
    """What is measured, in a sentence; its cases for a pool; the rows of one replicate."""

    question: str
    cases: Callable[[Pool], list[Case]]
    replicate: Callable[[OpenedCase, int], list[Row]]


SCENARIOS: dict[str, Scenario] = {
    "distance": Scenario(
        "Does the interval of the corrected distance hold the truth?", distances.interval_cases, distances.interval
    ),
    "ratios": Scenario("Do the intervals of presence and area ratios hold the truth?", verdicts.ratio_cases, verdicts.ratios),
    "permutation": Scenario(
        "How often does the permutation test see a difference?", distances.permutation_cases, distances.permute
    ),
    "boundary": Scenario(
        "How often is any verdict false where every class is at the line?", verdicts.boundary_cases, verdicts.boundary
    ),
    "half reduced": Scenario("Which share of the found omissions is false?", verdicts.half_cases, verdicts.half),
    "planner": Scenario("Is a drop found that the planner says would be?", verdicts.planner_cases, verdicts.planner),
    "village": Scenario("Are known omissions called by the right word?", verdicts.village_cases, verdicts.village),
    "comparison": Scenario(
        "Does the interval of a difference hold the truth, and is `nearer` true?", distances.comparison_cases, distances.compare
    ),
    "pairs": Scenario("Are verdicts on pairs of classes right?", pairs.pair_cases, pairs.pairs),
}


def check_scenario(only: str | None) -> None:
    """Raises RequestError for a scenario that does not exist."""
    if only is not None and only not in SCENARIOS:
        raise RequestError(f"--only {only!r}: there is no such scenario; there are {', '.join(SCENARIOS)}")


def variants_of(source: PoolSource, only: str | None = None) -> list[PoolSource]:
    """The pools that scenarios need beside the main one: villages with omissions, where the main one is the village."""
    return verdicts.variants() if source.run is None and only in (None, "village") else []


def cases_of(pool: Pool, source: PoolSource, only: str | None = None) -> list[Case]:
    """The cases of every scenario, or of one. Raises RequestError for a pool in which nothing can be planted."""
    check_scenario(only)
    share = (pool.counts[:, 1:] > 0).mean(axis=0)
    if not ((share > 0) & (share <= distances.COMMON)).any():
        raise RequestError(
            f"every class of the pool is in more than {100 * distances.COMMON:g} % of its {len(pool):,} images, or in none: "
            "no difference can be planted by thinning; use a run with more kinds of images"
        )
    cases = [case for name, scenario in SCENARIOS.items() if only in (None, name) for case in scenario.cases(pool)]
    known = variants_of(source, only)
    return [case for case in cases if case.source is None or case.source in known]
