"""The audit file, loaded. A wrong file gets one error that lists every mistake with its key path."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ganaudit import kinds
from ganaudit.errors import RequestError
from ganaudit.kinds.mistakes import nearest
from ganaudit.paths import request, resolved, shown
from ganaudit.spec import document
from ganaudit.spec.checkpoints import expanded
from ganaudit.spec.models import AuditSpec


def load(path: Path | str, store: Path | str | None = None) -> AuditSpec:
    """The audit file at `path`; `store` replaces its own. Raises RequestError listing every mistake."""
    path = request(path, "audit file")
    data = document.read(path)
    data.setdefault("folder", str(resolved(path, "audit file").parent))
    spec = parse(data, str(path))
    return spec if store is None else with_store(spec, store)


def with_store(spec: AuditSpec, store: Path | str) -> AuditSpec:
    """`spec` with its records in `store` (from the current folder where that is relative)."""
    return spec.model_copy(update={"store": resolved(request(store, "the store"), "the store")})


def parse(data: Mapping[str, Any], where: str = "the audit") -> AuditSpec:
    """The spec of a mapping such as an audit file's. Raises RequestError listing every mistake with its key path."""
    whole, places, wrong = expanded(data)
    models: dict[str, list[str]] = {}
    try:
        spec = AuditSpec.model_validate(whole)
        wrong += _missing_files(spec)
        if not wrong:
            return spec
    except ValidationError as error:
        details = error.errors()
        if len(details) > 1:  # a list of which no entry is valid is not too short
            details = [detail for detail in details if detail["type"] != "too_short"] or details
        for detail in details:
            valid = _keys(whole, detail["loc"]) if detail["type"] == "extra_forbidden" else []
            path, message = _mistake(_in_the_file(dict(detail), places), valid)
            if message not in models.setdefault(path, []):
                models[path].append(message)
    for path, message in wrong:
        models.setdefault(path, []).append(message)
    lines = [f"{path}: {', or '.join(messages)}".lstrip(": ") for path, messages in models.items()]
    heading = f"{where} has {len(lines)} mistake{'s' if len(lines) > 1 else ''}:"
    raise RequestError("\n".join([heading, *(f"  {line}" for line in lines)])) from None


def _missing_files(spec: AuditSpec) -> list[tuple[str, str]]:
    """Files that are opened late, after hours perhaps, and can be looked for now."""
    weights = spec.invert.perceptual_weights if spec.invert is not None else None
    if weights is None or spec.path(weights).is_file():
        return []
    return [("invert.perceptual_weights", f"there is no file {spec.path(weights)}")]


def _in_the_file(detail: dict[str, Any], places: Sequence[int]) -> dict[str, Any]:
    """The mistake with a generator's place in the audit file: of a pattern, every file's is the same."""
    loc = detail["loc"]
    if len(loc) > 1 and loc[0] == "generators" and isinstance(loc[1], int) and loc[1] < len(places):
        return {**detail, "loc": (loc[0], places[loc[1]], *loc[2:])}
    return detail


def _mistake(detail: dict[str, Any], valid: Sequence[str]) -> tuple[str, str]:
    """Key path, and what is wrong; of an unknown key, with the nearest of the valid ones."""
    keys = [key for key in detail["loc"] if not _BRANCH.match(str(key))]
    path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
    kind, message = detail["type"], detail["msg"]
    if kind == "extra_forbidden":
        return path, f"unknown key{nearest(str(keys[-1]), valid)}"
    if kind == "invalid_key":
        return path, f"a key is a word, not {_word(detail['input'])}; write it in quotes where it is meant"
    if kind == "missing":
        return path, "missing"
    plain = message.removeprefix("Value error, ").replace("tuple", "list").replace("dictionary", "mapping")
    return path, plain + _as_read(kind, detail.get("input"))


def _as_read(kind: str, value: Any) -> str:
    """What YAML made of an unquoted value, where a text was meant; a short value that is no number, where one was."""
    if kind in ("string_type", "path_type") and not isinstance(value, Mapping | list | tuple):
        if value is None:
            return "; it has no value (for the word itself, write it in quotes)"
        return f"; it was read as {_word(value)}, so write it in quotes where it is a text"
    if kind in ("int_parsing", "float_parsing", "int_from_float", "int_type", "float_type", "literal_error", "finite_number"):
        return f"; it was read as {_word(value)}"
    return ""


def _word(value: Any) -> str:
    """A value with the type that YAML gave it."""
    kinds = {int: "the number", float: "the number", str: "the text"}
    kinds |= {date: "the date", datetime: "the time", list: "a list", dict: "a mapping", tuple: "a list"}
    kind = kinds.get(type(value), type(value).__name__)
    if isinstance(value, bool):
        return "the yes-or-no value " + str(value).lower()
    if value is None:
        return "nothing"
    if isinstance(value, list | dict | tuple):
        return kind
    return f"{kind} {shown(value) if isinstance(value, str) else shown(str(value))[1:-1]}"


_BRANCH = re.compile(r"constrained-|function-|literal\[|tuple\[|list\[|dict\[|int$|float$|str$|\[key\]")
"""What pydantic puts into a place to say which of several types it tried."""


def _keys(whole: Any, loc: Sequence[int | str]) -> list[str]:
    """The valid keys at the place of an unknown one: those of the part there, or of its kind."""
    model: type[BaseModel] = AuditSpec
    place: str | None = None
    value: Any = whole
    for key in loc[:-1]:
        value = value.get(key) if isinstance(value, Mapping) else value[int(key)]
        if key in model.model_fields:
            place, inside = str(key), _model(model.model_fields[str(key)].annotation)
            model = inside or model
        if place in kinds.PLACES and isinstance(value, Mapping):
            model, place = kinds.at(place, value["kind"]).options, None
    return list(model.model_fields)


def _model(annotation: Any) -> type[BaseModel] | None:
    """The part that a field holds, wherever it stands in its type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model(part)) is not None), None)
