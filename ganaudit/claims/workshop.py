"""Where the trainings that claims need are made once, kept, and gone on with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ganaudit.training.loop import Budget, Progress


@dataclass(frozen=True)
class NeededTraining:
    """A training that claims need. budget: where nothing else is asked for. make: trains in a folder on a device, or goes on
    there, and returns what it exported."""

    name: str
    budget: Budget
    make: Callable[[Path, Budget, Progress, str], Path]


@dataclass(frozen=True)
class Workshop:
    """A folder of trainings and tables, and what all claims of one call share.

    minutes: of each training by the wall clock, instead of its own budget. tell: told of each training's progress, by name.
    """

    folder: Path
    minutes: float | None = None
    device: str = "cpu"
    tell: Callable[[str, float], None] = lambda *_: None
    made: dict[str, Path] = field(default_factory=dict, repr=False, compare=False)
    """What was asked for already, by the training's name: a claim that shares it does not open it again."""

    def budget(self, training: NeededTraining) -> Budget:
        """What a training is given."""
        return training.budget if self.minutes is None else Budget(minutes=self.minutes)

    def place(self, training: NeededTraining) -> Path:
        """The folder of a training: another budget has another one."""
        amount = "".join(f"-{value:g}-{name}" for name, value in self.budget(training).given().items())
        return self.folder / "trainings" / f"{training.name}{amount}"

    def begun(self, training: NeededTraining) -> bool:
        """Whether it was made, or begun."""
        return self.place(training).is_dir()

    def trained(self, training: NeededTraining) -> Path:
        """What a training exported: made now, or gone on with where its folder holds a checkpoint."""
        name = training.name
        if name not in self.made:
            self.made[name] = training.make(
                self.place(training), self.budget(training), lambda spent, *_: self.tell(name, spent), self.device
            )  # fmt: skip
        return self.made[name]
