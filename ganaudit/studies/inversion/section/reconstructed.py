"""An inverted image as a report shows it."""

from collections.abc import Sequence
from dataclasses import dataclass

from ganaudit.report.data import Picture, ReportData


@dataclass(frozen=True, eq=False)
class Reconstructed:
    """An inverted image that is shown for a class. kind: omitted (the photo that loses most of it), recovered, own.

    photo and made: the image and its reconstruction, each with its label map. recall: share of the class's pixels that
    came back.
    """

    generator: str
    class_id: int
    kind: str
    verdict: str
    recall: float
    pixels: int
    photo: Picture
    made: Picture


def reconstructed_of(data: ReportData) -> Sequence[Reconstructed]:
    """Those of a report."""
    shown: Sequence[Reconstructed] = data.kept.get("inversion") or ()
    return shown
