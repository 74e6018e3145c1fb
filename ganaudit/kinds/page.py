"""The table of kinds and their keys in docs/audit-file.md: `python -m ganaudit.kinds.page docs/audit-file.md`."""

from __future__ import annotations

import sys
from pathlib import Path

from ganaudit import kinds
from ganaudit.datasets.stored import StoredSource
from ganaudit.kinds import OWN, Kind
from ganaudit.options import Origin, ParserPart, Part, Source, TrainedSource, WeightsSource

BEGIN, END = "<!-- kinds: written by `make docs` -->", "<!-- end of kinds -->"
SIDES = {"real": "real", "generators": "generator", "truth": "truth"}


def table() -> str:
    """Every kind that ships, where it may stand, what it is, and its keys."""
    lines = ["| kind | stands at | what it is, and its keys |", "|---|---|---|"]
    shown: dict[str, tuple[Kind, list[str]]] = {}
    for place, words in {"parser": "parser", **SIDES}.items():
        for name in kinds.names_at(place):
            kind = kinds.at(place, name)
            if kinds.is_shipped(kind):
                key = f"{name} {kind.options.__name__}"
                shown.setdefault(key, (kind, []))[1].append(words)
    for kind, places in sorted(shown.values(), key=lambda entry: (entry[1] == ["parser"], entry[0].name == OWN)):
        shared = next((each for each in (WeightsSource, StoredSource) if issubclass(kind.options, each)), TrainedSource)
        known = {*shared.model_fields, *Origin.model_fields}
        lines.append(f"| `{kind.name}` | {', '.join(places)} | {_line(kind.summary + '.', kind.options, known)} |")
    said = "Every family has these keys, so has `module:factory`, and parsers with weights have `sha256`, `bytes` and `url`."
    family = _line(said, WeightsSource, {"step_from"})
    stored = _line("`folder` and every kind of file have these keys.", StoredSource, set())
    return "\n".join([*lines, f"| stored images | real, generator | {stored} |", f"| every family | generator | {family} |"])


def _line(summary: str, options: type[Part], known: set[str]) -> str:
    """The keys of some options that are not known yet, each with its sentence."""
    shared = known | {*Source.model_fields, *ParserPart.model_fields}
    keys = [(name, field) for name, field in options.model_fields.items() if name not in shared]
    keys.sort(key=lambda key: (not key[1].is_required(), key[0] in TrainedSource.model_fields))
    said = [f"`{name}`{' (needed)' * field.is_required()}: {field.description}" for name, field in keys]
    return " ".join([summary, *(f"{sentence.rstrip('.')}." for sentence in said)]).replace("\n", " ")


def written(page: str) -> str:
    """A page with the table between its marks. Raises ValueError where it has none."""
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
