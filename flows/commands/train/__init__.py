"""`ganaudit train MODEL`: one file for each model that has options of its own; any other name is that of a built-in model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
import typer.core

from flows.commands.train.builtin import builtin
from flows.commands.train.inverter import inverter
from flows.commands.train.lia import ali, lia, vae_gan
from flows.commands.train.ogan import ogan
from flows.commands.train.walk import walk
from flows.usage import Commands

BUILT_IN = "builtin"


class Models(Commands):
    """What can be trained. A name that is none of them is given to the built-in models; Ctrl-C is the command line's own."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        return super().resolve_command(ctx, args if args[0] in self.commands else [BUILT_IN, *args])

    def invoke(self, ctx: Any) -> Any:
        return typer.core.TyperGroup.invoke(self, ctx)


train = typer.Typer(
    cls=Models,
    no_args_is_help=True,
    help="Make a built-in model, such as village-progan, or another.",
)
_MODELS: dict[str, Callable[..., None]] = {
    BUILT_IN: builtin, "inverter": inverter, "walk": walk, "ogan": ogan, "lia": lia, "vae-gan": vae_gan, "ali": ali
}  # fmt: skip
for _name, _command in _MODELS.items():
    train.command(_name)(_command)
