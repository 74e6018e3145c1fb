"""Measuring claims one after the other, and keeping what they came to as Parquet."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ganaudit import paths
from ganaudit.claims.claim import Claim, Measurement
from ganaudit.claims.workshop import NeededTraining, Workshop
from ganaudit.errors import GanauditError, RequestError
from ganaudit.training.checkpoint import locked, write_whole
from ganaudit.version import __version__

SCHEMA = pa.schema({
    "system": pa.string(), "claim": pa.string(), "statement": pa.string(), "source": pa.string(), "measured": pa.string(),
    "effect": pa.float64(), "low": pa.float64(), "high": pa.float64(), "n": pa.int64(), "of": pa.string(), "holds": pa.string(),
    "verdict": pa.string(), "seen": pa.string(), "budget": pa.string(), "command": pa.string(), "seconds": pa.float64(),
    "version": pa.string(),
})  # fmt: skip
"""measured: what the effect is. low, high: of its 95 % interval. holds: where the effect has to be. of: what n counts.
budget: of each training. seconds: of this call, by the wall clock."""
TABLE = "claims.parquet"


def trainings(claims: Sequence[Claim]) -> list[NeededTraining]:
    """What the claims need together, each once."""
    return list({training.name: training for claim in claims for training in claim.trainings}.values())


def settle(system: str, claims: Sequence[Claim], workshop: Workshop) -> Iterator[dict[str, Any]]:
    """One row (SCHEMA) a claim; each is in the workshop's table before the next is measured.

    A training that fails, such as by diverging, or a model that is not there leaves its claims undecided, and is named there.
    """
    for claim in claims:
        began = time.monotonic()
        try:
            measured = claim.measure(workshop)
        except GanauditError as error:
            measured = Measurement.missing(str(error))
        row = {
            "system": system, "claim": claim.name, "statement": claim.statement, "source": claim.source,
            "measured": claim.effect, "effect": measured.effect, "low": measured.low, "high": measured.high, "n": measured.n,
            "of": measured.of, "holds": claim.holds.text(), "verdict": claim.holds.verdict(measured.low, measured.high),
            "seen": measured.seen, "budget": _budgets(claim, workshop), "command": _command(system, claim, workshop),
            "seconds": time.monotonic() - began, "version": __version__,
        }  # fmt: skip
        _keep(row, workshop.folder / TABLE)
        yield row


def _budgets(claim: Claim, workshop: Workshop) -> str:
    given = {workshop.budget(training).options().strip() for training in claim.trainings}
    return ", ".join(sorted(given))


def _command(system: str, claim: Claim, workshop: Workshop) -> str:
    minutes = "" if workshop.minutes is None or not claim.trainings else f" --minutes {workshop.minutes:g}"
    return f"ganaudit claims {system} --only {claim.name}{minutes}"


def _keep(row: dict[str, Any], path: Path) -> None:
    """Adds a row to the table, in place of one of the same claim. Raises RequestError where the file is no such table."""
    paths.made(path.parent)
    with locked(path.parent):
        others = [old for old in _kept(path) if (old["system"], old["claim"]) != (row["system"], row["claim"])]
        table = pa.Table.from_pylist([*others, row], schema=SCHEMA)
        write_whole(path, lambda partial: pq.write_table(table, partial, compression="zstd"), "the trainings stand")


def _kept(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        rows: list[dict[str, Any]] = pq.read_table(path, schema=SCHEMA).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise RequestError(f"{path} is no table of claims ({type(error).__name__}); choose another --out") from None
    return rows
