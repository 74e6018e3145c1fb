"""What NVIDIA's TensorFlow code writes and computes: pickles of networks, and convolutions by weights in its order."""

from __future__ import annotations

import pickle
import sys
import types
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

SOURCE = "open('CANARY', 'w')"


class Network:
    """Pickled as the class of its own module; read by pickle itself it would run its source text."""

    def __init__(self, **state: Any) -> None:
        self.state = state

    def __getstate__(self) -> dict[str, Any]:
        return self.state

    def __setstate__(self, state: dict[str, Any]) -> None:
        exec(state["build_module_src"])


def network(name: str, variables: Any, components: Any = None, **static: Any) -> Network:
    """variables: arrays by name, or what is to stand in their place."""
    pairs = list(variables.items()) if isinstance(variables, dict) else variables
    more = {} if components is None else {"components": components}
    return Network(
        version=4, name=name, static_kwargs=static, build_module_src=SOURCE, build_func_name=f"{name}_main", variables=pairs,
        **more,
    )  # fmt: skip


def generator(name: str, variables: dict[str, Any], **static: Any) -> Network:
    """Variables such as `mapping/Dense0/weight`, in networks inside a network; others are its own."""
    inside = {
        part: {key.removeprefix(f"{part}/"): value for key, value in variables.items() if key.startswith(f"{part}/")}
        for part in ("mapping", "synthesis")
    }
    own = {key: value for key, value in variables.items() if not key.startswith(("mapping/", "synthesis/"))}
    return network(name, own, {part: network(f"G_{part}", its) for part, its in inside.items()}, **static)


def pickled(value: Any, module: str = "dnnlib.tflib.network", protocol: int = 4) -> bytes:
    """Bytes that name `module`.Network."""
    packages = [module.rsplit(".", depth)[0] for depth in range(module.count("."), -1, -1)]
    had = {name: sys.modules.get(name) for name in packages}
    try:
        for name in packages:
            sys.modules[name] = types.ModuleType(name)
        sys.modules[module].Network = Network  # type: ignore[attr-defined]
        Network.__module__ = module
        return pickle.dumps(value, protocol=protocol)
    finally:
        Network.__module__ = __name__
        for name, old in had.items():
            sys.modules.pop(name)
            if old is not None:
                sys.modules[name] = old


def arrays(shapes: dict[str, tuple[int, ...]], seed: int = 3) -> dict[str, Any]:
    """Normal draws; what has no dimensions is a number of numpy's, as TensorFlow gives it."""
    random = np.random.RandomState(seed)
    return {
        name: np.float32(random.randn()) if not shape else random.randn(*shape).astype(np.float32)
        for name, shape in shapes.items()
    }


def stylegan(channels: Sequence[int] = (4, 4, 3), latent: int = 5, width: int = 6, classes: int = 0) -> dict[str, Any]:
    """The variables of a StyleGAN, of a resolution for each of the channels. None of them hides behind a 0."""
    shapes: dict[str, tuple[int, ...]] = {"dlatent_avg": (width,), "synthesis/lod": ()}
    if classes:
        shapes["mapping/LabelConcat/weight"] = (classes, latent)
    for k, (before, after) in enumerate(((latent * (2 if classes else 1), 7), (7, width))):
        shapes |= {f"mapping/Dense{k}/weight": (before, after), f"mapping/Dense{k}/bias": (after,)}
    shapes["synthesis/4x4/Const/const"] = (1, channels[0], 4, 4)
    for k, after in enumerate(channels):
        side = 4 * 2**k
        layers = {"Conv0_up": channels[k - 1], "Conv1": after} if k else {"Const": 0, "Conv": after}
        for number, (name, before) in enumerate(layers.items()):
            layer = f"synthesis/{side}x{side}/{name}"
            if before:
                shapes[f"{layer}/weight"] = (3, 3, before, after)
            shapes |= {f"{layer}/bias": (after,), f"{layer}/Noise/weight": (after,)}
            shapes |= {f"{layer}/StyleMod/weight": (width, 2 * after), f"{layer}/StyleMod/bias": (2 * after,)}
            shapes[f"synthesis/noise{2 * k + number}"] = (1, 1, side, side)
        lod = len(channels) - 1 - k
        shapes |= {f"synthesis/ToRGB_lod{lod}/weight": (1, 1, after, 3), f"synthesis/ToRGB_lod{lod}/bias": (3,)}
    made = arrays(shapes)
    made |= {name: 100.0 * value for name, value in made.items() if name.startswith("mapping/Dense") and "weight" in name}
    return made | {"synthesis/lod": np.float32(0.0)}


# images (N, C, h, w) and weights (height, width, in, out), by brute force


def convolved(x: Tensor, w: Tensor) -> Tensor:
    """A 3x3 convolution with zeros around."""
    rows, columns = x.shape[2:]
    wide = torch.nn.functional.pad(x, (1, 1, 1, 1))
    return sum(
        torch.einsum("nchw,co->nohw", wide[:, :, i : i + rows, j : j + columns], w[i, j]) for i in range(3) for j in range(3)
    )


def scattered(x: Tensor, w: Tensor) -> Tensor:
    """A transposed convolution with stride 2: each pixel adds what a kernel of 4x4 makes of it, four shifted sums of `w`."""
    larger = torch.zeros(4, 4, *w.shape[2:], dtype=w.dtype)
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        larger[i : i + 3, j : j + 3] += w
    n, _, rows, columns = x.shape
    out = torch.zeros(n, w.shape[3], 2 * rows + 2, 2 * columns + 2, dtype=x.dtype)
    for i in range(4):
        for j in range(4):
            out[:, :, i : i + 2 * rows : 2, j : j + 2 * columns : 2] += torch.einsum("nchw,co->nohw", x, larger[i, j])
    return out[:, :, 1:-1, 1:-1]


def repeated(x: Tensor) -> Tensor:
    """Each pixel as four."""
    return x[:, :, torch.arange(2 * x.shape[2]) // 2][:, :, :, torch.arange(2 * x.shape[3]) // 2]
