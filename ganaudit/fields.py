"""What single values of the audit file may be: names, numbers within limits, paths. Each limit says why it stands there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from ganaudit import paths
from ganaudit.names import NAME_LENGTH, printable


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(
            f"a number is expected, and YAML reads {'yes, on and true' if value else 'no, off and false'} as no number"
        )
    return value


def _named(path: Any) -> Any:
    return paths.checked(path) if path == "" else path  # which pathlib would take for the folder one is in


Whole = Annotated[int, BeforeValidator(_number)]
"""A whole number: no yes or no, which YAML makes of unquoted words and pydantic would take for 1 and 0."""
Decimal = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
"""A finite number."""

Name = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH), AfterValidator(printable)]
Place = Annotated[Path, BeforeValidator(_named), AfterValidator(paths.checked)]
"""A path that the system can look for; whether something is there shows when it is opened."""


def _path_text(text: str) -> str:
    paths.checked(text)
    return text


PathText = Annotated[str, AfterValidator(_path_text)]
"""The same as a text: builtin:NAME and patterns are no paths yet."""

Seed = Annotated[Whole, Field(ge=-(2**63), lt=2**63)]
"""A column of 64 bits holds it."""
Step = Annotated[Whole, Field(ge=0, lt=2**63)]
Probability = Annotated[Decimal, Field(ge=0.0, le=1.0)]

Count = Annotated[Whole, Field(gt=1, le=2**27)]
"""134 million images: a plan lists their 131,072 blocks in 3 s and 90 MB, and parsing them takes a fast GPU a day."""
Photos = Annotated[Whole, Field(gt=0, le=1_000_000)]
"""Photos to invert, some seconds each: a million are two months."""
MAX_SIDE = 8192
"""The longest side, in pixels, that images and label maps are resized to: one such image is 200 MB."""
Side = Annotated[Whole, Field(gt=0, le=MAX_SIDE)]
Size = Side | tuple[Side, Side]
Arguments = dict[Annotated[str, Field(min_length=1)], bool | Whole | Decimal | str]
"""Values of a function's further inputs, by their names."""
