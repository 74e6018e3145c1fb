"""Photos beside the nearest thing a generator can make."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from ganaudit.errors import RequestError


def invert(
    generator: str, paths: Sequence[Path], folder: Path, *, kind: str | None, preset: str | None, method: str | None,
    layer: str, steps: int | None, perceptual: str | None, perceptual_weights: str | None, penalty: float | None,
    inverter: Path | None, parser: str | None, outlined: str | None, device: str, console: Console,
) -> dict[str, Any]:  # fmt: skip
    """Inverts `paths` and writes `folder`/inversions.json and a picture of each; returns what inversions.json holds."""
    import torch

    from ganaudit import devices
    from ganaudit.context import Context
    from ganaudit.generators.opening import open_generator
    from ganaudit.generators.shapes import choose_layers, read_shape
    from ganaudit.inversion.presets import filled, settings_of
    from ganaudit.named import options_named
    from ganaudit.parsers.opening import open_parser
    from ganaudit.spec import Invert
    from ganaudit.studies.inversion import photos as room
    from ganaudit.studies.inversion.cost import WITHOUT_SEARCH

    place = devices.pick(device)
    if place == "cpu":
        torch.set_num_threads(1)
    context = Context(device=place, precision=devices.precision("auto", place))
    opened = open_generator(options_named("generators", generator, kind), context).generator
    shape = read_shape(opened)
    choose_layers(shape, layer)
    given = {"preset": preset, "methods": method and (method,), "steps": steps, "perceptual": perceptual}
    asked = Invert.model_construct(**filled({key: value for key, value in given.items() if value is not None}))
    asked = asked.model_copy(update={"perceptual_weights": perceptual_weights})
    method = asked.methods[0]
    if asked.steps == 0 and method not in WITHOUT_SEARCH:
        raise RequestError(f"--steps is 0 and method {method!r} is a search; give it steps")
    encoders = room.encoders_for(opened, shape, method, inverter)
    reader = open_parser(options_named("parsers", parser), context).parser if parser else None
    if outlined is not None and reader is None:
        raise RequestError("--class outlines a class that a parser finds; give one with --parser, such as builtin:village")
    names = [info.name for info in reader.classes] if reader else []
    if outlined is not None and outlined not in names:
        raise RequestError(f"the parser has no class {outlined!r}; it has {', '.join(names)}")
    settings = settings_of(asked, encoders, Path(), place, context.precision)
    fixed = settings.objective.penalty or None
    if None not in (penalty, fixed) and penalty != fixed:
        raise RequestError(f"preset {preset} sets the penalty to {fixed:g} and --penalty is {penalty:g}; leave out one of them")
    penalty = fixed if penalty is None else penalty
    read = room.read_photos(paths, shape.resolution)
    if all(photo.pixels is None for photo in read):
        raise RequestError(f"no photo can be used: {read[0].error}" + (f", and {len(read) - 1} more" if len(read) > 1 else ""))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"the folder {folder} cannot be made ({error.strerror}); choose another one with --out") from None
    with console.status(f"Inverting {len(read)} photos, and own samples as control …"):
        outcome = room.invert_photos(
            opened, read, method, settings.objective, settings.search, layer, penalty, encoders, settings.restarts
        )
    room.write_pictures(outcome, read, folder, reader, outlined)
    answer = {
        "generator": generator, "method": method, "objective": outcome.objective.recipe(), "search": settings.search.recipe(),
        "own_samples_psnr": round(outcome.own_psnr, 2), "penalty": asdict(outcome.penalty) if outcome.penalty else None,
        "note": outcome.note, "photos": outcome.rows,
    }  # fmt: skip
    (folder / "inversions.json").write_text(json.dumps(answer, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return answer
