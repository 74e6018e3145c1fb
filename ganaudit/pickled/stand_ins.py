"""What a pickle is given for each global that it asks for: a stand-in from one table, none of which calls, imports or opens
anything. What is not in the table is refused by its name."""

from __future__ import annotations

import struct
from collections import OrderedDict
from typing import Any

SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
DTYPES = {
    "float64": "F64", "double": "F64", "float32": "F32", "float": "F32", "float16": "F16", "half": "F16", "bfloat16": "BF16",
    "int64": "I64", "long": "I64", "int32": "I32", "int": "I32", "int16": "I16", "short": "I16", "int8": "I8", "uint8": "U8",
    "bool": "BOOL",
}  # fmt: skip
STORAGES = {
    "DoubleStorage": "F64", "FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16", "LongStorage": "I64",
    "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8", "ByteStorage": "U8", "BoolStorage": "BOOL",
    "UntypedStorage": "U8",
}  # fmt: skip
NUMPY = {
    "f8": "F64", "f4": "F32", "f2": "F16", "i8": "I64", "i4": "I32", "i2": "I16", "i1": "I8", "u1": "U8", "b1": "BOOL",
    "?": "BOOL",
}  # fmt: skip
SCALARS = {
    "F64": "<d", "F32": "<f", "F16": "<e", "I64": "<q", "I32": "<i", "I16": "<h", "I8": "<b", "U8": "<B", "BOOL": "<?",
}  # fmt: skip


class Refused(Exception):
    """Why a file is not read: the end of a sentence that begins with its name."""


class Named:
    """Something that a pickle names and that is no value: a type of numbers, a class."""

    def __init__(self, name: str, dtype: str | None = None) -> None:
        self.name, self.dtype = name, dtype


class Storage:
    """Bytes of tensors. key: where they are, until `data` holds them."""

    def __init__(self, dtype: str, key: str = "", data: bytes | None = None, numel: int = 0) -> None:
        self.dtype, self.key, self.data, self.numel = dtype, key, data, numel


class Tensor:
    """A view of a storage; offset and stride in numbers, as in PyTorch."""

    def __init__(self, storage: Any, offset: Any, shape: Any, stride: Any, dtype: str | None = None) -> None:
        self.storage, self.offset, self.shape, self.stride = storage, offset, shape, stride
        self.dtype = dtype if dtype is not None else getattr(storage, "dtype", None)


class NumpyType:
    """A numpy dtype."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1:
            self.order = state[1]

    def dtype(self) -> str:
        """Its name here. Raises Refused for one that is no plain number."""
        code = str(self.code).lstrip("<=|")
        if self.order == ">" or code not in NUMPY:
            raise Refused(f"it holds a numpy array of type {shown(str(self.code))}, which is no plain number of this machine")
        return NUMPY[code]


class Array:
    """A numpy array: (version, shape, dtype, whether columns come first, bytes)."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Fields(dict[Any, Any]):
    """An object that is its attributes: argparse.Namespace, EasyDict."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.update(state)


class Graph(Fields):
    """A network of NVIDIA's TensorFlow code: its attributes, of which `variables` are its own and `components` networks."""


class Module:
    """A network of NVIDIA's `persistence`: what it says of itself, without the source text that it carries."""

    def __init__(self, said: Any) -> None:
        self.said = said


class Whole(Module):
    """A network that was pickled as an object of its class: its attributes, as `state`."""

    said: Any = None

    def __init__(self, *_: Any) -> None:
        self.said = None

    def __setstate__(self, state: Any) -> None:
        self.said = {"class_name": type(self).__name__, "state": state}


WHOLE = {
    "torch.nn.modules.container": ("ModuleList",), "torch.nn.modules.conv": ("Conv2d",), "torch.nn.modules.linear": ("Linear",),
    "training.networks": ("Generator", "Discriminator"),
    "R3GAN.Networks": (
        "Convolution", "ResidualBlock", "UpsampleLayer", "DownsampleLayer", "GenerativeBasis", "DiscriminativeBasis",
        "GeneratorStage", "DiscriminatorStage", "Generator", "Discriminator",
    ),
    "R3GAN.Resamplers": tuple(
        f"Interpolative{way}sampler{where}" for way in ("Up", "Down") for where in ("CUDA", "Reference")
    ),
    "R3GAN.FusedOperators": ("BiasedActivationCUDA", "BiasedActivationReference"),
}  # fmt: skip
"""The classes of R3GAN, whose files hold whole networks: each is a stand-in of its name."""


def frombuffer(buffer: Any, dtype: Any, shape: Any, order: Any = "C") -> Array:
    array = Array()
    array.state = (1, shape, dtype, order == "F", bytes(buffer))
    return array


