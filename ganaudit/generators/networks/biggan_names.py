"""The layouts that generators of BigGAN circulate in, read as one: names, spectral norms folded into weights, statistics."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.generators.networks.reparametrised import rows, vector, whole

BROCK = {"linear.weight", "blocks.0.0.conv1.weight", "output_layer.0.gain", "output_layer.2.bias"}
"""Names that a file of ajbrock/BigGAN-PyTorch has; TF-Hub's modules are published in it, too."""
DEEP = {"embeddings.weight", "generator.gen_z.bias", "generator.layers.0.bn_0.running_means", "generator.conv_to_rgb.bias"}
"""Names that a file of pytorch-pretrained-biggan has."""
EPSILON, TF_EPSILON = 1e-5, 1e-4
"""What keeps variances from 0 in batch norms: of PyTorch, and of the modules on TF-Hub."""
POSITIONS = 16
"""Positions, 4x4, of the first layer's output in a file of pytorch-pretrained-biggan."""


def is_brock(tensors: Mapping[str, Tensor]) -> bool:
    """Whether it is of ajbrock/BigGAN-PyTorch, and was trained with it."""
    return tensors.keys() >= BROCK and not is_tf_hub(tensors)


def is_tf_hub(tensors: Mapping[str, Tensor]) -> bool:
    """Whether it is a module of TF-Hub, converted to the same names: none of its singular values was ever computed."""
    values = [value for name, value in tensors.items() if name.endswith(".sv0")]
    return tensors.keys() >= {*BROCK, "linear.u0"} and all(bool((value == 1).all()) for value in values)


def is_deep(tensors: Mapping[str, Tensor]) -> bool:
    """Whether it is of pytorch-pretrained-biggan, its spectral norms folded or not."""
    return tensors.keys() >= DEEP


