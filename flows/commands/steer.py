"""`ganaudit steer`: how far a generator follows an edit, as a strip of images and a film."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.console import KindOption, json_text, path_checked, say, takes
from flows.training_bar import training_bar
from flows.walking import Asked, EditOption, GeneratorArgument, called, opened
from ganaudit import paths
from ganaudit.errors import RequestError

if TYPE_CHECKING:
    from ganaudit.generators.protocol import Generator
    from ganaudit.training.walks import WalkTraining


@takes(Asked)
def steer(
    asked: Asked,
    generator: GeneratorArgument,
    edit: EditOption = None,
    out: Annotated[Path, typer.Option(callback=path_checked, help="Folder of pictures, films and walks.")] = Path("steered"),
    walk: Annotated[
        Path | None, typer.Option(callback=path_checked, help="A trained walk, instead of --edit.", show_default=False)
    ] = None,
    images: Annotated[int, typer.Option(help="Own samples that are shown.", min=1, max=64)] = 4,
    alphas: Annotated[
        int, typer.Option(help="Values of α in the strip; odd, the middle one changes nothing.", min=3, max=99)
    ] = 7,
    kind: KindOption = None,
) -> None:
    """How far a generator follows an edit, as a strip and a film."""
    if bool(edit) == bool(walk):
        raise RequestError("name an edit, such as --edit zoom, or a trained walk with --walk; one of the two")
    if alphas % 2 == 0:
        raise RequestError(f"--alphas {alphas} is even; in the middle of an odd number is the α that changes nothing")
    asked.budget()  # raises for what is none, before anything is opened
    network = opened(generator, kind, asked.device)
    trainings = [asked.training(network, each) for each in edit or []]  # raises for an edit that is none, before one is trained
    files = [walk] if walk is not None else [_trained(each, generator, asked, out) for each in trainings]
    shown = [part for file in files for part in _shown(network, generator, file, out, images, alphas)]
    if asked.as_json:
        typer.echo(json_text({"generator": generator, "walks": shown}))
        return
    for part in shown:
        followed = part.get("followed")
        typer.echo(
            f"{part['edit']} in {part['space']}"
            + ("" if followed is None else f": {100 * followed:.0f} % of the edit is followed")
        )
        typer.echo(f"  {part['strip']}\n  {part['film']}\n  {part['walk']}")


def _trained(training: WalkTraining, generator: str, asked: Asked, out: Path) -> Path:
    """The file of a walk, in the folder of its key; its cost is said before it is trained."""
    from ganaudit.steering.files import find_walk
    from ganaudit.training.making_walks import key_of

    key = key_of(training, asked.budget())
    name, folder = called(generator, training.walk.shape), out / called(generator, training.walk.shape, key)
    there = find_walk(key, [folder]) if folder.is_dir() else None
    if there is not None:
        return there
    say(asked.cost(training))
    with training_bar(name, "drawing own samples", cost_known=True) as tell:
        return asked.walk(training, name, folder, tell, asked.command(generator, "+".join(training.walk.shape.edits)))


def _shown(network: Generator, generator: str, file: Path, out: Path, count: int, alphas: int) -> list[dict[str, Any]]:
    """Draws a strip and a film of each slider of a walk; returns where they are, and what the walk's card says."""
    from ganaudit import weights
    from ganaudit.generators.shapes import generator_digest
    from ganaudit.steering.files import open_walk
    from ganaudit.steering.strips import draw_strip, write_film
    from ganaudit.training.checkpoint import write_whole

    found = open_walk(file, generator_digest(network))
    walk, name = found.walk, called(generator, found.walk.shape, found.key or found.sha256)
    walk = walk.to(next(network.parameters()).device) if hasattr(network, "parameters") else walk
    figures = weights.card(file).get("figures", {})
    parts: list[dict[str, Any]] = []
    for slider, edit in enumerate(walk.shape.edits):
        stem = name if len(walk.shape.edits) == 1 else f"{name}-{edit}"
        strip, film = out / f"{stem}.png", out / f"{stem}.gif"
        drawn = draw_strip(walk, network, 0, range(count), alphas, slider)
        paths.made(out)
        write_whole(strip, lambda partial, drawn=drawn: drawn.save(partial, "PNG"))  # type: ignore[misc]
        write_whole(film, lambda partial, slider=slider: write_film(partial, walk, network, 0, range(count), slider=slider))  # type: ignore[misc]
        parts.append(
            {"edit": edit, "space": walk.shape.space, "strip": str(strip), "film": str(film), "walk": str(file), **figures}
        )
    return parts
