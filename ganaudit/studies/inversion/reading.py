"""The records of one way in which one list of images was inverted, read once, and the class areas in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganaudit.records.columns import Table
from ganaudit.records.schema import OK
from ganaudit.records.store import Store
from ganaudit.records.tables import SOURCES
from ganaudit.studies.inversion.record_tables import INVERSION_CLASSES, INVERSION_CONFUSION, INVERSIONS
from ganaudit.studies.inversion.settings import HELDOUT, OWN, SearchSetting
from ganaudit.studies.inversion.verdicts import ClassInPhoto, Rules, seen

Row = dict[str, Any]
Pairs = Sequence[tuple[int, int, int]]
"""(class in the image, class in the reconstruction, pixels)."""
READ = (
    "image", "weight", "layer", "ratio", "evidential", "start", "status", "mse", "psnr", "ssim", "lpips", "generator_key",
)  # fmt: skip
PAIR = ("image", "target_class", "reconstruction_class", "pixels")


@dataclass(frozen=True)
class ClassInImage:
    """One class in one inverted image whose search came to an end."""

    image: int
    weight: float
    seen: ClassInPhoto


@dataclass(frozen=True)
class InvertedList:
    """A setting's records. images: rows of `inversions`; confusion: by image; classes: rows of `inversion_classes`."""

    setting: SearchSetting
    images: Sequence[Row]
    confusion: Mapping[int, Pairs]
    classes: Sequence[Row]

    @property
    def layer(self) -> str:
        return str(self.images[0]["layer"])

    @property
    def ended(self) -> list[Row]:
        """The images whose search was not set aside."""
        return [row for row in self.images if row["status"] == OK]

    def parts(self, least: int = Rules.least_pixels) -> dict[int, list[ClassInImage]]:
        """By class but void, in the order of images: where an image holds at least so many pixels of it."""
        by_class: dict[int, list[ClassInImage]] = {}
        for row in self.ended:
            for number, area in seen(self.confusion.get(row["image"], ())).items():
                if number > 0 and area.target >= least:
                    by_class.setdefault(number, []).append(ClassInImage(row["image"], row["weight"], area))
        return dict(sorted(by_class.items()))

    def contrasts(self) -> dict[tuple[int, int], float]:
        """By (image, class), where the class stands out from what is around it at all."""
        return {(row["image"], row["class_id"]): row["contrast"] for row in self.classes if row["contrast"] is not None}

    def collapsed(self, rules: Rules) -> set[tuple[int, int]]:
        """(image, class) where the parser is far less sure of what it sees inside the mask than it was in the image."""
        return {
            (row["image"], row["class_id"])
            for row in self.classes
            if row["confidence"] is not None and row["confidence"] < rules.sure * row["target_confidence"]
        }


@dataclass(frozen=True)
class InvertedGenerator:
    """Everything that was inverted in one generator. resolution: of its images, None where it is not known."""

    name: str
    resolution: int | None
    inverted: Sequence[InvertedList]

    @property
    def plain(self) -> list[InvertedList]:
        """All but the mask-weighted searches."""
        return [inverted for inverted in self.inverted if inverted.setting.weighted_class is None]

    def like(self, inverted: InvertedList, sample: str) -> InvertedList | None:
        """What was inverted as another one was, of this generator or another: by the same method, as hard."""
        wanted = (sample, inverted.setting.method, inverted.setting.factor)
        return next((o for o in self.plain if (o.setting.sample, o.setting.method, o.setting.factor) == wanted), None)

    def heldout(self) -> list[tuple[InvertedList, InvertedList | None]]:
        """Every way in which photos were inverted, with the own samples that were inverted in the same way."""
        return [(inverted, self.like(inverted, OWN)) for inverted in self.plain if inverted.setting.sample == HELDOUT]


def read_generator(store: Store, name: str, settings: Sequence[SearchSetting]) -> InvertedGenerator:
    """Reads all settings of a generator that hold any image."""
    lists = [read_inverted(store, setting) for setting in settings if setting.images]
    return InvertedGenerator(name, _resolution(store, lists[0].images[0]["generator_key"]) if lists else None, lists)


def _resolution(store: Store, key: str) -> int | None:
    """The resolution of a generator, from the recorded source."""
    path = store.source(key)
    if not path.exists():
        return None
    sides: list[int | None] = store.read(SOURCES, path, ("resolution",))["resolution"].to_pylist()
    return sides[0] if sides else None


def read_inverted(store: Store, setting: SearchSetting) -> InvertedList:
    def rows(table: Table, columns: Sequence[str]) -> list[Row]:
        return [row for block in blocks_of(store, setting) for row in _block(store, table, setting, block, columns)]

    confusion: dict[int, list[tuple[int, int, int]]] = {}
    for image, *pair in map(_pair, rows(INVERSION_CONFUSION, PAIR)):
        confusion.setdefault(image, []).append((pair[0], pair[1], pair[2]))
    return InvertedList(setting, rows(INVERSIONS, READ), confusion, rows(INVERSION_CLASSES, INVERSION_CLASSES.arrow.names))


def blocks_of(store: Store, setting: SearchSetting) -> list[tuple[int, int]]:
    """The shards of a setting's records, in order."""
    return sorted(store.finished_blocks(setting.key, INVERSIONS.name))


def recalls_by_class(
    store: Store, setting: SearchSetting, images: Sequence[int], least: int
) -> dict[int, list[tuple[int, float]]]:  # fmt: skip
    """By class but void: (place, recall) of each image, in order, whose search came to an end and that holds at least so many
    pixels of it. images: those of the setting's list, by place. Reads shard by shard."""
    places = {image: place for place, image in enumerate(images)}
    recalls: dict[int, list[tuple[int, float]]] = {}
    for block in blocks_of(store, setting):
        by_image: dict[int, list[tuple[int, int, int]]] = {}
        for image, *pair in map(_pair, _block(store, INVERSION_CONFUSION, setting, block, PAIR)):
            by_image.setdefault(image, []).append((pair[0], pair[1], pair[2]))
        for image, pairs in sorted(by_image.items()):
            for number, area in seen(pairs).items():
                if number > 0 and area.target >= least:
                    recalls.setdefault(number, []).append((places[image], area.recall))
    return recalls


def _block(
    store: Store, table: Table, setting: SearchSetting, block: tuple[int, int], columns: Sequence[str]
) -> list[Row]:  # fmt: skip
    rows: list[Row] = store.read_block(table, setting.key, block, columns).to_pylist()
    return rows


def _pair(row: Row) -> tuple[int, int, int, int]:
    return row["image"], row["target_class"], row["reconstruction_class"], row["pixels"]


def named(run: str, generator: InvertedGenerator, inverted: InvertedList) -> Row:
    """The columns that say which finding a row is."""
    return {
        "run": run, "generator": generator.name, "method": inverted.setting.method, "layer": inverted.layer,
        "penalty_factor": inverted.setting.factor,
    }  # fmt: skip
