"""`ganaudit train`: the built-in models again, and the inverters of any generator, with a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from flows.console import DeviceOption, JsonOption, KindOption, err, finite, json_text, path_checked
from ganaudit.errors import RequestError

if TYPE_CHECKING:
    from ganaudit.training.loop import Budget


def train(
    model: Annotated[str, typer.Argument(help="A built-in model, such as village-progan, or inverter.", show_default=False)],
    generator: Annotated[
        str | None,
        typer.Argument(
            help="Of an inverter: builtin:NAME, a weights file, KIND:weights, or module:factory.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            callback=path_checked, help="Folder of checkpoint and weights; training-NAME by default.", show_default=False
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Optimiser steps; those of the shipped model by default.", show_default=False)
    ] = None,
    images: Annotated[int | None, typer.Option(help="Images shown in training.", show_default=False)] = None,
    minutes: Annotated[
        float | None,
        typer.Option(callback=finite, help="By the wall clock; of several limits, the first ends it.", show_default=False),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            callback=path_checked, help="An audit file, for its real images instead of the village.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of initial weights and batches.", min=0, max=2**63 - 1)] = 1,
    device: DeviceOption = "auto",
    method: Annotated[str, typer.Option(help="Of an inverter: layered or encoder.")] = "layered",
    layer: Annotated[str, typer.Option(help="Of a layered inverter: r; by default, as invert chooses it.")] = "auto",
    kind: KindOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a built-in model again, or a generator's inverter."""
    from ganaudit.training.loop import Budget

    budget = None if steps is images is minutes is None else Budget(steps, images, minutes)
    if model == "inverter":
        if generator is None:
            raise RequestError("name the generator: ganaudit train inverter builtin:village-progan")
        if data is not None:
            raise RequestError("an inverter is trained on its generator's own samples alone; leave out --data")
        made = _train_inverter(generator, method, layer, kind, out, budget, seed, device)
    elif generator is not None:
        raise RequestError(f"train {model} takes no second name ({generator!r}); ganaudit train inverter {generator} does")
    else:
        made = _train_builtin(model, out or Path(f"training-{model}"), data, budget, seed, device)
    card = made.with_name(f"{made.stem}.card.json")
    typer.echo(json_text({"weights": str(made), "card": str(card)}) if as_json else str(made))


def _train_builtin(
    model: str, folder: Path, data: Path | None, budget: Budget | None, seed: int, device: str
) -> Path:  # fmt: skip
    """Trains built-in `model` in `folder`; returns its safetensors file.

    data: an audit file whose real images it is trained on. Of the village, the card gets the measured figures.
    """
    from ganaudit import devices
    from ganaudit.training.builtin import known, make
    from ganaudit.training.opening import training_data

    known(model)
    devices.pick(device)
    images = None if data is None else training_data(data)
    command = f"ganaudit train {model}" + ("" if data is None else f" --data {data}") + _options(budget, seed)
    with _bar(model, "opening its images") as tell:
        path = make(model, folder, tell, budget, seed, device, images, command)
    if images is None:
        with err.status("Measuring what it is worth, on fresh scenes …"):
            from ganaudit.training.figures import write_figures

            write_figures(path)
    return path


def _train_inverter(
    generator: str, method: str, layer: str, kind: str | None, folder: Path | None, budget: Budget | None, seed: int,
    device: str,
) -> Path:  # fmt: skip
    """Trains an inverter of `generator` in `folder`; returns its safetensors file."""
    from ganaudit import devices
    from ganaudit.context import Context
    from ganaudit.generators.opening import open_generator
    from ganaudit.generators.shapes import choose_layers, read_shape
    from ganaudit.named import options_named
    from ganaudit.training.inverters import InverterRecipe
    from ganaudit.training.making import make_inverter

    recipe = InverterRecipe(method, layer)
    devices.pick(device)
    opened = open_generator(options_named("generators", generator, kind), Context()).generator
    choose_layers(read_shape(opened), layer)
    name = Path(generator.removeprefix("builtin:").replace(":", "-")).stem
    folder = folder or Path(f"training-{name}-{method}")
    command = f"ganaudit train inverter {generator} --method {method}" + ("" if layer == "auto" else f" --layer {layer}")
    with _bar(f"{name}, {method}", "drawing own samples") as tell:
        return make_inverter(opened, name, recipe, folder, tell, budget, seed, device, command + _options(budget, seed))


def _options(budget: Budget | None, seed: int) -> str:
    return (budget.options() if budget else "") + ("" if seed == 1 else f" --seed {seed}")


@contextmanager
def _bar(model: str, first: str) -> Iterator[Callable[[float, int, dict[str, float]], None]]:
    """A progress bar; the training calls it at each of its steps."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn())
    with Progress(*columns, console=err) as bars:
        bar = bars.add_task(f"{model}: {first}", total=1.0)
        shown: dict[str, float] = {}

        def tell(spent: float, iteration: int, losses: dict[str, float]) -> None:
            shown.update(losses)
            text = ", ".join(f"{name} {value:.2f}" for name, value in shown.items())
            bars.update(bar, completed=spent, description=f"{model}: step {iteration:,}, {text}")

        yield tell
