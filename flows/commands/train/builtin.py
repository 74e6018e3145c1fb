"""`ganaudit train village-progan`: the models that ship, made again."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.commands.train.options import DataOptions
from flows.console import err, takes
from flows.training_bar import training_bar


@takes(DataOptions)
def builtin(
    given: DataOptions, model: Annotated[str, typer.Argument(help="Its name, such as village-progan.", show_default=False)]
) -> None:
    """A built-in model, by its name alone."""
    from ganaudit import devices, kinds
    from ganaudit.training.builtin import known, make

    labelled = known(model).kind in kinds.names("parsers")
    command, folder = given.again(f"ganaudit train {model}"), given.folder(model)
    devices.pick(given.device)
    data = given.images_at(labelled=labelled)
    with training_bar(model, "opening its images") as tell:
        made = make(model, folder, tell, given.budget(), given.seed, given.device, data, command, given.keep_every)
    if data is None:
        with err.status("Measuring what it is worth, on fresh scenes …"):
            from ganaudit.training.figures import write_figures

            write_figures(made)
    given.finished(made)
