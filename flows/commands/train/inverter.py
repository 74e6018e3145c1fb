"""`ganaudit train inverter GENERATOR`: the inverter of any generator with named layers."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.commands.train.options import TrainingOptions
from flows.console import KindOption, takes
from flows.training_bar import training_bar
from flows.walking import GeneratorArgument, opened, stem


@takes(TrainingOptions)
def inverter(
    given: TrainingOptions,
    generator: GeneratorArgument,
    method: Annotated[str, typer.Option(help="layered or encoder.")] = "layered",
    layer: Annotated[str, typer.Option(help="Of a layered one: r; by default, as invert chooses it.")] = "auto",
    kind: KindOption = None,
) -> None:
    """The inverter of a generator, on its own samples."""
    from ganaudit.generators.shapes import choose_layers, read_shape
    from ganaudit.training.inverters import InverterRecipe
    from ganaudit.training.making import make_inverter

    recipe, budget = InverterRecipe(method, layer), given.budget()
    layered = opened(generator, kind, "cpu" if given.device == "auto" else given.device)
    choose_layers(read_shape(layered), layer)
    name = stem(generator)
    command = f"ganaudit train inverter {generator} --method {method}" + ("" if layer == "auto" else f" --layer {layer}")
    command, folder = given.again(command), given.folder(f"{name}-{method}")
    with training_bar(f"{name}, {method}", "drawing own samples") as tell:
        made = make_inverter(layered, name, recipe, folder, tell, budget, given.seed, given.device, command)
    given.finished(made)
