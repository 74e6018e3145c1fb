"""Inverters as files: safetensors that name the generator they belong to by content, and the reference's published encoders."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ganaudit.encoders.networks import DirectEncoder, DirectShape, Encoder, LayeredEncoder, LayeredShape, Trunk
from ganaudit.errors import RequestError
from ganaudit.generators.shapes import GeneratorShape, LayerShape
from ganaudit.keys import canonical
from ganaudit.weights import Weights, first_saying, load, network


@dataclass(frozen=True)
class OpenInverter:
    """An inverter ready to use: which method it serves, the generator it belongs to (None: not said), its file's digest."""

    encoder: Encoder
    method: str
    generator: str | None
    sha256: str
    path: Path


def save_inverter(
    encoder: Encoder, weights: Mapping[str, Tensor], generator: str, recipe: Mapping[str, Any], path: Path
) -> None:
    """Writes safetensors: convolutions in half precision, vectors (biases, batch norms) in full."""
    from safetensors.torch import save_file

    method = "layered" if isinstance(encoder, LayeredEncoder) else "encoder"
    metadata = {
        "inverter": method, "shape": canonical(asdict(encoder.shape)), "generator": generator,
        "recipe": canonical(dict(recipe)),
    }  # fmt: skip
    tensors = {name: (value.half() if value.ndim > 1 else value).contiguous() for name, value in weights.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata)


def open_inverter(path: Path, generator: str | None = None, sha256: str | None = None) -> OpenInverter:
    """The inverter of a file. Raises RequestError where it is none, or belongs to another generator than `generator`."""
    loaded = load(str(path), sha256=sha256)
    if loaded.path.suffix != ".safetensors":
        return reference_encoder(loaded)
    belongs = loaded.metadata.get("generator")
    if generator is not None and belongs != generator:
        raise RequestError(
            f"the inverter {loaded.path} belongs to the generator {belongs}, this one is {generator}: "
            "an inverter knows one generator alone; train one for it with ganaudit train inverter"
        )
    method, shape = _shape(loaded)
    if isinstance(shape, LayeredShape):
        return OpenInverter(network(loaded, lambda _: LayeredEncoder(shape)), method, belongs, loaded.sha256, loaded.path)
    direct = shape
    return OpenInverter(network(loaded, lambda _: DirectEncoder(direct)), method, belongs, loaded.sha256, loaded.path)


def _shape(weights: Weights) -> tuple[str, LayeredShape | DirectShape]:
    method = weights.metadata.get("inverter", "")
    try:
        shape = json.loads(weights.metadata["shape"])
        trunk: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in shape["trunk"].items()}
        shape["trunk"] = Trunk(**trunk)
        if method == "encoder":
            return method, DirectShape(**shape)
        shape["layers"] = tuple(LayerShape(**layer) for layer in shape["layers"])
        shape["last"] = tuple(shape["last"])
        if method == "layered":
            return method, LayeredShape(**shape)
    except (KeyError, TypeError, ValueError) as error:
        raise RequestError(f"{weights.path} is no inverter (its metadata are not usable: {error})") from None
    raise RequestError(f"{weights.path} is no inverter of ganaudit (its metadata say inverter: {method!r})")


def builtin_folder() -> Path:
    """Where the shipped inverters are."""
    return Path(str(importlib.resources.files("ganaudit.village") / "inverters"))


def find_inverter(generator: str, method: str, folders: Iterable[Path] = ()) -> Path | None:
    """The first file in `folders`, then among the shipped ones, that inverts the generator with this digest by `method`."""
    return first_saying((*folders, builtin_folder()), {"generator": generator, "inverter": method})


REFERENCE = (("layer1", 4), ("layer2", 4), ("layer3", 8), ("layer4", 8))
"""The layers that the published encoders invert, with their sides in pixels."""


def reference_encoder(weights: Weights, halfsize: bool = False) -> OpenInverter:
    """An encoder as davidbau/ganseeing publishes it (`…_invert_hybrid_cse-….pth`), in this project's class.

    halfsize: for generators of 128 pixels, whose first maximum does not halve. Raises RequestError for any other file. Such a
    file does not say which generator it belongs to.
    """
    plain = {name.removeprefix("model."): value for name, value in weights.tensors.items()}
    try:
        latent, hidden = plain["inv1.conv2.weight"].shape[0], plain["inv1.conv1.weight"].shape[0]
        channels = {
            name: int(plain[f"inv{number}.conv1.weight"].shape[1]) for number, (name, _) in enumerate(REFERENCE, start=1)
        }
        widths = tuple(int(plain[f"resnet.layer{number}.0.conv1.weight"].shape[0]) for number in range(1, 5))
    except (KeyError, IndexError) as missing:
        raise RequestError(
            f"{weights.path} is neither an inverter of ganaudit nor a published layered encoder (no {missing})"
        ) from None
    layers = tuple(LayerShape(name, channels[name], side, side) for name, side in REFERENCE)
    last = tuple(name for number, (name, _) in enumerate(REFERENCE, start=1) if f"inv{number}.conv3.weight" in plain)
    blocks = sum(f"resnet.layer1.{place}.conv1.weight" in plain for place in range(8))
    trunk = Trunk(widths, (1, 2, 2, 2), blocks=blocks, kernel=7, stride=2, pool=1 if halfsize else 2)
    shape = LayeredShape(128 if halfsize else 256, int(latent), layers, trunk, int(hidden), True, True, last)
    renamed = {_ours(name): value for name, value in plain.items()}
    encoder = network(replace(weights, tensors=renamed), lambda _: LayeredEncoder(shape))
    return OpenInverter(encoder, "layered", None, weights.sha256, weights.path)


def _ours(name: str) -> str:
    return name.replace("resnet.layer5.conv5.", "features.head.").replace("resnet.", "features.")


def check_fit(inverter: OpenInverter, shape: GeneratorShape) -> None:
    """Raises RequestError where an inverter's latent, resolution or layers are not the generator's."""
    theirs = inverter.encoder.shape
    if (theirs.latent, theirs.resolution) != (shape.latent, shape.resolution):
        raise RequestError(
            f"the inverter {inverter.path} gives {theirs.latent} numbers for images of {theirs.resolution} pixels; "
            f"this generator takes {shape.latent} and makes {shape.resolution}"
        )
    if isinstance(theirs, LayeredShape) and shape.layers[: len(theirs.layers)] != theirs.layers:
        raise RequestError(f"the inverter {inverter.path} was made for other layers than this generator's")
