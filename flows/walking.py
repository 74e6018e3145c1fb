"""What the commands that train walks share: their options, and what is asked for with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.console import DeviceOption, JsonOption, finite

if TYPE_CHECKING:
    from ganaudit.generators.protocol import Generator
    from ganaudit.steering.walks import WalkShape
    from ganaudit.training.loop import Budget, Progress
    from ganaudit.training.walks import WalkTraining

GeneratorArgument = Annotated[
    str, typer.Argument(help="builtin:NAME, a weights file, KIND:weights, or module:factory.", show_default=False)
]
EditOption = Annotated[
    list[str] | None,
    typer.Option(
        "--edit", help="zoom, shift-x, shift-y, rotate, turn, luminance, red …; several sliders: red+green+blue.",
        show_default=False,
    ),
]  # fmt: skip

KEY = 9
"""Characters of a walk's key in the names of its files."""


@dataclass(frozen=True)
class Asked:
    """How walks are to be made."""

    space: Annotated[str, typer.Option(help="z, w or w+; auto is w where there is one.")] = "auto"
    method: Annotated[str, typer.Option(help="Of the walk: linear or residual.")] = "linear"
    loss: Annotated[str, typer.Option(help="l2, or a perceptual distance such as pyramid, lpips-alex or vgg16.")] = "l2"
    loss_weights: Annotated[
        str | None, typer.Option(help="A local file of the perceptual distance's weights.", show_default=False)
    ] = None
    reach: Annotated[float, typer.Option(callback=finite, help="The share of the edit's range that it is trained on.")] = 0.5
    steps: Annotated[int | None, typer.Option(help="Of a training; 200 by default.", show_default=False)] = None
    seed: Annotated[int, typer.Option(help="Of the training.", min=0, max=2**63 - 1)] = 1
    device: DeviceOption = "auto"
    as_json: JsonOption = False

    def budget(self) -> Budget | None:
        """None for the usual one."""
        from ganaudit.training.loop import Budget

        return None if self.steps is None else Budget(steps=self.steps)

    def training(self, generator: Generator, edit: str) -> WalkTraining:
        """A training that has not begun. edit: one, or several sliders with + between them."""
        from ganaudit import devices
        from ganaudit.inversion.perceptual import open_perceptual
        from ganaudit.training.making_walks import start_walk
        from ganaudit.training.walks import WalkRecipe

        recipe = WalkRecipe(tuple(edit.split("+")), self.space, self.method, reach=self.reach)
        kind = "none" if self.loss == "l2" else self.loss
        perceptual = open_perceptual(kind, self.loss_weights, device=devices.pick(self.device))
        return start_walk(generator, recipe, self.seed, self.device, perceptual)

    def cost(self, training: WalkTraining) -> str:
        """What the training comes to, in words."""
        from ganaudit.training.making_walks import STEPS, seconds_a_step

        shape = training.walk.shape
        what = f"{' and '.join(shape.edits)} in {shape.space}"
        budget = self.budget()
        if budget is not None and budget.steps is None:
            return f"A walk of {what}:{budget.options().replace(' --', ' ')}."
        steps = (budget.steps if budget else None) or STEPS
        seconds = steps * seconds_a_step(training)
        took = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
        return f"A walk of {what}: {steps:,} steps of {training.batch} images, about {took} on this machine."

    def walk(self, training: WalkTraining, name: str, folder: Path, tell: Progress, command: str) -> Path:
        """The file of the walk, trained where it is missing."""
        from ganaudit.training.making_walks import make_walk

        return make_walk(training, name, folder, tell, self.budget(), command)

    def command(self, generator: str, edit: str) -> str:
        """The command that makes the walk again."""
        said = f"ganaudit train walk {generator} --edit {edit}"
        usual = Asked()
        for option in ("space", "method", "loss", "loss_weights", "reach", "seed"):
            value = getattr(self, option)
            said += "" if value == getattr(usual, option) else f" --{option.replace('_', '-')} {value}"
        budget = self.budget()
        return said + (budget.options() if budget else "")


def opened(generator: str, kind: str | None, device: str) -> Generator:
    """The generator that is named on the command line, on its device."""
    from ganaudit import devices
    from ganaudit.context import Context
    from ganaudit.generators.opening import open_generator
    from ganaudit.named import options_named

    return open_generator(options_named("generators", generator, kind), Context(device=devices.pick(device))).generator


def called(generator: str, shape: WalkShape, key: str = "") -> str:
    """A walk's name as files have it: no other kind of walk has the same. key: of its training, where there may be several."""
    name = f"{stem(generator)}-{'+'.join(shape.edits)}-{shape.space}-{shape.kind}"
    return f"{name}-{key[:KEY]}" if key else name


def stem(generator: str) -> str:
    """A generator's name as files have it."""
    return Path(generator.removeprefix("builtin:").replace(":", "-")).stem