def folded(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights divided by their largest singular value, as it is estimated in eval mode: by one more step of power iteration
    from the stored u (`u0`), or of the stored pair (`weight_u`, `weight_v`), without any. Others as they are."""
    plain = {}
    for name, value in whole(tensors).items():
        module, _, last = name.rpartition(".")
        if re.fullmatch(r"u\d+|sv\d+", last):
            continue
        if last == "weight" and f"{module}.u0" in tensors:
            matrix, u = rows(name, value), vector(f"{module}.u0", tensors, value.shape[0])
            v = F.normalize(u @ matrix, dim=0)
            value = value.float() / torch.linalg.vector_norm(matrix @ v)
        plain[name] = value
    return plain


def brock(tensors: Mapping[str, Tensor], epsilon: float = EPSILON) -> dict[str, Tensor]:
    """Tensors of ajbrock/BigGAN-PyTorch by our names. epsilon: of the batch norms in blocks; that of the last is PyTorch's.

    Where the class is not shared, a batch norm has a table of its own: the same as a linear map of a one-hot class.
    """
    plain = folded(tensors)
    named: dict[str, Tensor] = {}
    for name, value in plain.items():
        ours = re.sub(r"^output_layer\.2\.", "output.conv.", name)
        ours = re.sub(r"^output_layer\.0\.", "output.norm.", ours)
        ours = re.sub(r"^blocks\.(\d+)\.1\.", lambda found: f"attention{int(found[1]) + 1}.", ours)
        ours = re.sub(r"^blocks\.(\d+)\.0\.", lambda found: f"block{int(found[1]) + 1}.", ours)
        ours = ours.replace(".conv_sc.", ".shortcut.")
        ours = re.sub(r"\.(conv|bn)(\d+)\.", lambda found: f".{_KINDS[found[1]]}.{int(found[2]) - 1}.", ours)
        statistic = re.search(r"\.(?:bn\.)?(?:stored|running)_(mean|var)$", ours)
        if statistic is not None:
            ours = ours[: statistic.start()] + (".mean" if statistic[1] == "mean" else ".variance")
            value = _standing(name, value, plain)
            value = value + (EPSILON if ours.startswith("output.") else epsilon) if statistic[1] == "var" else value
        elif "shared.weight" not in plain and re.search(r"\.norms\.\d+\.(gain|bias)\.weight$", ours):
            value = value.T if value.ndim == 2 else value
            named["shared.weight"] = torch.eye(value.shape[-1] if value.ndim else 0)
        if not name.endswith(("num_batches_tracked", "accumulation_counter")):
            named[ours] = value
    return named


_KINDS = {"conv": "convs", "bn": "norms"}


def _standing(name: str, value: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
    """Statistics (1, C): those stored, divided by how often they were added up where the file counts that."""
    counter = tensors.get(f"{name.rpartition('.')[0]}.accumulation_counter")
    times = 0.0 if counter is None or counter.numel() != 1 else float(counter)
    if times != round(times):
        raise RequestError(
            f"{name} is a mixture of standing statistics and running ones (accumulation_counter is {times:g}); accumulate "
            "standing statistics once more and save those"
        )
    return value.float()[None] / max(times, 1.0)


def deep(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of pytorch-pretrained-biggan by our names: the class before z in conditions, channels before positions in the
    first layer, three channels of colour."""
    plain = folded(tensors)
    for name, size in (("embeddings.weight", 2), ("generator.gen_z.weight", 2), ("generator.gen_z.bias", 1)):
        shape = tuple(plain[name].shape) if name in plain else None
        if shape is None or len(shape) != size or (name.startswith("generator") and shape[0] % POSITIONS):
            wanted = "(numbers, classes)" if size == 2 and name.startswith("e") else f"a multiple of {POSITIONS} rows"
            raise RequestError(f"{name} is {'missing' if shape is None else shape}; a BigGAN-deep has {wanted}")
    layers = {int(found[1]) for name in plain if (found := re.match(r"generator\.layers\.(\d+)\.", name))}
    blocks = [layer for layer in sorted(layers) if f"generator.layers.{layer}.conv_0.weight" in plain]
    before = {str(layer): sum(block <= layer for block in blocks) for layer in layers}
    latent = plain["generator.gen_z.weight"].shape[-1] - plain["embeddings.weight"].shape[0]
    named = {}
    for name, value in plain.items():
        layer = re.match(r"generator\.layers\.(\d+)\.(.+)", name)
        if layer is not None:
            ours, value = _of_block(layer[2], value, latent)
            named[f"{'block' if ours.startswith(('norms', 'convs')) else 'attention'}{before[layer[1]]}.{ours}"] = value
        elif name == "embeddings.weight":
            named["shared.weight"] = value.T
        elif name.startswith("generator.gen_z."):
            value = value.reshape(POSITIONS, -1, *value.shape[1:]).transpose(0, 1).flatten(0, 1)
            named[name.replace("generator.gen_z", "linear")] = _class_first(value, latent)
        elif name.startswith("generator.conv_to_rgb."):
            named[name.replace("generator.conv_to_rgb", "output.conv")] = value[:3] if value.ndim else value
        else:
            ours, value = _statistic(name.replace("generator.bn", "output.norm"), value)
            named[ours.replace("norm.weight", "norm.gain")] = value
    return named


def _of_block(name: str, value: Tensor, latent: int) -> tuple[str, Tensor]:
    """A tensor of a block, or of an attention, by our name within it."""
    ours = re.sub(r"^snconv1x1_(theta|phi|g|o)(_conv)?\.", r"\1.", name)
    ours = re.sub(r"^(conv|bn)_(\d+)\.", lambda found: f"{_KINDS[found[1]]}.{found[2]}.", ours)
    if ours.endswith((".scale.weight", ".offset.weight")):
        return ours.replace(".scale.", ".gain.").replace(".offset.", ".bias."), _class_first(value, latent)
    return _statistic(ours, value.reshape(()) if ours == "gamma" and value.numel() == 1 else value)


def _statistic(name: str, value: Tensor) -> tuple[str, Tensor]:
    if name.endswith(".running_vars"):
        return name.replace(".running_vars", ".variance"), value.float() + TF_EPSILON
    return name.replace(".running_means", ".mean"), value


def _class_first(weight: Tensor, latent: int) -> Tensor:
    """A linear map of (z, class) as one of (class, z)."""
    return torch.cat([weight[:, latent:], weight[:, :latent]], dim=1) if weight.ndim == 2 else weight
