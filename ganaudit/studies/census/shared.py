"""Images that stand twice in a run, by the digests of their pixels: shared by two sources, or repeated within one."""

from __future__ import annotations

from dataclasses import dataclass

from ganaudit import sql
from ganaudit.records import catalog
from ganaudit.records.store import Store
from ganaudit.report import words

_AMONG = {"real": "the real images", "train": "the training photos"}


@dataclass(frozen=True)
class Shared:
    """One source of a run. images: that were read; repeats: those of them that equal an earlier one; shared: (role, source,
    images of this source that are also among that one's), for the real source and that of training photos. clusters: that its
    images were put into; clustered: images in them."""

    role: str
    source: str
    images: int
    repeats: int
    shared: tuple[tuple[str, str, int], ...] = ()
    clusters: int = 0
    clustered: int = 0

    def sentences(self) -> list[str]:
        """What a reader of the findings has to know; nothing where every image stands once."""
        said = []
        for role, other, count in self.shared:
            number = f"All {count:,}" if count == self.images else f"{count:,} of the {self.images:,}"
            is_or_are = "is" if count == 1 else "are"
            said.append(
                f"{number} images of {self.source!r} {is_or_are} also among {_AMONG[role]} {other!r}: they are not independent."
            )
        if self.repeats:
            verb = "is a repeat" if self.repeats == 1 else "are repeats"
            said.append(f"{self.repeats:,} of the {self.images:,} images of {self.source!r} {verb} of others in it.")
        if self.clusters < self.clustered:
            said.append(
                f"{self.clustered:,} of the {self.images:,} images of {self.source!r} are in "
                f"{words.counted(self.clusters, 'cluster')}: "
                "those of one cluster are not independent, and intervals say so."
            )
        return said


def shared(store: Store, run: str) -> list[Shared]:
    """Every source of a run but resized images and truth, real images first. Raises RequestError where there is no such run."""
    by_source: dict[str, Shared] = {}
    with catalog.of_run(store, run) as connection:
        rows = connection.execute(sql.text("shared"), [run]).fetchall()
    for role, source, images, repeats, other, other_role, count, *clusters in rows:
        before = by_source[source].shared if source in by_source else ()
        pair = ((other_role, other, count),) if count else ()
        by_source[source] = Shared(role, source, images, repeats, (*before, *pair), *clusters)
    return list(by_source.values())


def shared_notes(store: Store, run: str) -> list[str]:
    """What those images mean for the findings of a run, in sentences."""
    return [sentence for source in shared(store, run) for sentence in source.sentences()]
