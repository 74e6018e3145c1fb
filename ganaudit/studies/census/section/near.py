"""Near duplicates in words and pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ganaudit.report import words
from ganaudit.report.data import Findings, ReportData, Row, rows
from ganaudit.report.pictures import Encoded
from ganaudit.studies.census.near import BITS
from ganaudit.studies.census.section.kept import kept_of
from ganaudit.studies.census.section.photos import PictureView
from ganaudit.studies.section import Part

FEW = 0.01
"""Share of a source's images with a near duplicate in it up to which intervals hardly change: nothing is said."""
UNLIKELY, MANY = 0.01, 2.0
"""It is said that two sources share images where so many would be this unlikely by chance, and are so many times as many."""


@dataclass(frozen=True, eq=False)
class NearView:
    """Two sources, or one, with the nearest pairs of images."""

    row: Row
    said: str
    pairs: Sequence[tuple[PictureView, PictureView]]


def near_notes(findings: Findings) -> list[str]:
    """What a reader of the findings has to know, in sentences."""
    return [_sentence(row) for row in rows(findings, "near_duplicate_counts") if _is_many(row)]


def _is_many(row: Row) -> bool:
    if row["what"] == "within":
        return bool(row["near_a"] > FEW * row["images_a"])
    return row["p_value"] is not None and row["p_value"] < UNLIKELY and row["near_b"] >= MANY * row["by_chance"]


def _sentence(row: Row) -> str:
    a, b = row["source_a"], row["source_b"]
    if row["what"] == "within":
        return (
            f"{row['near_a']:,} of the {row['images_a']:,} different images of {a!r} are near duplicates of others in it: "
            "where those show one scene, name their `cluster`, or intervals are too narrow."
        )
    return (
        f"{row['near_b']:,} of the {row['images_b']:,} different images of {b!r} are near duplicates of images of {a!r} "
        f"({words.number(row['by_chance'])} by chance): "
        f"{'they are not held out.' if row['what'] == 'leak' else 'were those copied?'}"
    )


def most_surprising(findings: Findings) -> list[Row]:
    """Where there are near duplicates: those between sources that are the least likely first, then those within."""
    found = [row for row in rows(findings, "near_duplicate_counts") if row["pairs"]]
    return sorted(found, key=lambda row: (row["what"] == "within", 1.0 if row["p_value"] is None else row["p_value"]))


def near_views(data: ReportData, encoded: Mapping[int, Encoded]) -> list[NearView]:
    """Sources with near duplicates, the most surprising first."""
    distances = {
        (row["source_a"], row["image_a"], row["source_b"], row["image_b"]): row["distance"]
        for row in rows(data.findings, "near_duplicates")
    }
    shown: dict[tuple[str, str], list[tuple[PictureView, PictureView]]] = {}
    for pair in kept_of(data).near:
        (a, one), (b, other) = pair
        bits = distances.get((a, one.index, b, other.index))
        number = "" if bits is None else f"{bits} bit{'s' if bits != 1 else ''}"
        shown.setdefault((a, b), []).append(
            (
                PictureView(one, encoded[id(one)], f"{a}, image {one.name}", number=number),
                PictureView(other, encoded[id(other)], f"{b}, image {other.name}"),
            )
        )
    return [
        NearView(row, _word(row), shown.get((row["source_a"], row["source_b"]), ())) for row in most_surprising(data.findings)
    ]


def _word(row: Row) -> str:
    return row["what"] if row["what"] == "within" or _is_many(row) else "hardly more than by chance"


def near_part(data: ReportData, encoded: Mapping[int, Encoded]) -> list[Part]:
    """Its piece of the page; none where nothing was looked for."""
    sources = [row for row in rows(data.findings, "near_duplicate_counts") if row["what"] == "within"]
    unhashed = [f"{row['unhashed_a']:,} of {row['source_a']}" for row in sources if row["unhashed_a"]]
    if not sources:
        return []
    return [Part("near.html.j2", {"near": near_views(data, encoded), "bits": BITS, "unhashed": unhashed})]
