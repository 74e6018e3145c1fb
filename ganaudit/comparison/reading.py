"""What a comparison reads of the records: the moments of sets of images."""

from __future__ import annotations

from ganaudit.comparison.compared import ReadMoments
from ganaudit.comparison.differences import images_of
from ganaudit.records.store import Store
from ganaudit.records.used import UsedSource
from ganaudit.statistics.moments import GroupMoments
from ganaudit.studies.census.known import classes_of
from ganaudit.studies.census.moments import moments_of


def moments_reader(store: Store, parser_key: str) -> ReadMoments:
    """Reads the moments of each set of images once."""
    classes = classes_of(store, parser_key).first_head
    known: dict[tuple[str, int, int], GroupMoments] = {}

    def read(source: UsedSource) -> GroupMoments:
        images = images_of(source)
        if images not in known:
            known[images] = moments_of(store, source, classes)
        return known[images]

    return read
