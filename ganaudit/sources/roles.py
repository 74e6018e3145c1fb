"""What a source is asked for in a run: real, generated, truth (to measure the parser), resized real, held out,
train or own (all three to be inverted)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ganaudit import kinds
from ganaudit.options import Source
from ganaudit.spec import AuditSpec

REAL, GENERATED, TRUTH, RESIZED_REAL, HELDOUT, TRAIN = "real", "generated", "truth", "resized_real", "heldout", "train"
OWN = "own"
"""Samples of a generator from a seed of their own: what a search should be able to find."""

RESIZED_REAL_IMAGES = 4096
"""Real images at most that are resized through a generator's resolution: enough to measure a floor."""


@dataclass(frozen=True)
class SourceRole:
    """One source of an audit file in one role.

    place: of the generator in the audit file, 0 for the other roles. resized_through: short side, in pixels, of the resolution
    that real images are resized to, and back. seed, count: of own samples, which the audit file does not name.
    """

    role: str
    place: int = 0
    resized_through: int | None = None
    seed: int | None = None
    count: int | None = None

    def source(self, spec: AuditSpec) -> Source:
        """What the audit file says about it; resized ones are made of the real images, and so may held-out ones be."""
        if self.role in (GENERATED, OWN):
            return spec.generators[self.place]
        if self.role == TRUTH:
            assert spec.truth is not None
            return spec.truth
        if self.role == TRAIN:
            assert spec.invert is not None and spec.invert.train is not None
            return spec.invert.train
        if self.role == HELDOUT and spec.heldout is not None:
            return spec.heldout
        return spec.real

    def name(self, spec: AuditSpec) -> str:
        """What people call it: in a run, no two are called the same."""
        parted, own = self.role == HELDOUT and spec.heldout is None, self.role == OWN
        if self.resized_through is None and not parted and not own:
            return self.source(spec).name
        further = [source for source in (spec.truth, spec.heldout, spec.train) if source is not None]
        taken = {source.name for source in (spec.real, *spec.generators, *further)}
        name, more = (
            (f"{self.source(spec).name}, own samples", " (own)") if own
            else (f"{spec.real.name}, held out", " (held out)") if parted
            else (f"{spec.real.name} at {self.resized_through} px", " (resized)")
        )  # fmt: skip
        while name in taken:
            name += more
        return name


def named(spec: AuditSpec) -> list[SourceRole]:
    """The sources that the audit file names, real images first."""
    roles = [SourceRole(REAL), *(SourceRole(GENERATED, place) for place in range(len(spec.generators)))]
    if spec.truth is not None and not_measured(spec) is None:
        roles.append(SourceRole(TRUTH))
    if spec.heldout is not None or spec.real.heldout is not None:
        roles.append(SourceRole(HELDOUT))
    if spec.train is not None:
        roles.append(SourceRole(TRAIN))
    return roles


def resized_real(natives: Sequence[int | None], parsed_at: tuple[int, int] | None) -> list[SourceRole]:
    """Real images at each resolution of a generator (natives: short sides, None where unknown) below the one parsed at."""
    if parsed_at is None:
        return []
    smaller = {side for side in natives if side is not None and side < min(parsed_at)}
    return [SourceRole(RESIZED_REAL, resized_through=side) for side in sorted(smaller, reverse=True)]


def not_measured(spec: AuditSpec) -> str | None:
    """Why an audit with a truth measures no parser, in one sentence; None where it does or where it has none."""
    if spec.truth is None or "no images" not in kinds.find("parsers", spec.parser.kind).offers:
        return None
    return (
        f"{spec.truth.name!r} is not used: parser kind {spec.parser.kind!r} takes label maps as true and reads no image, "
        "so it has no error"
    )
