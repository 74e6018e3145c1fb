"""`ganaudit train lia`: LIA's two stages; and what it is compared with, `vae-gan` and `ali`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.train.options import DataOptions, SetOption
from flows.console import takes
from flows.training_bar import training_bar
from ganaudit.errors import RequestError

if TYPE_CHECKING:
    from ganaudit.training.joint import JointRecipe
    from ganaudit.training.lia_stages import Lia

ResolutionOption = Annotated[
    int | None, typer.Option("--resolution", help="Pixels a side, in the published sizes.", show_default=False)
]


@takes(DataOptions)
def lia(
    given: DataOptions,
    generator: Annotated[
        str | None,
        typer.Argument(
            help="Of stage 2: builtin:NAME, or the file that stage 1 made, where it is elsewhere.", show_default=False
        ),
    ] = None,
    stage: Annotated[
        int | None,
        typer.Option(help="1, the generator; 2, its encoder; both by default.", min=1, max=2, show_default=False),
    ] = None,
    mapping: Annotated[
        str | None, typer.Option(help="coupling, which has an inverse, or mlp, to compare with.", show_default=False)
    ] = None,
    resolution: ResolutionOption = None,
    change: SetOption = None,
) -> None:
    """LIA and its encoder (Zhu et al., 2019)."""
    from ganaudit import devices, weights
    from ganaudit.training.lia_stages import make_lia

    changes = ([] if mapping is None else [f"mapping={mapping}"]) + (change or [])
    plan, _ = _planned("lia", resolution, changes)
    budget = given.budget()
    devices.pick(given.device)
    command = "ganaudit train lia" + ("" if generator is None else f" {generator}")
    command = given.again(command, changes, stage=stage, resolution=resolution)
    data, before = given.images_at(plan.first.side), None
    if generator is not None:
        before = weights.located(generator) if generator.startswith(weights.BUILTIN) else Path(generator)
    with training_bar("lia", "opening its images") as tell:
        made = make_lia(
            plan, "lia", given.folder("lia"), tell, budget, given.seed, given.device, data, command, stage, before,
            given.keep_every,
        )  # fmt: skip
    given.finished(made)


def _joint(model: str, about: str) -> Callable[..., None]:
    """The command that trains what LIA is compared with."""

    def command(given: DataOptions, resolution: ResolutionOption = None, change: SetOption = None) -> None:
        from ganaudit import devices
        from ganaudit.training.lia_stages import make_joint

        changes, budget = change or [], given.budget()
        plan, joint = _planned(model, resolution, changes)
        devices.pick(given.device)
        made_by, folder = given.again(f"ganaudit train {model}", changes, resolution=resolution), given.folder(model)
        data = given.images_at(plan.first.side)
        with training_bar(model, "opening its images") as tell:
            made = make_joint(joint, plan, folder, tell, budget, given.seed, given.device, data, made_by, given.keep_every)
        given.finished(made)

    command.__doc__ = about
    return takes(DataOptions)(command)


vae_gan = _joint("vae-gan", "A VAE/GAN (Larsen et al., 2016) in LIA's sizes.")
ali = _joint("ali", "ALI (Dumoulin et al., 2017) in LIA's sizes.")


def _planned(model: str, resolution: int | None, changes: Sequence[str]) -> tuple[Lia, JointRecipe]:
    """The recipes of LIA's stages, and of what is compared with it, with `changes` where they belong.

    Raises RequestError for a value that training this model takes no notice of.
    """
    from ganaudit.training.joint import METHODS, UNUSED, JointRecipe
    from ganaudit.training.lia_stages import Lia
    from ganaudit.training.recipes import changed, shared_out

    plan = Lia() if resolution is None else Lia.published(resolution)
    if model not in METHODS:
        first, second = shared_out(changes, plan.first, plan.second)
        return replace(plan, first=changed(plan.first, first), second=changed(plan.second, second)), JointRecipe()
    for change in changes:
        if change.partition("=")[0] in UNUSED:
            raise RequestError(f"--set {change}: {model} has no use for it")
    joint = JointRecipe(model)
    first, second, third = shared_out(changes, plan.first, plan.second, joint)
    return replace(plan, first=changed(plan.first, first), second=changed(plan.second, second)), changed(joint, third)
