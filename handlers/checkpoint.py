"""Tensors of a torch checkpoint, mapped where they lie in a file instead of read into memory."""

import mmap
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import torch

_LOCAL_HEADER: Final = struct.Struct("<26xHH")
"""The end of what a zip archive says before each member: lengths of its name and its extras."""

_STORAGES: Final = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "ShortStorage": torch.int16,
}


class NotPlain(Exception):
    """The checkpoint holds more than tensors, or not as torch has written them since 1.6."""


def map_tensors(archive: IO[bytes], *, path: Path, start: int = 0) -> dict[str, torch.Tensor]:
    """Give the tensors of a state dict that lies uncompressed within a file.

    They are private to this process, and nothing is read before it is used; the file must stay as
    it is for as long as they live. Nothing of the checkpoint is run: a name in its pickle that is
    no tensor's is refused.

    Args:
        archive: the checkpoint alone, seekable.
        path: the file that it is part of.
        start: where in that file it begins, in bytes.

    Raises:
        NotPlain: it cannot be mapped; torch may still know how to read it.

    """
    with path.open("rb") as whole:
        memory = mmap.mmap(whole.fileno(), 0, access=mmap.ACCESS_COPY)
    try:
        with zipfile.ZipFile(archive) as members:
            root = members.namelist()[0].partition("/")[0]
            if members.read(f"{root}/byteorder") != b"little":
                raise NotPlain(path)
            storages = {
                member.filename: _place(member, memory, start=start)
                for member in members.infolist()
                if member.filename.startswith(f"{root}/data/")
            }
            with members.open(f"{root}/data.pkl") as pickled:
                state = _Reader(pickled, memory, storages, prefix=f"{root}/data/").load()
    except (zipfile.BadZipFile, KeyError, IndexError, pickle.UnpicklingError) as error:
        raise NotPlain(path) from error
    if not isinstance(state, Mapping) or not all(
        isinstance(t, torch.Tensor) for t in state.values()
    ):
        raise NotPlain(path)
    return dict(state)


def _place(member: zipfile.ZipInfo, memory: mmap.mmap, *, start: int) -> int:
    """Where a member's bytes begin in the whole file."""
    if member.compress_type != zipfile.ZIP_STORED:
        raise NotPlain(member.filename)
    header = start + member.header_offset
    name, extras = _LOCAL_HEADER.unpack_from(memory, header)
    return header + _LOCAL_HEADER.size + int(name) + int(extras)


class _Reader(pickle.Unpickler):
    """Reads the pickle of a state dict, and nothing else."""

    def __init__(
        self, pickled: IO[bytes], memory: mmap.mmap, places: Mapping[str, int], *, prefix: str
    ) -> None:
        super().__init__(pickled)
        self._memory = memory
        self._places = places
        self._prefix = prefix
        self._storages: dict[str, torch.Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        message = f"{module}.{name} is no part of a state dict"
        raise pickle.UnpicklingError(message)

    def persistent_load(self, pid: tuple[str, torch.dtype, str, str, int]) -> torch.Tensor:
        _, dtype, key, _, count = pid
        if key not in self._storages:
            self._storages[key] = (
                torch.frombuffer(
                    self._memory,
                    dtype=dtype,
                    count=count,
                    offset=self._places[self._prefix + key],
                )
                if count
                else torch.empty(0, dtype=dtype)
            )
        return self._storages[key]


def _tensor(
    storage: torch.Tensor, offset: int, size: Sequence[int], stride: Sequence[int], *_: object
) -> torch.Tensor:
    return storage.as_strided(tuple(size), tuple(stride), offset)
