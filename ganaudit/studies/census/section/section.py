"""The section of class statistics: verdicts on classes, and the distance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ganaudit.names import first_few
from ganaudit.records import catalog
from ganaudit.records.store import Store
from ganaudit.records.used import sources_of
from ganaudit.report import words
from ganaudit.report.data import Findings, ReportData, generators
from ganaudit.report.drawing import DrawnFigure, file_name
from ganaudit.spec import AuditSpec, Decide
from ganaudit.studies.census import pictures, precision
from ganaudit.studies.census.classes import empty_slices
from ganaudit.studies.census.section.agreement import agreement_blocks
from ganaudit.studies.census.section.area_figure import area_figure
from ganaudit.studies.census.section.classes import GREW, LOST, class_findings, largest, with_verdict, worst_first
from ganaudit.studies.census.section.distance_figures import fsd_figure, parts_figure
from ganaudit.studies.census.section.distances import curve, distances, named_pairs, shares
from ganaudit.studies.census.section.expected import expectations, expected_words
from ganaudit.studies.census.section.forest import forest_figure
from ganaudit.studies.census.section.kept import Kept, kept_of
from ganaudit.studies.census.section.near import near_notes
from ganaudit.studies.census.section.samples_figure import samples_figure
from ganaudit.studies.census.section.sentences import (
    adjusted_words,
    bias_words,
    headline,
    pair_words,
    permutation_words,
    rank_words,
    verdict_lines,
)
from ganaudit.studies.census.section.training import trainings
from ganaudit.studies.census.section.training_figure import training_figure
from ganaudit.studies.census.section.view import view
from ganaudit.studies.census.shared import shared_notes
from ganaudit.studies.section import Block, Section, Table, Text, View

NAMED = 6
"""Classes of one verdict that are named at a glance before the rest is counted."""


class CensusSection(Section):
    """See `Section`."""

    columns = (*LOST, *GREW, "FSD corrected")

    def notes(self, store: Store, run: str, spec: AuditSpec | None, findings: Findings) -> Sequence[str]:
        notes = [*shared_notes(store, run), *near_notes(findings)]
        if known := distances(findings):
            decide = Decide() if spec is None else spec.decide
            notes += filter(None, [permutation_words(known[0].tests, known[0].permutations, decide.alpha)])
        if spec is not None and spec.slices and "dropped_in_slices" in findings:
            rows = findings["dropped_in_slices"].select(["generator", "slice"]).to_pylist()
            judged = {(row["generator"], row["slice"]) for row in rows}
            with catalog.of_run(store, run) as connection:
                notes += empty_slices(connection, run, spec.slices, judged)
        return notes

    def kept(self, store: Store, run: str, findings: Findings) -> Kept:
        effects = (precision.recorded(store, source.parser_key) for source in sources_of(store, run)[:1])
        return replace(pictures.load(store, run), precision=next((each.sentence() for each in effects if each), ""))

    def view(self, data: ReportData) -> View:
        return view(data)

    def generator_figures(self, data: ReportData, generator: str) -> Iterator[tuple[str, DrawnFigure]]:
        """`forest-NAME` (presence, size and area with verdicts), `classes-NAME` (the paper's figure) and `parts-NAME` (its
        distance over the number of images and by class)."""
        classes, name = class_findings(data.findings, generator), file_name(generator)
        if (telling := worst_first(classes)).rows:
            yield f"forest-{name}", forest_figure(telling, generator, data.decide, data.sigmas, title=True)
        if (shown := largest(classes)).rows:
            yield f"classes-{name}", area_figure(shown, generator, data.sigmas, title=True)
        points, parts = curve(data.findings, generator), shares(data.findings, generator)
        if len(points) > 1 or parts:
            yield f"parts-{name}", parts_figure(points, parts, generator, title=True)

    def figures(self, data: ReportData) -> Iterator[tuple[str, DrawnFigure]]:
        """`fsd`, `training-NAME` for each training with three checkpoints or more, and `samples-NAME` for each source."""
        if known := distances(data.findings):
            yield "fsd", fsd_figure(known)
        for training in trainings(data):
            yield f"training-{file_name(training.name)}", training_figure(training, data.decide, title=True)
        for samples in kept_of(data).samples:
            if samples.pictures:
                yield f"samples-{file_name(samples.source)}", samples_figure(samples)

    def headline(self, findings: Findings, generator: str) -> str:
        return headline(findings, generator)

    def cells(self, findings: Findings, generator: str) -> Sequence[str]:
        classes = [each for each in class_findings(findings, generator) if not each.absent]
        corrected = {row.generator: words.distance(row.corrected) for row in distances(findings)}
        names = [[each.name for each in with_verdict(classes, verdict)] for verdict in (*LOST, *GREW)]
        return [*map(_few, names), corrected.get(generator, words.NOTHING)]

    def table(self, findings: Findings) -> Sequence[Mapping[str, str]]:
        """Verdicts of loss and growth, the distance with its interval and floor, and its adjusted p-value."""
        rows = []
        for row in distances(findings):
            lines = verdict_lines(findings, row.generator)
            by_verdict = {
                verdict: "; ".join(line.plain for line in lines if line.verdict == verdict) for verdict in (*LOST, *GREW)
            }
            rows.append({
                "generator": row.generator, **by_verdict, "FSD": words.distance(row.corrected),
                "floor": words.number(row.floor), "p": words.permuted(row.q_value, row.permutations, row.tests),
            })  # fmt: skip
        return rows

    def summary(self, findings: Findings) -> Iterable[Block]:
        """Of each generator how many classes got which verdict, then a line for each of which there is more to say."""
        for generator in generators(findings):
            lines = verdict_lines(findings, generator)
            yield [
                Text(f"{generator} {headline(findings, generator)}."),
                *(Text(f"  {line.verdict:<12}  {line.plain}", 16) for line in lines),
            ]

    def details(self, findings: Findings) -> Iterable[Block]:
        """The distances, with a word of warning where one is mostly bias, and which generator is nearer."""
        known = distances(findings)
        rows = [
            {
                **({"rank": rank_words(row)} if len(known) > 1 else {}), "generator": row.generator,
                "images": f"{row.generated_images:,}", "FSD corrected": words.distance(row.corrected),
                "plain": words.number(row.plain, 3), "floor at this N": words.number(row.floor),
                "resolution floor": words.number(row.resolution_floor),
                "p": words.permuted(row.q_value, row.permutations, row.tests),
            }
            for row in known
        ]  # fmt: skip
        biased = [(row.generator, bias_words(row)) for row in known if row.mostly_bias]
        named, alike = named_pairs(findings)
        yield [
            Table(rows, "no generator has findings"),
            *([Text(f"{said}.")] if (said := adjusted_words(known)) else []),
            *(Text(f"{generator}: {said[:1].lower()}{said[1:]}") for generator, said in biased),
            *(Text(f"{pair_words(pair)}.") for pair in named),
            *([Text(alike)] if alike else []),
        ]
        yield from agreement_blocks(findings)
        if expected := expectations(findings):
            yield [Table([
                {"": one.verdict, "generator": one.generator, "figure": one.what, "published": one.said, "measured": one.found}
                for one in expected
            ], ""), Text(f"{expected_words(expected)}.")]  # fmt: skip


def _few(names: Sequence[str]) -> str:
    return first_few(names, NAMED) or words.NOTHING
