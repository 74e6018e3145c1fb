"""What all trainings share on the command line: their options, and how they end."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.console import DeviceOption, JsonOption, finite, json_text, path_checked

if TYPE_CHECKING:
    from ganaudit.training.data import Data
    from ganaudit.training.loop import Budget

SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="NAME=VALUE of the recipe, such as penalty=1.", show_default=False)
]


@dataclass(frozen=True)
class TrainingOptions:
    """What every training is asked for."""

    out: Annotated[
        Path | None,
        typer.Option(
            callback=path_checked, help="Folder of checkpoint and weights; training-NAME by default.", show_default=False
        ),
    ] = None
    steps: Annotated[int | None, typer.Option(help="Optimiser steps.", show_default=False)] = None
    images: Annotated[int | None, typer.Option(help="Images shown in training.", show_default=False)] = None
    minutes: Annotated[
        float | None,
        typer.Option(callback=finite, help="By the wall clock; of several limits, the first ends it.", show_default=False),
    ] = None
    seed: Annotated[int, typer.Option(help="Of initial weights and batches.", min=0, max=2**63 - 1)] = 1
    device: DeviceOption = "auto"
    as_json: JsonOption = False

    def folder(self, name: str) -> Path:
        """Where it is trained."""
        return self.out or Path(f"training-{name}")

    def budget(self) -> Budget | None:
        """What was asked for; None where nothing was. Raises RequestError for what is no budget."""
        from ganaudit.training.loop import Budget

        return None if self.steps is self.images is self.minutes is None else Budget(self.steps, self.images, self.minutes)

    def again(self, command: str, changes: Sequence[str] = (), **named: object) -> str:
        """The command that makes the model again; named: options whose default is None."""
        command += "".join(f" --{name} {value}" for name, value in named.items() if value is not None)
        command += "".join(f" --set {shlex.quote(change)}" for change in changes)
        budget = self.budget()
        return command + (budget.options() if budget else "") + ("" if self.seed == 1 else f" --seed {self.seed}")

    def finished(self, weights: Path) -> None:
        """Prints where the weights are, and with --json their card."""
        card = weights.with_name(f"{weights.stem}.card.json")
        typer.echo(json_text({"weights": str(weights), "card": str(card)}) if self.as_json else str(weights))


@dataclass(frozen=True)
class DataOptions(TrainingOptions):
    """What a training on images is asked for."""

    data: Annotated[
        Path | None,
        typer.Option(
            callback=path_checked, help="An audit file, for its real images instead of the village.", show_default=False
        ),
    ] = None
    keep_every: Annotated[
        int | None,
        typer.Option(
            help="Keep the weights of each so many steps, as OUT/steps/NAME-STEP.safetensors.", min=1, show_default=False
        ),
    ] = None

    def images_at(self, resolution: int | None = None, labelled: bool = False) -> Data | None:
        """The real images of an audit file; None for the village. Raises RequestError for an audit file that is wrong.

        labelled: with the classes of their label maps, for a parser.
        """
        from ganaudit.training.opening import training_data
        from ganaudit.village.scene import RESOLUTION

        size = RESOLUTION if resolution is None else resolution
        return None if self.data is None else training_data(self.data, size, labelled)

    def again(self, command: str, changes: Sequence[str] = (), **named: object) -> str:
        return super().again(command, changes, **named, data=self.data)
