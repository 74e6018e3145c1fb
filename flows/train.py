"""Training the built-in models and the inverters of any generator, with a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ganaudit import devices
from ganaudit.errors import RequestError
from ganaudit.training.builtin import known, make


def train_builtin(model: str, folder: Path, minutes: float | None, seed: int, device: str, console: Console) -> Path:
    """Trains built-in `model` in `folder`; returns its safetensors file. The card beside it gets the measured figures."""
    known(model)
    _checked(folder, minutes, device)
    with _bar(model, "drawing its scenes", console) as tell:
        path = make(model, folder, tell, minutes, seed, device)
    with console.status("Measuring what it is worth, on fresh scenes …"):
        from ganaudit.training.figures import write_figures

        write_figures(path)
    return path


def train_inverter(
    generator: str, method: str, layer: str, kind: str | None, folder: Path | None, minutes: float | None, seed: int,
    device: str, console: Console,
) -> Path:  # fmt: skip
    """Trains an inverter of `generator` in `folder`; returns its safetensors file."""
    from ganaudit.context import Context
    from ganaudit.generators.opening import open_generator
    from ganaudit.generators.shapes import choose_layers, read_shape
    from ganaudit.named import options_named
    from ganaudit.training.inverters import InverterRecipe
    from ganaudit.training.making import make_inverter

    recipe = InverterRecipe(method, layer)
    opened = open_generator(options_named("generators", generator, kind), Context()).generator
    choose_layers(read_shape(opened), layer)
    name = Path(generator.removeprefix("builtin:").replace(":", "-")).stem
    folder = folder or Path(f"training-{name}-{method}")
    _checked(folder, minutes, device)
    command = f"ganaudit train inverter {generator} --method {method}" + ("" if layer == "auto" else f" --layer {layer}")
    command += ("" if minutes is None else f" --minutes {minutes:g}") + ("" if seed == 1 else f" --seed {seed}")
    with _bar(f"{name}, {method}", "drawing own samples", console) as tell:
        return make_inverter(opened, name, recipe, folder, tell, minutes, seed, device, command)


def _checked(folder: Path, minutes: float | None, device: str) -> None:
    """Refuses what cannot be, before anything is trained; makes the folder."""
    if minutes is not None and not minutes > 0:
        raise RequestError(f"--minutes is {minutes:g}; give the training some time")
    devices.pick(device)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"the folder {folder} cannot be made ({error.strerror}); choose another one with --out") from None


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
