"""Training the built-in models, with a progress bar."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ganaudit import devices
from ganaudit.errors import RequestError
from ganaudit.village.models import known, make


def train_builtin(model: str, folder: Path, minutes: float | None, seed: int, device: str, console: Console) -> Path:
    """Trains built-in `model` in `folder`; returns its safetensors file. The card beside it gets the measured figures."""
    if minutes is not None and not minutes > 0:
        raise RequestError(f"--minutes is {minutes:g}; give the training some time")
    known(model)
    devices.pick(device)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"the folder {folder} cannot be made ({error.strerror}); choose another one with --out") from None
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task(f"{model}: drawing its scenes", total=1.0)
        shown: dict[str, float] = {}

        def tell(spent: float, iteration: int, losses: dict[str, float]) -> None:
            shown.update(losses)
            text = ", ".join(f"{name} {value:.2f}" for name, value in shown.items())
            bars.update(bar, completed=spent, description=f"{model}: step {iteration:,}, {text}")

        path = make(model, folder, tell, minutes, seed, device)
    with console.status("Measuring what it is worth, on fresh scenes …"):
        from ganaudit.village.figures import write_figures

        write_figures(path)
    return path
