"""What a checkpoint holds as JSON and bytes, every tensor measured against its storage first."""

from __future__ import annotations

from typing import Any

from ganaudit.pickled.stand_ins import SIZES, Array, Module, Named, NumpyType, Refused, Storage, Tensor, shown

DEPTH, NODES, TEXT = 100, 2_000_000, 1_000_000
"""What a checkpoint has at most: levels of nesting, values, characters of one text."""
SHARED = 8
"""How many times over the bytes of a file may be used by its tensors: some share theirs."""


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
        plain = self.plain(value, "", ())
        return {
            "value": plain, "tensors": self.tensors, "storages": list(map(len, self.pieces)), "left_out": self.left_out[:1000]
        }  # fmt: skip

    def plain(self, value: Any, where: str, above: tuple[int, ...]) -> Any:
        """A value in JSON: {"t": n} is tensor n, {"d": pairs} a dict, {"x": 0} what was left out."""
        self.nodes += 1
        if self.nodes > NODES:
            raise Refused(f"it holds more than {NODES:,} values; a checkpoint is tensors and a few words about them")
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
            raise Refused("it holds an object of NVIDIA's persistence without a state")
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
            inner = module.said.get("state") if isinstance(module, Module) else None
            if not isinstance(inner, dict):
                raise Refused(f"{shown(prefix + str(name))} in it is no network of NVIDIA's persistence")
            self.walked(inner, f"{prefix}{name}.", tensors, depth + 1)

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
