"""`ganaudit train ogan`: an O-GAN, of the published recipe or with values of it changed."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.commands.train.options import DataOptions, SetOption
from flows.console import takes
from flows.training_bar import training_bar


@takes(DataOptions)
def ogan(
    given: DataOptions,
    body: Annotated[str | None, typer.Option(help="dcgan, self-modulated, residual or growing.", show_default=False)] = None,
    resolution: Annotated[int | None, typer.Option(help="Pixels a side.", show_default=False)] = None,
    change: SetOption = None,
) -> None:
    """An O-GAN, whose encoder is its critic (Su, 2019)."""
    from functools import partial

    from ganaudit import devices
    from ganaudit.training.builtin import BuiltinModel, make_model
    from ganaudit.training.loop import Budget
    from ganaudit.training.ogan import OganRecipe, OganTraining
    from ganaudit.training.recipes import changed

    named = {"body": body, "resolution": resolution}
    changes = [f"{name}={value}" for name, value in named.items() if value is not None] + (change or [])
    recipe, budget = changed(OganRecipe(), changes), given.budget() or Budget()
    devices.pick(given.device)
    data, command = given.images_at(recipe.resolution), given.again("ganaudit train ogan", changes)
    model = BuiltinModel("ogan", 0, partial(OganTraining, recipe))
    with training_bar("ogan", "opening its images") as tell:
        folder = given.folder("ogan")
        made = make_model(model, "ogan", folder, tell, budget, given.seed, given.device, data, command, given.keep_every)
    given.finished(made)
