"""`ganaudit invert`: photos beside the nearest thing that a generator can make."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows import terminal
from flows.console import DeviceOption, JsonOption, KindOption, err, finite, json_text, path_checked, width
from flows.walking import GeneratorArgument
from ganaudit import paths
from ganaudit.errors import RequestError

if TYPE_CHECKING:
    from ganaudit.context import Context
    from ganaudit.parsers.protocol import Parser


def invert(
    generator: GeneratorArgument,
    photos: Annotated[list[Path], typer.Argument(help="Image files.", show_default=False)],
    out: Annotated[Path, typer.Option(callback=path_checked, help="Folder of the pictures and inversions.json.")] = Path(
        "inverted"
    ),
    preset: Annotated[
        str | None, typer.Option(help="A reference's exact settings, such as bau-2019.", show_default=False)
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="One of ganaudit list inverters; layerwise by default.", show_default=False)
    ] = None,
    layer: Annotated[str, typer.Option(help="r; auto frees the first layers, up to a quarter of the pixel values.")] = "auto",
    steps: Annotated[
        int | None, typer.Option(help="Of the search; 500 by default.", min=0, max=1_000_000, show_default=False)
    ] = None,
    perceptual: Annotated[
        str | None,
        typer.Option(
            help="pyramid (default), none, lpips-alex, lpips-vgg, lpips-squeeze, vgg16 or efficientnet-lite0.",
            show_default=False,
        ),
    ] = None,
    perceptual_weights: Annotated[
        str | None, typer.Option(help="A local file of its weights; by default, the usual download.", show_default=False)
    ] = None,
    penalty: Annotated[
        float | None,
        typer.Option(callback=finite, min=0, help="Of residuals; by default, set from own samples.", show_default=False),
    ] = None,
    inverter: Annotated[
        Path | None,
        typer.Option(callback=path_checked, help="A trained inverter; by default, the one that ships.", show_default=False),
    ] = None,
    parser: Annotated[
        str | None,
        typer.Option(help="For label maps: builtin:NAME, a weights file, KIND:weights, or module:factory.", show_default=False),
    ] = None,
    outlined: Annotated[
        str | None, typer.Option("--class", help="Outline this class of the parser.", show_default=False)
    ] = None,
    kind: KindOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Photos beside the nearest thing a generator can make."""
    import torch

    from ganaudit import devices
    from ganaudit.context import Context
    from ganaudit.generators.opening import open_generator
    from ganaudit.generators.shapes import choose_layers, read_shape
    from ganaudit.inversion.presets import filled
    from ganaudit.named import options_named
    from ganaudit.spec import Invert
    from ganaudit.studies.inversion import photos as inversion
    from ganaudit.studies.inversion.asked import settings_of
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
    encoders = inversion.encoders_for(opened, shape, method, inverter)
    reader = _reader(parser, outlined, context)
    settings = settings_of(asked, encoders, Path(), place, context.precision)
    fixed = settings.objective.penalty or None
    if None not in (penalty, fixed) and penalty != fixed:
        raise RequestError(f"preset {preset} sets the penalty to {fixed:g} and --penalty is {penalty:g}; leave out one of them")
    penalty = fixed if penalty is None else penalty
    read = inversion.read_photos(photos, shape.resolution)
    if all(photo.pixels is None for photo in read):
        raise RequestError(f"no photo can be used: {read[0].error}" + (f", and {len(read) - 1} more" if len(read) > 1 else ""))
    paths.made(out)
    with err.status(f"Inverting {len(read)} photos, and own samples as control …"):
        outcome = inversion.invert_photos(
            opened, read, method, settings.objective, settings.search, layer, penalty, encoders, settings.restarts
        )
    inversion.write_pictures(outcome, read, out, reader, outlined)
    answer = {
        "generator": generator, "method": method, "objective": outcome.objective.recipe(), "search": settings.search.recipe(),
        "own_samples_psnr": round(outcome.own_psnr, 2), "penalty": asdict(outcome.penalty) if outcome.penalty else None,
        "note": outcome.note, "photos": outcome.rows,
    }  # fmt: skip
    (out / "inversions.json").write_text(json.dumps(answer, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    typer.echo(json_text(answer) if as_json else terminal.inversions_text(answer, out, width()), nl=as_json)
    raise typer.Exit(3 if any(row["status"] != "ok" for row in outcome.rows) else 0)


def _reader(parser: str | None, outlined: str | None, context: Context) -> Parser | None:
    """The parser that is named, if any. Raises RequestError where it has no class of the name `outlined`."""
    from ganaudit.named import options_named
    from ganaudit.parsers.opening import open_parser

    if outlined is not None and not parser:
        raise RequestError("--class outlines a class that a parser finds; give one with --parser, such as builtin:village")
    reader = open_parser(options_named("parsers", parser), context).parser if parser else None
    names = [info.name for info in reader.classes] if reader else []
    if outlined is not None and outlined not in names:
        raise RequestError(f"the parser has no class {outlined!r}; it has {', '.join(names)}")
    return reader
