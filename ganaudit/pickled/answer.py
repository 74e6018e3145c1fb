"""What a checkpoint holds as JSON and bytes, every tensor measured against its storage first."""

from __future__ import annotations

import struct
from typing import Any

from ganaudit.pickled.stand_ins import SIZES, Array, Graph, Module, Named, NumpyType, Refused, Storage, Tensor, Whole, shown

DEPTH, NODES, TEXT = 100, 2_000_000, 1_000_000
"""What a checkpoint has at most: levels of nesting, values, characters of one text."""
TOO_MANY = f"it holds more than {NODES:,} values; a checkpoint is tensors and a few words about them"
SHARED = 8
"""How many times over the bytes of a file may be used by its tensors: some share theirs."""


def _values(value: Any, depth: int, known: dict[int, int]) -> int:
    """How many values lists and dicts within each other come to, each of them looked into once, however many hold it: a file of
    a kilobyte may come to 2 to the power of 40. What is nested beyond DEPTH, or holds itself, counts as one."""
    if not isinstance(value, list | tuple | dict) or depth > DEPTH:
        return 1
    if id(value) not in known:
        known[id(value)] = 1
        inside = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_values(each, depth + 1, known) for each in inside)
    return known[id(value)]


class Answer:
    """Stand-ins on their way to JSON. size: bytes of the file. pieces: the bytes of the storages that tensors are in."""

    def __init__(self, size: int, left_out: list[str]) -> None:
        self.size, self.left_out = size, left_out
        self.tensors: list[list[Any]] = []
        self.pieces: list[bytes] = []
        self.places: dict[int, int] = {}
        self.kept: list[Any] = []
        self.nodes, self.bytes_used = 0, 0

    def said(self, value: Any) -> dict[str, Any]:
        """`value` in JSON, the tensors that it refers to, and the sizes of their storages. Raises Refused."""
        if _values(value, 0, {}) > NODES:
            raise Refused(TOO_MANY)
        plain = self.plain(value, "", ())
        return {
            "value": plain, "tensors": self.tensors, "storages": list(map(len, self.pieces)), "left_out": self.left_out[:1000]
        }  # fmt: skip

    def plain(self, value: Any, where: str, above: tuple[int, ...]) -> Any:
        """A value in JSON: {"t": n} is tensor n, {"d": pairs} a dict, {"x": 0} what was left out."""
        self.nodes += 1
        if self.nodes > NODES:
            raise Refused(TOO_MANY)
        if value is None or type(value) is bool or type(value) is float:
            return value
        if type(value) is int:
            return value if value.bit_length() < 64 else self.left(where, f"a number of {value.bit_length():,} bits")
        if isinstance(value, str):
            return value[:] if len(value) <= TEXT else self.left(where, f"a text of {len(value):,} characters")
        if isinstance(value, bytes | bytearray):
            return self.left(where, f"{len(value):,} bytes that are no tensor")
        if isinstance(value, Named):
            return value.name
        if id(value) in above:
            raise Refused(f"{shown(where) or 'what it holds'} holds itself")
        if len(above) > DEPTH:
            raise Refused(f"it is nested more than {DEPTH} deep")
        inside = (*above, id(value))
        if isinstance(value, Tensor | Array):
            return self.tensor(value, where) if isinstance(value, Tensor) else self.array(value, where, inside)
        if isinstance(value, Module):
            return self.module(value, where, inside)
        if isinstance(value, Graph):
            return self.graph(value, where, inside)
        if isinstance(value, list | tuple) and value and all(isinstance(each, Graph) for each in value):
            return self.mapping(self.by_name(value), where, inside)
        if isinstance(value, dict):
            return self.mapping(value, where, inside)
        if isinstance(value, list | tuple | set | frozenset):
            return [self.plain(entry, f"{where}.{place}", inside) for place, entry in enumerate(value)]
        return self.left(where, "a class, a function or a storage that no tensor has")

    def left(self, where: str, what: str) -> dict[str, int]:
        self.left_out.append(f"{shown(where) or 'the whole'}: {what}")
        return {"x": 0}

    def mapping(self, value: Any, where: str, inside: tuple[int, ...]) -> dict[str, Any]:
        pairs: dict[str, Any] = {}
        for key, entry in value.items():
            if not isinstance(key, str | int | float | bool | None):
                self.left(where, "an entry whose name is no text")
                continue
            name = str(key)
            if name in pairs or len(name) > 1000:
                raise Refused(f"two of its entries are called {shown(name)}" if name in pairs else "a name in it has no end")
            below = f"{where}.{name}" if where else name
            source = name in ("module_src", "build_module_src", "_build_module_src")
            pairs[name] = self.left(below, "source text, never run") if source else self.plain(entry, below, inside)
        return {"d": list(pairs.items())}

    def module(self, value: Module, where: str, inside: tuple[int, ...]) -> dict[str, Any]:
        """NVIDIA's networks: class_name, init_args, init_kwargs, state_dict. An object that is none: its attributes."""
        said = value.said
        state = said.get("state") if isinstance(said, dict) else None
        if not isinstance(state, dict):
            raise Refused("it holds a network without a state")
        if not isinstance(value, Whole):
            self.left(f"{where}.module_src", "source text, never run")
        names: Any = {"class_name": said.get("class_name")}
        if "_parameters" not in state:
            return self.mapping({**names, **state}, where, inside)
        for key in ("_init_args", "_init_kwargs"):
            names[key[1:]] = state.get(key)
        plain = {key: entry for key, entry in state.items() if isinstance(entry, int | float | str | bool) and key[:1] != "_"}
        tensors: dict[str, Any] = {}
        self.walked(state, "", tensors, 0)
        return self.mapping({**names, "attributes": plain, "state_dict": tensors}, where, inside)

    def walked(self, state: Any, prefix: str, tensors: dict[str, Any], depth: int) -> None:
        """The state dict of a network's __dict__, with those of the networks in it."""
        self.nodes += 1
        if depth > DEPTH or self.nodes > NODES:
            raise Refused(f"it is nested more than {DEPTH} deep")
        absent = state.get("_non_persistent_buffers_set") or ()
        for group in ("_parameters", "_buffers"):
            for name, tensor in (state.get(group) or {}).items():
                if tensor is not None and not (group == "_buffers" and name in absent):
                    tensors[f"{prefix}{name}"] = tensor
        for name, module in (state.get("_modules") or {}).items():
            if module is None:
                continue
            said = module.said if isinstance(module, Module) else None
            inner = said.get("state") if isinstance(said, dict) else None
            if not isinstance(inner, dict):
                raise Refused(f"{shown(prefix + str(name))} in it is no network that is known how to read")
            self.walked(inner, f"{prefix}{name}.", tensors, depth + 1)

    def by_name(self, graphs: Any) -> dict[str, Any]:
        """TensorFlow networks that were saved together, by their own names: `G`, `D`, and `Gs`, whose weights are averages."""
        named: dict[str, Any] = {}
        for graph in graphs:
            name = graph.get("name")
            if not isinstance(name, str) or named.setdefault(name, graph) is not graph:
                raise Refused("its TensorFlow networks are not told apart by names of their own")
        return named

    def graph(self, value: Graph, where: str, inside: tuple[int, ...]) -> dict[str, Any]:
        """A TensorFlow network: class_name, version, static_kwargs, and as state_dict its variables and those of the networks
        in it, whose names follow theirs after a /."""
        self.left(f"{where}.build_module_src", "source text, never run")
        variables: dict[str, Any] = {}
        self.gathered(value, "", variables, 0)
        said = {key: value.get(key) for key in ("version", "static_kwargs")}
        return self.mapping({"class_name": value.get("build_func_name"), **said, "state_dict": variables}, where, inside)

    def gathered(self, graph: Graph, prefix: str, variables: dict[str, Any], depth: int) -> None:
        """The variables of a TensorFlow network, and of those in it."""
        self.nodes += 1
        if depth > DEPTH or self.nodes > NODES:
            raise Refused(f"it is nested more than {DEPTH} deep")
        own, components = graph.get("variables"), graph.get("components") or {}
        pairs: Any = own if isinstance(own, list | tuple) else [None]
        if not all(isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs):
            raise Refused(f"the TensorFlow network {shown(prefix)} in it has no variables by name")
        for name, value in pairs:
            if prefix + name in variables:
                raise Refused(f"two variables in it are called {shown(prefix + name)}")
            variables[prefix + name] = alone(value)
        if not isinstance(components, dict) or not all(isinstance(each, Graph) for each in components.values()):
            raise Refused(f"the TensorFlow network {shown(prefix)} in it is made of something else than networks")
        for name, component in components.items():
            self.gathered(component, f"{prefix}{name}/", variables, depth + 1)

    def tensor(self, value: Tensor, where: str) -> dict[str, int]:
        storage, offset, dtype = value.storage, value.offset, value.dtype
        shape, stride = tuple(value.shape), tuple(value.stride)
        whole = all(type(number) is int and number >= 0 for number in (*shape, *stride, offset))
        if not isinstance(storage, Storage) or storage.data is None or dtype not in SIZES or not whole:
            raise Refused(f"the tensor {shown(where)} is none: its storage, shape or type is of the wrong kind")
        count = 1
        for side in shape:
            count *= side
        own = count * SIZES[dtype]
        self.bytes_used += own
        if own > self.size or self.bytes_used > SHARED * self.size or len(shape) > 16:
            raise Refused(f"it holds a tensor that is larger than the file: {shown(where)}, {shown(str(shape))}")
        last = offset + sum((side - 1) * step for side, step in zip(shape, stride, strict=True)) if count else offset - 1
        if (last + 1) * SIZES[dtype] > len(storage.data):
            raise Refused(f"the tensor {shown(where)} reaches beyond its storage of {len(storage.data):,} bytes")
        if id(storage) not in self.places:
            self.places[id(storage)] = len(self.pieces)
            self.pieces.append(storage.data)
            self.kept.append(storage)  # its id stays its own
        self.tensors.append([dtype, self.places[id(storage)], offset, shape, stride])
        return {"t": len(self.tensors) - 1}

    def array(self, value: Array, where: str, inside: tuple[int, ...]) -> Any:
        state = value.state
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], NumpyType):
            raise Refused(f"the numpy array {shown(where)} is damaged")
        _, shape, kind, columns, data = state
        if isinstance(data, list):
            return [self.plain(entry, f"{where}.{place}", inside) for place, entry in enumerate(data)]
        data = data.encode("latin1") if isinstance(data, str) else data
        stride, step = [], 1
        for side in shape if columns else reversed(shape):
            stride.append(step)
            step *= side
        storage = Storage(kind.dtype(), "", bytes(data))
        return self.tensor(Tensor(storage, 0, shape, stride if columns else stride[::-1]), where)


def alone(value: Any) -> Any:
    """A number, as numpy saves a variable that is one, as a tensor of no dimensions."""
    if type(value) is not float:
        return value
    try:
        short = struct.pack("<f", value)
    except OverflowError:
        short = b""
    if short and struct.unpack("<f", short)[0] == value:
        return Tensor(Storage("F32", data=short), 0, (), ())
    return Tensor(Storage("F64", data=struct.pack("<d", value)), 0, (), ())
