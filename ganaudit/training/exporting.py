"""What a training made, as the file that is opened elsewhere: half precision, with its card beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ganaudit.errors import AuditError
from ganaudit.training.card import write_card
from ganaudit.training.checkpoint import write_whole
from ganaudit.training.loop import Budget, Kept, Progress, Training, train


def trained_file(
    path: Path, metadata: Mapping[str, str], training: Training, budget: Budget, progress: Progress, command: str, device: str,
    keep_every: int | None, further: Mapping[str, Any] | None = None,
) -> Path:  # fmt: skip
    """Trains in the folder of `path`, or goes on there, and writes NAME.safetensors, which is `path`, its card, and what else
    the training has kept, as NAME-….safetensors.

    metadata: of the file: `kind`, `model` and what opening it needs. keep_every: steps (`kept_weights`). further: lines of the
    card. Raises AuditError where it cannot be written; see also `loop.train`.
    """
    trained = train(training, path.parent, budget, progress, kept_weights(path.parent, metadata, training, keep_every))
    weights = training.weights()
    for beside, kept in {"": weights, **getattr(training, "beside", dict)()}.items():
        file = path.with_stem(f"{path.stem}-{beside}") if beside else path
        write_tensors(file, halved(kept), metadata)
    what = {"model": metadata["model"], "kind": metadata["kind"], **(further or {})}
    write_card(path, what, command, training, trained, weights, device)
    return path


def kept_weights(folder: Path, metadata: Mapping[str, str], training: Training, every: int | None) -> Kept | None:
    """Half-precision weights after each `every` steps, as `folder`/steps/NAME-STEP.safetensors: `weights` of an audit file's
    generator takes them all as a pattern, and the history of the training follows. every: None for none."""
    if every is None:
        return None

    def write(step: int) -> None:
        place = folder / "steps"
        place.mkdir(exist_ok=True)
        file = place / f"{metadata['model']}-{step:08d}.safetensors"
        write_tensors(file, halved(training.weights()), {**metadata, "step": str(step)})

    return Kept(every, write)


def halved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors in half precision. Raises AuditError for a number that it cannot hold: a file would have an infinity there."""
    half = {name: value.half() for name, value in tensors.items()}
    for name, value in half.items():
        if not bool(value.isfinite().all()):
            most = float(tensors[name].abs().max())
            raise AuditError(f"{name} holds {most:g}, which half precision does not; nothing is written")
    return half


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """A safetensors file that is there whole or not at all. Raises AuditError where it cannot be written."""
    from safetensors.torch import save_file

    plain = {name: value.contiguous() for name, value in tensors.items()}
    write_whole(path, lambda partial: save_file(plain, partial, dict(metadata)))
