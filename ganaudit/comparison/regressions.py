"""What is worse in a run than in an accepted one, by the verdicts of both and by what the audit file accepts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganaudit.errors import RequestError

OMISSIONS = ("reduced", "dropped")
"""From bad to worse: who fails on reduced fails on dropped as well."""

FARTHER = "farther"
"""The corrected distance is larger than the baseline's beyond doubt."""

UNEXPECTED = "unexpected"
"""A published value under `expect` is not met."""

WORDS = (*reversed(OMISSIONS), "increased", "invented", FARTHER, UNEXPECTED)
SETTLED = ("equivalent", "increased", "reduced")

Accepted = Mapping[str, Sequence[str]]
"""Generator → classes (or groups) whose omission is known."""


@dataclass(frozen=True)
class VerdictRow:
    """One row of a table of verdicts. what: the class or group, and in which slice."""

    generator: str
    name: str
    measure: str
    verdict: str
    ratio: float | None
    low: float | None
    high: float | None
    group: bool = False
    slice: str | None = None

    @property
    def place(self) -> tuple[str, str, str, bool, str | None]:
        """What the same row of another run is found by."""
        return self.generator, self.name, self.measure, self.group, self.slice

    @property
    def what(self) -> str:
        return self.name + (" (group)" if self.group else "") + ("" if self.slice is None else f", in {self.slice}")


@dataclass(frozen=True)
class VerdictChange:
    """A verdict and what it was in the baseline; before: None where there is no baseline, or not this row."""

    now: VerdictRow
    before: VerdictRow | None = None


@dataclass(frozen=True)
class Judged:
    """regressed: what --fail-on names; worse: all that is worse than in the baseline, those among it; accepted: what would
    be worse, but is known; better: an omission that is less or gone, beyond doubt; open: an omission of the baseline that is
    now neither shown nor excluded."""

    regressed: tuple[VerdictChange, ...] = ()
    worse: tuple[VerdictChange, ...] = ()
    accepted: tuple[VerdictChange, ...] = ()
    better: tuple[VerdictChange, ...] = ()
    open: tuple[VerdictChange, ...] = ()


def fail_on(text: str | None) -> tuple[str, ...]:
    """The words of `--fail-on dropped,increased`. Raises RequestError for one that is no verdict to fail on."""
    words = [word.strip() for word in (text or "").split(",") if word.strip()]
    if text is not None and not words:
        raise RequestError(f"--fail-on names nothing; it takes {', '.join(WORDS)}, with commas between")
    for word in words:
        if word not in WORDS:
            near = difflib.get_close_matches(word, WORDS, n=1)
            guess = f"; did you mean {near[0]!r}? There" if near else "; there"
            raise RequestError(f"--fail-on {word!r} is no verdict to fail on{guess} are: {', '.join(WORDS)}")
    return tuple(dict.fromkeys(words))


def verdicts(tables: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[VerdictRow]:
    """The rows of the findings dropped_classes, dropped_groups and dropped_in_slices."""
    rows = [(row, row["class"], False) for row in tables.get("dropped_classes", ())]
    rows += [(row, row["group"], True) for row in tables.get("dropped_groups", ())]
    rows += [(row, row["class"], False) for row in tables.get("dropped_in_slices", ())]
    return [
        VerdictRow(
            row["generator"], name, row["measure"], row["verdict"], row["ratio"], row["ratio_low"], row["ratio_high"], group,
            row.get("slice"),
        )
        for row, name, group in rows
    ]  # fmt: skip


def judge(
    now: Sequence[VerdictRow],
    before: Sequence[VerdictRow] | None,
    words: Sequence[str],
    accept: Accepted | None = None,
    reduced: float = 0.8,
) -> Judged:
    """What the words to fail on say of a run's verdicts.

    before: the baseline's verdicts; a verdict counts when it is worse than there (reduced < dropped), or is not there at
    all. None: there is no baseline, and every verdict counts. A generator that the baseline lacks is compared with nothing.
    reduced: the ratio below which a class is reduced; an omission whose interval now lies above it is gone beyond doubt.
    """
    known = {row.place: row for row in before or ()}
    changes = [VerdictChange(row, known.get(row.place)) for row in now]
    counted = [change for change in changes if _meets(change.now, words) and _worse(change)]
    eased = [change for change in changes if change not in counted and _eased(change)]
    worse = [change for change in changes if _meets(change.now, WORDS) and _worse(change) and change not in eased]
    shown = counted if before is None else worse
    excused = [change for change in shown if change.now.name in (accept or {}).get(change.now.generator, ())]
    better = [
        change
        for change in eased
        if change.now.verdict in SETTLED or (change.now.low is not None and change.now.low >= reduced)
    ]
    return Judged(
        tuple(change for change in counted if change not in excused),
        tuple(change for change in shown if change not in excused), tuple(excused), tuple(better),
        tuple(change for change in eased if change not in better),
    )  # fmt: skip


def needless(now: Sequence[VerdictRow], accept: Accepted) -> list[tuple[str, str]]:
    """(generator, class) that the audit file accepts although the class is there as often as it should be, beyond doubt."""
    unused = []
    for generator, names in accept.items():
        for name in names:
            said = {row.verdict for row in now if (row.generator, row.name) == (generator, name)}
            if said and said <= {"equivalent", "increased"}:
                unused.append((generator, name))
    return unused


def _eased(change: VerdictChange) -> bool:
    return change.before is not None and _severity(change.before) > _severity(change.now)


def _severity(row: VerdictRow) -> int:
    return 1 + OMISSIONS.index(row.verdict) if row.verdict in OMISSIONS else 0


def _meets(row: VerdictRow, words: Sequence[str]) -> bool:
    harder = OMISSIONS[: _severity(row)]
    return row.verdict in words or any(word in harder for word in words)


def _worse(change: VerdictChange) -> bool:
    if change.before is None:
        return True
    if _severity(change.now):
        return _severity(change.now) > _severity(change.before)
    return change.now.verdict != change.before.verdict
