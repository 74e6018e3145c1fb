"""The checkpoints of one training in a run: its distance and its classes over training steps."""

from collections.abc import Sequence
from dataclasses import dataclass

from ganaudit.report.data import Interval, ReportData
from ganaudit.studies.census.section.classes import GREW, LOST, SEVERITY, ClassFinding, class_findings
from ganaudit.studies.census.section.distances import distances

LEAST = 3
"""Checkpoints that make a curve."""
PANELS = 12
"""Classes with a panel of their own."""


@dataclass(frozen=True)
class Step:
    """One checkpoint: its distance, None where it has no findings of that kind."""

    step: int
    generator: str
    plain: float | None
    corrected: Interval


@dataclass(frozen=True)
class ClassStep:
    """The presence of one class at one checkpoint."""

    step: int
    verdict: str
    ratio: Interval


@dataclass(frozen=True)
class ClassCurve:
    """One class over the training."""

    class_id: int
    name: str
    steps: tuple[ClassStep, ...]


@dataclass(frozen=True)
class TrainingCurves:
    """A training with its checkpoints by step, its classes that are shown, the worst at the end first."""

    name: str
    steps: tuple[Step, ...]
    classes: tuple[ClassCurve, ...]
    left_out: int
    """Classes with a verdict of loss or growth at some checkpoint that have no curve here."""

    @property
    def best(self) -> Step | None:
        """The checkpoint that is nearest to the real images by its corrected distance."""
        known = [(step.corrected.value, step.step, step) for step in self.steps if step.corrected.value is not None]
        return min(known)[2] if known else None


def trainings(data: ReportData) -> list[TrainingCurves]:
    """The trainings of which the run has three checkpoints or more, in the order of the audit file."""
    members: dict[str, list[tuple[int, str]]] = {}
    for used in data.sources:
        if used.role == "generated" and used.training is not None and used.training_step is not None:
            members.setdefault(used.training, []).append((used.training_step, used.name))
    known = {distance.generator: distance for distance in distances(data.findings)}
    all_curves = []
    for name, checkpoints in members.items():
        checkpoints = sorted((step, generator) for step, generator in checkpoints if generator in known)
        if len(checkpoints) < LEAST:
            continue
        steps = tuple(
            Step(step, checkpoint, known[checkpoint].plain, known[checkpoint].corrected) for step, checkpoint in checkpoints
        )
        curves = _curves([(step, class_findings(data.findings, checkpoint)) for step, checkpoint in checkpoints])
        all_curves.append(TrainingCurves(name, steps, tuple(curves[:PANELS]), max(0, len(curves) - PANELS)))
    return all_curves


def _curves(checkpoints: Sequence[tuple[int, Sequence[ClassFinding]]]) -> list[ClassCurve]:
    """The classes that some checkpoint loses or adds by presence, by their verdict at the end, then by their ratio there."""
    curves: dict[int, ClassCurve] = {}
    for step, classes in checkpoints:
        for one in classes:
            decided = one.verdict_on("presence")
            if decided is None or (decided.ratio.value is None and decided.verdict == "not testable"):
                continue
            before = curves.get(one.class_id, ClassCurve(one.class_id, one.name, ()))
            after = (*before.steps, ClassStep(step, decided.verdict, decided.ratio))
            curves[one.class_id] = ClassCurve(one.class_id, one.name, after)
    changed = [curve for curve in curves.values() if any(step.verdict in (*LOST, *GREW) for step in curve.steps)]
    return sorted(
        changed, key=lambda curve: (SEVERITY.index(curve.steps[-1].verdict), curve.steps[-1].ratio.value or 0.0, curve.class_id)
    )


def training_words(training: TrainingCurves) -> str:
    """Where the best checkpoint stands, and how far the last is from it."""
    from ganaudit.report import words

    best, last = training.best, training.steps[-1]
    if best is None:
        return f"{words.counted(len(training.steps), 'checkpoint')} of {training.name}; too few images for intervals"
    many = words.counted(len(training.steps), "checkpoint")
    said = f"{many} of {training.name}; the nearest to the real images is step {best.step:,}"
    if best.step == last.step:
        return f"{said}, the last, at FSD {words.distance(best.corrected)}"
    return (
        f"{said}, at FSD {words.distance(best.corrected)}; the last, step {last.step:,}, is at {words.distance(last.corrected)}"
    )
