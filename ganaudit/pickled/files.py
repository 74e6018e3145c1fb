"""The formats that pickled checkpoints come in: both of torch.save, plain pickles, and checkpoints inside them."""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import Any

from ganaudit.pickled.stand_ins import GLOBALS, OLDER, SIZES, Named, Refused, Storage, advice, shown

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
"""How the format of torch.save before 1.6 begins."""
NESTED = 4
"""Checkpoints inside checkpoints, as NVIDIA's pickles have them."""
ENTRIES, SLACK = 200_000, 1_000_000
"""Entries that an archive has at most, and bytes by which they may be larger than it."""


class Unpickler(pickle.Unpickler):
    """Builds stand-ins. storages: by key, filled by whoever has the bytes."""

    def __init__(self, file: io.BytesIO, file_of: File) -> None:
        super().__init__(file, encoding="latin1")  # strings of Python 2, which may be the bytes of arrays
        self.of = file_of
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        module = OLDER.get(module, module)
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return self.of.nested
        if (module, name) not in GLOBALS:
            raise Refused(f"it asks for {shown(f'{module}.{name}')}, {advice(module)}")
        return GLOBALS[module, name]

    def persistent_load(self, pid: Any) -> Any:
        if not (isinstance(pid, tuple) and len(pid) in (5, 6) and pid[0] == "storage" and isinstance(pid[1], Named)):
            raise Refused("it names a part outside itself that is no storage of a tensor")
        if len(pid) == 6 and pid[5] is not None:
            raise Refused("it holds views of storages, as PyTorch before 0.4 saved them; save it anew")
        _, kind, key, _, numel = pid[:5]
        if kind.dtype is None or not isinstance(key, str) or type(numel) is not int:
            raise Refused("a storage in it is no storage")
        return self.storages.setdefault(key, Storage(kind.dtype, key, None, numel))


