"""The report: one HTML page that needs nothing else. A list of the sections that studies have, between head and recipe."""

import re
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ganaudit import studies
from ganaudit.report import words
from ganaudit.report.data import ReportData
from ganaudit.report.drawing import style
from ganaudit.report.palette import ROLES, class_colour
from ganaudit.report.pictures import encode, thumbnail
from ganaudit.studies.protocol import sections
from ganaudit.studies.section import Part

HERE = Path(__file__).parent
PAGE = 4_800_000
"""Bytes that a page may have: mail servers and archives take it."""
LEAST, MOST = 500_000, 3_000_000
"""Bytes that the pictures of a page may take: what figures and tables leave, within these bounds."""
LISTED = 20
"""Images set aside that are listed one by one."""
STRIP = 6
"""Pictures in the strip beside a generator's name."""


def render(data: ReportData) -> str:
    """The page: self-contained, below 5 MB, in light and dark, for screen and paper."""
    with style():
        views = {study: section.view(data) for study, section in sections().items()}
    taken = sum(view.taken for view in views.values())
    shown = [picture for view in views.values() for picture in view.pictures]
    budget = min(MOST, max(LEAST, PAGE - 300_000 - len(data.audit_yaml) - taken))
    encoded = encode(shown, budget, [picture for view in views.values() for picture in view.bare])
    parts = {study: view.parts(encoded, shown) for study, view in views.items()}
    environment = _environment(tuple(studies.__path__))

    def filled(study: str, part: Part) -> Markup:
        template = environment.get_template(f"{study}/section/{part.template}")
        return Markup(template.render(data=data, **part.values))

    generators = [
        {
            "name": name, "anchor": anchor(place),
            "said": [filled(study, each.top[name]) for study, each in parts.items() if name in each.top],
            "strip": [
                (thumbnail(picture), f"{name}, image {picture.index}")
                for view in views.values() for picture in view.strips.get(name, ())[:STRIP]
            ],
        }
        for place, name in enumerate(data.generators)
    ]  # fmt: skip
    counts = Counter(row.source for row in data.quarantined)
    return environment.get_template("template.html.j2").render(
        data=data, generators=generators,
        parts=[filled(study, part) for study, each in parts.items() for part in each.main]
        + [filled(study, part) for study, each in parts.items() for part in each.further],
        quarantined=data.quarantined[:LISTED],
        quarantine_counts=[f"{source}: {words.counted(count, 'image')}" for source, count in counts.items()],
        exit_meaning=words.EXIT.get(data.exit_status, "unknown"), styles=Markup(_styles()),
        script=Markup((HERE / "sort.js").read_text(encoding="utf-8")),
    )  # fmt: skip


def anchor(place: int) -> str:
    """The id on the page of what is said first of the generator in this place."""
    return f"generator-{place + 1}"


@lru_cache
def _environment(folders: tuple[str, ...]) -> Environment:
    """Kept by a process: to compile its templates takes longer than to fill them. folders: of studies."""
    environment = Environment(
        loader=FileSystemLoader([HERE, *folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=words.number, percent=_kept(words.percent), share=_kept(words.share), distance=_kept(words.distance),
        p=words.p, moment=words.moment, kept=_kept(str), css=_css, slug=_slug,
        capital=lambda text: text[:1].upper() + text[1:],
        hundredth=lambda value: words.share(value).removesuffix(" %"),
        bare=lambda interval: words.percents(interval).replace(" %", ""), spread=words.spread,
    )  # fmt: skip
    environment.globals.update(
        counted=words.counted, duration=words.duration, colour=class_colour, listing=words.listing, chance=words.chance
    )
    return environment


def _kept(text: Any) -> Any:
    """A formatter whose spaces before % and within an interval do not break."""

    def kept(value: Any) -> str:
        return re.sub(r" (?=%)|(?<=\d|%) (?=\[)|(?<=\[)([^\] ]*,) ", _unbroken, text(value))

    return kept


def _unbroken(space: re.Match[str]) -> str:
    return f"{space[1] or ''}\N{NO-BREAK SPACE}"


def _slug(verdict: str) -> str:
    return verdict.replace(" ", "-")


def _css(class_id: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*class_colour(class_id))


def _styles() -> str:
    def variables(which: int) -> str:
        return "".join(f"--{role.replace('_', '-')}:{pair[which]};" for role, pair in ROLES.items())

    sheet = (HERE / "style.css").read_text(encoding="utf-8")
    return f":root{{{variables(0)}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{variables(1)}}}}}\n{sheet}"