def scalar(dtype: Any, data: Any = b"") -> Any:
    name = dtype.dtype()
    value = struct.unpack(SCALARS[name], data.encode("latin1") if isinstance(data, str) else data)[0]
    return value


def encoded(text: Any, codec: Any = "latin1", *_: Any) -> bytes:
    """How protocol 2 spells bytes."""
    if codec not in ("latin1", "latin-1"):
        raise Refused(f"it asks for the codec {shown(str(codec))}")
    return str(text).encode("latin1")


def rebuilt(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> Tensor:
    return Tensor(storage, offset, shape, stride)


def rebuilt_typed(storage: Any, offset: Any, shape: Any, stride: Any, _: Any, hooks: Any, dtype: Any, *more: Any) -> Tensor:
    return Tensor(storage, offset, shape, stride, dtype.dtype)


def parameter(data: Any = None, *_: Any) -> Any:
    return data


def of_type(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
    """A tensor with attributes: the tensor."""
    if function not in (rebuilt, rebuilt_typed, parameter):
        raise Refused("it holds a tensor of an own kind")
    return function(*arguments)


def reconstructed(kind: Any, base: Any = None, state: Any = None) -> Any:
    """How protocols 0 and 1 spell an object."""
    if kind not in (Fields, Graph, OrderedDict):
        raise Refused("it holds an object of an unknown kind")
    return kind() if state is None else kind(state)


def joined(*parts: Any) -> str:
    return "/".join(map(str, parts))


def text(*parts: Any) -> str:
    return ":".join(map(str, parts))


def collected(kind: Any = None, *arguments: Any) -> Any:
    """A defaultdict as a dict: what it would make for a new key is not needed."""
    return dict(*arguments)


def _globals() -> dict[tuple[str, str], Any]:
    table: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): OrderedDict, ("collections", "defaultdict"): collected,
        ("collections", "Counter"): Fields, ("copyreg", "_reconstructor"): reconstructed, ("_codecs", "encode"): encoded,
        ("argparse", "Namespace"): Fields, ("dnnlib.util", "EasyDict"): Fields, ("easydict", "EasyDict"): Fields,
        ("dnnlib.tflib.network", "Network"): Graph, ("tfutil", "Network"): Graph,
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): Module,
        ("torch._utils", "_rebuild_tensor"): rebuilt, ("torch._utils", "_rebuild_tensor_v2"): rebuilt,
        ("torch._utils", "_rebuild_tensor_v3"): rebuilt_typed, ("torch._utils", "_rebuild_parameter"): parameter,
        ("torch._utils", "_rebuild_parameter_with_state"): parameter, ("torch._tensor", "_rebuild_from_type_v2"): of_type,
        ("torch.nn.parameter", "Parameter"): parameter, ("torch", "Size"): tuple, ("torch", "device"): text,
        ("torch", "Tensor"): Named("torch.Tensor"), ("pathlib", "Path"): joined, ("pathlib", "PosixPath"): joined,
        ("pathlib", "PurePosixPath"): joined, ("numpy", "ndarray"): Named("numpy.ndarray"), ("numpy", "dtype"): NumpyType,
    }  # fmt: skip
    for module, names in WHOLE.items():
        table |= {(module, name): type(name, (Whole,), {}) for name in names}
    for core in ("numpy.core", "numpy._core"):
        table[f"{core}.multiarray", "_reconstruct"] = Array
        table[f"{core}.multiarray", "scalar"] = scalar
        table[f"{core}.numeric", "_frombuffer"] = frombuffer
    for kind in (set, frozenset, list, dict, tuple, int, float, bool, str):
        table["builtins", kind.__name__] = kind
    table["builtins", "object"] = Named("object")
    for name, dtype in DTYPES.items():
        table["torch", name] = Named(f"torch.{name}", dtype)
    for name, dtype in STORAGES.items():
        table["torch", name] = table["torch.storage", name] = Named(f"torch.{name}", dtype)
    return table


GLOBALS = _globals()
"""All that a pickle may ask for."""
OLDER = {"__builtin__": "builtins", "copy_reg": "copyreg"}


def advice(module: str) -> str:
    if module == "torch.nn" or module.startswith("torch.nn."):
        return "a whole network, which is code; where it was made, save its state dict: torch.save(model.state_dict(), …)"
    return "which is no tensor and no plain value, and is never run; save the state dict where the file was made"


def shown(name: str) -> str:
    plain = repr(name)[1:-1]
    return plain if len(plain) <= 80 else f"{plain[:80]}…"
