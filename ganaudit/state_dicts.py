"""Where the networks lie in a checkpoint: under which keys, with which prefixes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

GENERATORS = (
    "g_ema", "G_ema", "Gs", "g_running", "generator_smooth", "generator_ema", "ema_generator", "netG_ema", "gen_ema",
    "ema_G", "params_ema", "model_ema", "ema_model", "ema", "netG", "net_g", "generator", "Generator", "G",
    "gen_params", "gen", "g", "netG_state_dict", "generator_state_dict", "model_state_dict", "state_dict", "params",
    "model", "weights", "net",
)  # fmt: skip
"""Keys under which a generator lies, averaged weights first."""
OTHERS = frozenset({
    "netD", "net_d", "discriminator", "Discriminator", "D", "d", "dis", "dis_params", "disc", "netD_state_dict",
    "discriminator_state_dict", "critic", "optimizer", "optimizers", "optimizer_states", "g_optim", "d_optim", "optimizerG",
    "optimizerD", "optimG", "optimD", "encoder", "augment_pipe", "E", "NE", "g_optimizer", "d_optimizer",
})  # fmt: skip
"""Keys under which none does."""
STATISTICS = ("latent_avg",)
"""What of a generator may lie beside it: the average of its styles."""
PARALLEL = "module."
"""The prefix that training on several devices leaves, and averaging."""
WRAPPERS = re.compile(r"(?<![^.])(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""Names that torch.compile and others put between those of modules."""


def state_dicts(content: Any) -> list[tuple[str, dict[str, Tensor]]]:
    """Every mapping of names to tensors in a checkpoint that may be a generator, with the keys that lead to it, the likeliest
    first; those whose names share a prefix are without it."""
    return list(_within(content, ""))


def _within(content: Any, where: str) -> Iterator[tuple[str, dict[str, Tensor]]]:
    content = {str(place): entry for place, entry in enumerate(content)} if isinstance(content, list) else content
    if not isinstance(content, Mapping):
        return
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if tensors:
        yield from _grouped(tensors, where)
    inside = [key for key, value in content.items() if isinstance(value, Mapping | list) and key not in OTHERS]
    for key in sorted(inside, key=_rank):
        beside = statistics_of(content, key)
        for below, found in _within(content[key], f"{where}.{key}" if where else str(key)):
            yield below, {**found, **{name: value for name, value in beside.items() if name not in found}}


def statistics_of(content: Mapping[Any, Any], key: Any) -> dict[str, Tensor]:
    """What lies in `content` beside the network under `key` and is of it, by name."""
    if key not in GENERATORS:
        return {}
    return {name: content[name] for name in STATISTICS if isinstance(content.get(name), Tensor)}


def siblings(content: Any, where: str) -> Mapping[Any, Any]:
    """What a checkpoint holds beside the network under `where`, by name; {} where that is the whole."""
    *path, _ = where.split(".")
    for key in path:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content if where and isinstance(content, Mapping) else {}


def _rank(key: Any) -> int:
    return GENERATORS.index(key) if key in GENERATORS else len(GENERATORS)


def _grouped(tensors: dict[str, Tensor], where: str) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """A state dict, and those in it whose names begin with a generator's key, `netG.main.0.weight`, or with one that all have
    but discriminators and counters."""
    tensors = {WRAPPERS.sub("", name): value for name, value in tensors.items()}
    named = {name: value for name, value in tensors.items() if value.ndim or "." in name}
    if named and all(name.startswith(PARALLEL) for name in named):
        tensors = {name.removeprefix(PARALLEL): value for name, value in named.items()}
    yield where, tensors
    first = {name.split(".", 1)[0] for name in tensors if "." in name}
    alone = {name.split(".", 1)[0] for name, value in tensors.items() if value.ndim or "." in name} - OTHERS
    for key in sorted(first & (set(GENERATORS) if len(alone) > 1 else alone), key=_rank):
        part = {name[len(key) + 1 :]: value for name, value in tensors.items() if name.startswith(f"{key}.")}
        yield from _grouped(part, f"{where}.{key}" if where else key)
