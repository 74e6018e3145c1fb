"""State dicts of BigGANs as they are published, of any size, on random values."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch


def normed(name, shape, bias=True):
    """A spectrally normed layer's entries, in the order of ajbrock/BigGAN-PyTorch."""
    entries = {f"{name}.weight": shape, **({f"{name}.bias": shape[:1]} if bias else {})}
    return {**entries, f"{name}.u0": (1, shape[0]), f"{name}.sv0": (1,)}


def brock(latent=24, channels=(16, 16, 16, 16), attention=(1,), classes=5, shared=8, hier=True):
    """Shapes of a state dict of ajbrock/BigGAN-PyTorch, in its order. channels: before each block, and after the last."""
    blocks = len(channels) - 1
    part = latent // (blocks + 1)
    shapes = {"shared.weight": (classes, shared), **normed("linear", (16 * channels[0], part if hier else latent))}
    for k, (before, after) in enumerate(pairwise(channels)):
        block = f"blocks.{k}.0"
        shapes |= normed(f"{block}.conv1", (after, before, 3, 3)) | normed(f"{block}.conv2", (after, after, 3, 3))
        shapes |= normed(f"{block}.conv_sc", (after, before, 1, 1))
        for name, width in (("bn1", before), ("bn2", after)):
            shapes |= {f"{block}.{name}.stored_mean": (width,), f"{block}.{name}.stored_var": (width,)}
            for each in ("gain", "bias"):
                shapes |= normed(f"{block}.{name}.{each}", (width, shared + part * hier), bias=False)
        if k in attention:
            shapes[f"blocks.{k}.1.gamma"] = ()
            for name, sizes in attended(after).items():
                shapes |= normed(f"blocks.{k}.1.{name}", sizes, bias=False)
    shapes |= {f"output_layer.0.{name}": (channels[-1],) for name in ("gain", "bias", "stored_mean", "stored_var")}
    return shapes | normed("output_layer.2", (3, channels[-1], 3, 3))


def attended(width):
    key, value = width // 8, width // 2
    sizes = {"theta": (key, width), "phi": (key, width), "g": (value, width), "o": (width, value)}
    return {name: (*size, 1, 1) for name, size in sizes.items()}


def orig(name, shape, bias=True):
    """A spectrally normed layer's entries, in the order of pytorch-pretrained-biggan."""
    entries = {**({f"{name}.bias": shape[:1]} if bias else {}), f"{name}.weight_orig": shape}
    return {**entries, f"{name}.weight_u": shape[:1], f"{name}.weight_v": (int(np.prod(shape[1:])),)}


DEEP = ((16, 16), (16, 8), (8, 8), (8, 4), (4, 2), (2, 1))


def deep(width=8, latent=8, blocks=DEEP, attention=3, classes=5, rows=51):
    """Shapes of a state dict of pytorch-pretrained-biggan, in its order."""
    condition = 2 * latent
    shapes = {"embeddings.weight": (latent, classes), **orig("generator.gen_z", (16 * 16 * width, condition))}
    layers = [*blocks[:attention], None, *blocks[attention:]] if attention is not None else list(blocks)
    for k, layer in enumerate(layers):
        name = f"generator.layers.{k}"
        if layer is None:
            shapes[f"{name}.gamma"] = (1,)
            for each, sizes in attended(width * blocks[attention][0]).items():
                shapes |= orig(f"{name}.snconv1x1_{each}{'_conv' * (each == 'o')}", sizes, bias=False)
            continue
        before, after = width * layer[0], width * layer[1]
        middle = before // 4
        sizes = [(middle, before, 1, 1), (middle, middle, 3, 3), (middle, middle, 3, 3), (after, middle, 1, 1)]
        for place, size in enumerate(sizes):
            shapes |= {f"{name}.bn_{place}.running_{each}": (rows, size[1]) for each in ("means", "vars")}
            for each in ("scale", "offset"):
                shapes |= orig(f"{name}.bn_{place}.{each}", (size[1], condition), bias=False)
            shapes |= orig(f"{name}.conv_{place}", size)
    shapes |= {"generator.bn.weight": (width,), "generator.bn.bias": (width,)}
    shapes |= {f"generator.bn.running_{each}": (rows, width) for each in ("means", "vars")}
    return shapes | orig("generator.conv_to_rgb", (width, width, 3, 3))


def drawn(shapes):
    """Normal values of RandomState(7); variances positive, stored singular vectors (u, v) the leading ones."""
    rng = np.random.RandomState(7)
    tensors = {name: torch.tensor(np.asarray(rng.randn(*shape)), dtype=torch.float32) for name, shape in shapes.items()}
    for name in tensors:
        if name.endswith(("var", "vars")):
            tensors[name] = tensors[name].abs() + 0.5
        if name.endswith("weight_orig"):
            u, _, v = torch.linalg.svd(tensors[name].double().flatten(1), full_matrices=False)
            tensors[name[:-5] + "_u"], tensors[name[:-5] + "_v"] = u[:, 0].float(), v[0].float()
    return tensors
