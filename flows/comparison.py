"""Runs compared, and the comparison as text for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flows.terminal import table_text, wrapped
from ganaudit.comparison.choosing import BEST, against_one, chosen, last_against_best
from ganaudit.comparison.compared import Compared, ComparedDifference, compared
from ganaudit.comparison.reading import moments_reader
from ganaudit.comparison.regressions import FARTHER, UNEXPECTED, VerdictChange, VerdictRow, fail_on
from ganaudit.errors import RequestError
from ganaudit.records import leases
from ganaudit.records.store import Store
from ganaudit.report.words import number, worth_a_line
from ganaudit.statistics.comparison import A_NEARER, B_NEARER

PLAIN = ("equivalent", "inconclusive", "not testable")
"""Verdicts that are not worth a row where generators stand side by side."""

NOTHING = "-"

Namer = Callable[[str, str], str]
"""What a generator of a run is called: (run, generator) → name."""


def compare_runs(store: Store, runs: Sequence[str], baseline: str | None, words: str | None) -> Compared:
    """The runs of a store, compared: each RUN, AUDIT, or one of these and a generator or training of it (RUN:NAME).

    baseline: likewise; or `best`, which compares the last checkpoint of each training with the best before it. Raises
    RequestError in one sentence where that cannot be. Nothing is pruned meanwhile.
    """
    with leases.reading(store):
        return _compared(store, runs, baseline, words)


def _compared(store: Store, runs: Sequence[str], baseline: str | None, words: str | None) -> Compared:
    failing = fail_on(words)
    asked = [chosen(store, run) for run in dict.fromkeys(runs)]
    accepted, notes = None, list[str]()
    if baseline == BEST:
        if len(asked) > 1:
            raise RequestError(f"--baseline {BEST} is about the checkpoints of one run; name one, not {len(asked)}")
        last, accepted, notes = last_against_best(asked[0])
        asked = [last]
    elif baseline is not None:
        accepted = chosen(store, baseline)
        if accepted.run.partition(":")[2] and len(accepted.generators) == 1:
            accepted = against_one(accepted, asked)
    answer = compared(asked, accepted, failing, moments_reader(store, asked[0].real.parser_key))
    return replace(answer, notes=(*answer.notes, *notes))


def compared_text(comparison: Compared, width: int = 0) -> str:
    """The comparison for people; notes are wrapped at `width`."""
    parts = list(_against_baseline(comparison) if comparison.baseline else _side_by_side(comparison))
    parts += [wrapped(f"Note: {note}.", width) for note in comparison.notes]
    if comparison.fail_on:
        parts.append(_result(comparison))
    return "\n\n".join(part.rstrip("\n") for part in parts)


def gate_text(comparison: Compared) -> str:
    """What meets --fail-on, and whether anything does."""
    return "\n\n".join(part.rstrip("\n") for part in (*_judged(comparison, ""), _result(comparison)))


def _side_by_side(comparison: Compared) -> Iterable[str]:
    name = _names(comparison)
    rows = [
        {
            "generator": name(one.run, one.generator), "images": f"{one.generated_images:,}",
            "corrected FSD": _interval(one.corrected, one.corrected_low, one.corrected_high), "FSD": number(one.fsd),
            "place": _place(one.rank, one.rank_low, one.rank_high),
        }
        for one in sorted(comparison.distances, key=lambda distance: (distance.rank is None, distance.rank))
    ]  # fmt: skip
    yield table_text(rows, "no generator has findings")
    if comparison.differences:
        named, alike = worth_a_line(comparison.differences, lambda gap: gap.verdict in (A_NEARER, B_NEARER))
        yield "\n".join([*(_sentence(difference, name) for difference in named), *([alike] if alike else [])])
    yield _verdict_table(comparison, name)
    if comparison.fail_on:
        yield from _judged(comparison, "")


def _against_baseline(comparison: Compared) -> Iterable[str]:
    yield f"Against the baseline {comparison.baseline}:"
    yield from _judged(comparison, " than in the baseline")
    rows = [
        {
            **_run_column(comparison, difference.run_a), "generator": difference.generator_a,
            "corrected FSD": number(_corrected(comparison, difference.run_a, difference.generator_a)),
            "in the baseline": number(_corrected(comparison, difference.run_b, difference.generator_b)),
            "difference": _interval(difference.difference, difference.low, difference.high),
            "verdict": {A_NEARER: "nearer", B_NEARER: "farther"}.get(difference.verdict, difference.verdict),
            "real images": "shared" if difference.shared_real else "independent",
        }
        for difference in comparison.differences
    ]  # fmt: skip
    yield table_text(rows, "no generator is in both runs")


def _judged(comparison: Compared, than: str) -> Iterable[str]:
    verdicts = [word for word in comparison.fail_on if word not in (FARTHER, UNEXPECTED)]
    titles = {
        "worse": f"Worse{than}" if than else f"Found {_list(verdicts)}",
        "accepted": "The same, but accepted in the audit file",
        "better": f"Better{than}",
        "open": "Omitted in the baseline, now neither shown nor excluded",
    }
    for part, title in titles.items():
        changes = [(run, change, judged) for run, judged in comparison.judged for change in getattr(judged, part)]
        rows = [_change(comparison, run, change) for run, change, _ in changes]
        if part == "worse" and than:
            rows += [_farther(comparison, change) for change in comparison.farther]
            if comparison.fail_on:
                gates = [change in judged.regressed for _, change, judged in changes]
                gates += [FARTHER in comparison.fail_on] * len(comparison.farther)
                rows = [{**row, "gates": "yes" if met else "no"} for row, met in zip(rows, gates, strict=True)]
        if rows:
            yield f"{title}:\n" + table_text(rows, "")
        elif part == "worse" and (than or verdicts):
            yield f"Nothing is worse{than}." if than else f"Nothing is {_list(verdicts)}."
    if UNEXPECTED in comparison.fail_on and comparison.unexpected:
        yield f"Not as published{', other than in the baseline' if than else ''}:\n" + table_text(
            [_expected(comparison, run, row) for run, row in comparison.unexpected], ""
        )


def _change(comparison: Compared, run: str, change: VerdictChange) -> dict[str, Any]:
    was = {} if comparison.baseline is None else {"was": "not there" if change.before is None else change.before.verdict}
    return {
        **_run_column(comparison, run), "generator": change.now.generator, "class": change.now.what,
        "measure": change.now.measure, **was, "is": change.now.verdict, "of the real images'": _ratio(change.now),
    }  # fmt: skip


def _expected(comparison: Compared, run: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_run_column(comparison, run), "generator": row["generator"], "class": row["class"] or "all", "figure": row["figure"],
        "expected": number(row["expected"]),
        "measured": _interval(row["measured"], row["measured_low"], row["measured_high"]), "source": row["source"],
    }  # fmt: skip


def _farther(comparison: Compared, difference: ComparedDifference) -> dict[str, Any]:
    """A generator that is farther than in the baseline, in the columns of a change."""
    return {
        **_run_column(comparison, difference.run_a),
        "generator": difference.generator_a,
        "class": "all",
        "measure": "corrected FSD",
        "was": number(_corrected(comparison, difference.run_b, difference.generator_b)),
        "is": FARTHER,
        "of the real images'": f"+{_interval(difference.difference, difference.low, difference.high)}",
    }


def _verdict_table(comparison: Compared, name: Namer) -> str:
    """Classes in rows, generators in columns: the presence ratio and its verdict, where any says something."""
    columns = [name(distance.run, distance.generator) for distance in comparison.distances]
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for run, row in comparison.verdicts:
        if any(r.verdict not in PLAIN for _, r in comparison.verdicts if (r.what, r.measure) == (row.what, row.measure)):
            cells.setdefault((row.what, row.measure), {})[name(run, row.generator)] = f"{_ratio(row)} {row.verdict}"
    rows = [
        {"class": what, "measure": measure, **{column: row.get(column, NOTHING) for column in columns}}
        for (what, measure), row in cells.items()
    ]
    return table_text(rows, "No class is dropped, reduced, increased or invented by any of them, beyond doubt.")


def _sentence(gap: ComparedDifference, name: Namer) -> str:
    a, b = name(gap.run_a, gap.generator_a), name(gap.run_b, gap.generator_b)
    if gap.difference is None or gap.low is None or gap.high is None:
        return f"{a} and {b} cannot be told apart: there are too few images."
    p = f"p {number(gap.p_value)} (Holm), {'the same' if gap.shared_real else 'independent'} real images"
    if gap.verdict == A_NEARER:
        return f"{a} is nearer to the real images than {b}, by {_interval(-gap.difference, -gap.high, -gap.low)}, {p}."
    if gap.verdict == B_NEARER:
        return f"{b} is nearer to the real images than {a}, by {_interval(gap.difference, gap.low, gap.high)}, {p}."
    return f"{a} and {b} cannot be told apart at these numbers of images: {_interval(gap.difference, gap.low, gap.high)}, {p}."


def _result(comparison: Compared) -> str:
    failed = comparison.found
    words = f"--fail-on {','.join(comparison.fail_on)}"
    return f"{words} is met: {failed} finding{'s' if failed > 1 else ''}." if comparison.regressed else f"{words} is not met."


def _corrected(comparison: Compared, run: str, generator: str) -> float | None:
    return next(
        distance.corrected for distance in comparison.distances if (distance.run, distance.generator) == (run, generator)
    )


def _names(comparison: Compared) -> Namer:
    """How a generator is called: by its name, and by its run where several runs are compared."""
    if len({_base(run) for run in comparison.runs}) == 1:
        return lambda run, generator: generator
    return lambda run, generator: f"{generator} ({_base(run)})"


def _base(run: str) -> str:
    """A run without the generator or training that was chosen of it."""
    return run.partition(":")[0]


def _run_column(comparison: Compared, run: str) -> dict[str, str]:
    return {} if len(comparison.runs) == 1 else {"run": _base(run)}


def _place(rank: int | None, low: int | None, high: int | None) -> str:
    if rank is None:
        return NOTHING
    return str(rank) if low == high else f"{rank} ({low}-{high})"


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    return NOTHING if value is None else f"{number(value)} [{number(low)}, {number(high)}]"


def _ratio(row: VerdictRow) -> str:
    """A ratio as percent: 37 % [31, 44]."""
    if row.ratio is None:
        return NOTHING
    low, high = (NOTHING if end is None else number(100 * end) for end in (row.low, row.high))
    return f"{number(100 * row.ratio)} % [{low}, {high}]"


def _list(words: Sequence[str]) -> str:
    return " or ".join(words)
