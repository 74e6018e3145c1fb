"""The audit file, loaded. A wrong file gets one error that lists every mistake with its key path."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from ganaudit import kinds
from ganaudit.errors import RequestError
from ganaudit.kinds.mistakes import nearest
from ganaudit.spec.checkpoints import expanded
from ganaudit.spec.models import AuditSpec


class _OnceLoader(yaml.SafeLoader):
    """Safe YAML in which a key may stand once in a mapping: of two, one would be lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: list[Any] = []
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen and key_node.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} stands here twice", key_node.start_mark)
            seen.append(key)
        return super().construct_mapping(node, deep)


def load(path: Path | str, store: Path | str | None = None) -> AuditSpec:
    """The audit file at `path`; `store` replaces its own. Raises RequestError listing every mistake."""
    path = Path(path)
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_OnceLoader)
    except FileNotFoundError:
        raise RequestError(f"audit file {path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"audit file {path} cannot be read: {error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that no calendar has
        raise RequestError(f"audit file {path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise RequestError(f"audit file {path} holds no keys; it needs name, parser, real and generators")
    data.setdefault("folder", str(path.resolve().parent))
    spec = parse(data, str(path))
    return spec if store is None else with_store(spec, store)


def with_store(spec: AuditSpec, store: Path | str) -> AuditSpec:
    """`spec` with its records in `store` (from the current folder where that is relative)."""
    return spec.model_copy(update={"store": Path(store).expanduser().resolve()})


def parse(data: Mapping[str, Any], where: str = "the audit") -> AuditSpec:
    """The spec of a mapping such as an audit file's. Raises RequestError listing every mistake with its key path."""
    whole, places, wrong = expanded(data)
    found: dict[str, list[str]] = {}
    try:
        spec = AuditSpec.model_validate(whole)
        if not wrong:
            return spec
    except ValidationError as error:
        details = error.errors()
        if len(details) > 1:  # a list of which no entry is valid is not too short
            details = [detail for detail in details if detail["type"] != "too_short"] or details
        for detail in details:
            valid = _keys(whole, detail["loc"]) if detail["type"] == "extra_forbidden" else []
            path, message = _mistake(_in_the_file(dict(detail), places), valid)
            if message not in found.setdefault(path, []):
                found[path].append(message)
    for path, message in wrong:
        found.setdefault(path, []).append(message)
    lines = [f"{path}: {', or '.join(messages)}".lstrip(": ") for path, messages in found.items()]
    heading = f"{where} has {len(lines)} mistake{'s' if len(lines) > 1 else ''}:"
    raise RequestError("\n".join([heading, *(f"  {line}" for line in lines)])) from None


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
    if detail["type"] == "extra_forbidden":
        return path, f"unknown key{nearest(str(keys[-1]), valid)}"
    if detail["type"] == "missing":
        return path, "missing"
    plain = detail["msg"].removeprefix("Value error, ").replace("tuple", "list").replace("dictionary", "mapping")
    return path, plain


_BRANCH = re.compile(r"constrained-|literal\[|tuple\[|list\[|dict\[|int$|float$|str$|\[key\]")
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
    return next((found for part in get_args(annotation) if (found := _model(part)) is not None), None)