SIGNATURES = (
    (b"\x1f\x8b", "gzip-compressed; unpack it first"), (b"BZh", "bzip2-compressed; unpack it first"),
    (b"\xfd7zXZ", "xz-compressed; unpack it first"), (b"\x28\xb5\x2f\xfd", "zstd-compressed; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"), (b"Rar!", "a rar archive; unpack it first"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file; fetch the file itself (git lfs pull)"),
    (b"\x89HDF", "an HDF5 file (Keras); no family here is saved so"), (b"\x93NUMPY", "one numpy array; no network is saved so"),
    (b"%PDF", "a PDF"), (b"\x89PNG", "a picture"), (b"\xff\xd8\xff", "a picture"), (b"GIF8", "a picture"),
    (b"\x7fELF", "a program"),
)  # fmt: skip


class File:
    """A file's bytes. left_out: what of it is not read, in words."""

    def __init__(self, content: bytes) -> None:
        self.content, self.depth = content, 0
        self.left_out: list[str] = []

    def holds(self) -> Any:
        """What the file holds, in stand-ins. Raises Refused, or whatever a damaged pickle makes its reader raise."""
        return self.value(self.content)

    def value(self, content: bytes) -> Any:
        if not content:
            raise Refused("it is empty")
        head = content[:512].lstrip()
        if head[:1] == b"<" or head[:2] == b'{"':
            raise Refused("it is a page of text, an answer of a server that was saved in its place; download it again")
        for signature, what in SIGNATURES:
            if content.startswith(signature):
                raise Refused(f"it is {what}")
        if content[257:262] == b"ustar":
            raise Refused("it is a tar archive; unpack it first, and name the checkpoint inside")
        return self.zipped(content) if content[:2] == b"PK" else self.pickled(content)

    def nested(self, content: Any) -> Any:
        """A checkpoint inside a checkpoint."""
        if type(content) is not bytes or self.depth >= NESTED:
            raise Refused(f"it holds checkpoints in checkpoints, more than {NESTED} deep")
        self.depth += 1
        value = self.value(content)
        self.depth -= 1
        return value

    def zipped(self, content: bytes) -> Any:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            names = check_entries(entries, len(content))
            if any(name.endswith("constants.pkl") for name in names) or any("/code/" in f"/{name}" for name in names):
                raise Refused(
                    "it is a TorchScript program, whose code is not run; save the state dict (model.state_dict()), or name "
                    "kind: torchscript"
                )
            if any(name.endswith(".npy") for name in names):
                raise Refused("it is an archive of numpy arrays; no family here is saved so")
            pickles = [name for name in names if name.rsplit("/", 1)[-1] == "data.pkl"]
            if len(pickles) != 1:
                what = "no data.pkl" if not pickles else f"{len(pickles)} of data.pkl"
                raise Refused(f"it is a zip with {what}, not one that torch.save wrote; it holds {few(sorted(names))}")
            folder = pickles[0].removesuffix("data.pkl")
            if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") != b"little":
                raise Refused("its numbers have the byte order of another kind of machine; save it anew on this kind")
            unpickler = Unpickler(io.BytesIO(archive.read(pickles[0])), self)
            value = unpickler.load()
            for key, storage in unpickler.storages.items():
                if f"{folder}data/{key}" not in names:
                    raise Refused(f"the storage {shown(key)} of a tensor is missing in it")
                storage.data = archive.read(f"{folder}data/{key}")
        return value

    def pickled(self, content: bytes) -> Any:
        file = io.BytesIO(content)
        if content[:1] != b"\x80" and not plausible(content):
            raise Refused(f"it is no checkpoint: neither safetensors, a zip nor a pickle; it begins with {content[:8]!r}")
        unpickler = Unpickler(file, self)
        value = unpickler.load()
        if type(value) is not int or value != MAGIC:
            rest = len(content) - file.tell()
            if rest:
                self.left_out.append(f"{rest:,} bytes after the first pickle")
            if unpickler.storages:
                raise Refused("it holds tensors whose numbers are not in it")
            return value
        if Unpickler(file, self).load() != PROTOCOL:
            raise Refused("it is of an unknown version of torch.save")
        system = Unpickler(file, self).load()
        if isinstance(system, dict) and system.get("little_endian") is False:
            raise Refused("its numbers have the byte order of another kind of machine; save it anew on this kind")
        unpickler = Unpickler(file, self)
        value = unpickler.load()
        for key in Unpickler(file, self).load():
            storage = unpickler.storages.get(key)
            if storage is None:
                raise Refused("it lists a storage that no tensor has")
            head = file.read(8)
            count = int.from_bytes(head, "little", signed=True)
            if len(head) < 8 or not 0 <= count * SIZES[storage.dtype] <= len(content):
                raise Refused("it is cut off within its tensors, or says that they are larger than the file; download it again")
            storage.data = file.read(count * SIZES[storage.dtype])
        return value


def plausible(content: bytes) -> bool:
    """Whether bytes may be a pickle of protocol 0 or 1."""
    return content[:1] in b"(]}c)lidISVFLNKJMGUXTT\x80" and content.rstrip()[-1:] == b"."


def few(names: list[str]) -> str:
    return ", ".join(map(shown, names[:3])) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "") or "nothing"


def check_entries(entries: list[zipfile.ZipInfo], size: int) -> set[str]:
    """The names in an archive. Raises Refused for paths that lead out, links, and more than it holds."""
    if len(entries) > ENTRIES:
        raise Refused(f"it is a zip of {len(entries):,} entries")
    names: set[str] = set()
    for entry in entries:
        name = entry.filename
        if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or name[1:2] == ":":
            raise Refused(f"the entry {shown(name)} of its archive leads out of it")
        if (entry.external_attr >> 16) & 0o170000 == 0o120000:
            raise Refused(f"the entry {shown(name)} of its archive is a link")
        if name in names:
            raise Refused(f"two entries of its archive are called {shown(name)}")
        if entry.flag_bits & 1:
            raise Refused("its archive is encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused("its archive is compressed in a way that torch.save does not know")
        names.add(name)
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > size + SLACK:
        raise Refused(f"{size:,} bytes that unpack to {unpacked:,}")
    return names
