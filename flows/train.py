"""Training the built-in models and the inverters of any generator, with a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ganaudit import devices
from ganaudit.training.builtin import known, make
from ganaudit.training.loop import Budget


def train_builtin(
    model: str, folder: Path, data: Path | None, budget: Budget | None, seed: int, device: str, console: Console
) -> Path:  # fmt: skip
    """Trains built-in `model` in `folder`; returns its safetensors file.

    data: an audit file whose real images it is trained on. Of the village, the card gets the measured figures.
    """
    from ganaudit.training.opening import training_data

    known(model)
    devices.pick(device)
    images = None if data is None else training_data(data)
    command = f"ganaudit train {model}" + ("" if data is None else f" --data {data}") + _options(budget, seed)
    with _bar(model, "opening its images", console) as tell:
        path = make(model, folder, tell, budget, seed, device, images, command)
    if images is None:
        with console.status("Measuring what it is worth, on fresh scenes …"):
            from ganaudit.training.figures import write_figures

            write_figures(path)
    return path


def train_inverter(
    generator: str, method: str, layer: str, kind: str | None, folder: Path | None, budget: Budget | None, seed: int,
    device: str, console: Console,
) -> Path:  # fmt: skip
    """Trains an inverter of `generator` in `folder`; returns its safetensors file."""
    from ganaudit.generators.named import open_named
    from ganaudit.generators.shapes import choose_layers, read_shape
    from ganaudit.training.inverters import InverterRecipe
    from ganaudit.training.making import make_inverter

    recipe = InverterRecipe(method, layer)
    devices.pick(device)
    opened = open_named(generator, kind)
    choose_layers(read_shape(opened), layer)
    name = Path(generator.removeprefix("builtin:").replace(":", "-")).stem
    folder = folder or Path(f"training-{name}-{method}")
    command = f"ganaudit train inverter {generator} --method {method}" + ("" if layer == "auto" else f" --layer {layer}")
    with _bar(f"{name}, {method}", "drawing own samples", console) as tell:
        return make_inverter(opened, name, recipe, folder, tell, budget, seed, device, command + _options(budget, seed))


def _options(budget: Budget | None, seed: int) -> str:
    return (budget.options() if budget else "") + ("" if seed == 1 else f" --seed {seed}")


@contextmanager
def _bar(model: str, first: str, console: Console) -> Iterator[Callable[[float, int, dict[str, float]], None]]:
    """A progress bar that a training tells about each of its steps."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task(f"{model}: {first}", total=1.0)
        shown: dict[str, float] = {}

        def tell(spent: float, iteration: int, losses: dict[str, float]) -> None:
            shown.update(losses)
            text = ", ".join(f"{name} {value:.2f}" for name, value in shown.items())
            bars.update(bar, completed=spent, description=f"{model}: step {iteration:,}, {text}")

        yield tell
