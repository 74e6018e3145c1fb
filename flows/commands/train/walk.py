"""`ganaudit train walk GENERATOR --edit zoom`: one walk of a generator by itself."""

from __future__ import annotations

from dataclasses import dataclass

from flows.commands.train.options import TrainingOptions
from flows.console import KindOption, say, takes
from flows.training_bar import training_bar
from flows.walking import Asked, EditOption, GeneratorArgument, called, opened
from ganaudit.errors import RequestError


@dataclass(frozen=True)
class WalkOptions(TrainingOptions, Asked):
    """What the training of a walk is asked for."""


@takes(WalkOptions)
def walk(given: WalkOptions, generator: GeneratorArgument, edit: EditOption = None, kind: KindOption = None) -> None:
    """A walk in latent space (Jahanian et al., 2020)."""
    edits = edit or []
    if len(edits) != 1:
        raise RequestError("name one edit: ganaudit train walk builtin:village-stylegan --edit zoom")
    given.budget()  # raises for what is none, before anything is opened
    training = given.training(opened(generator, kind, given.device), edits[0])
    name = called(generator, training.walk.shape)
    say(given.cost(training))
    with training_bar(name, "drawing own samples", cost_known=True) as tell:
        made = given.walk(training, name, given.folder(name), tell, given.command(generator, edits[0]))
    given.finished(made)
