"""Finds files that break off, by what their own structure promises.

Decoders play what is there and call it done: FFmpeg shortens a cut WAV file's duration to fit, and
libsndfile fills a cut MP3 file up with silence. So the promise is read here, before decoding.
Formats without one (ADTS, AMR, MPEG-TS) cannot be judged, and neither can streamed files whose
header was written before their length was known.
"""

import os
from struct import Struct
from typing import IO

_TOLERANCE_BYTES = 2048
"""Careless writers count their header, or a tag, as samples: milliseconds, not a missing end."""

_MOST_PARTS = 200_000
"""More chunks than any sound file has; a file made of empty ones would be walked for minutes."""

_LARGEST_FILE = 2**40
"""Further than any recording reaches. Damage can point where not even a seek may go."""

_RIFF_CHUNK = Struct("<4sI")
_RF64_SIZES = Struct("<8xQ")
_BOX = Struct(">I4s")
_BOX_LONG = Struct(">Q")
_OGG_PAGE = Struct("<4s22xB")
_OGG_LONGEST_PAGE = 65_307
_MP3_HEAD = 200  # holds the first frame's header, its side information and the Xing header
_MP3_SYNC = 0x7FF  # eleven set bits begin every frame
_UNKNOWN_32 = 2**32 - 1

_EBML_HEADER = 0x1A45DFA3
_EBML_SEGMENT = 0x18538067


def missing_part(file: IO[bytes]) -> str | None:
    """Say what is missing of an audio file, in a clause; None where nothing is known to be.

    Args:
        file: seekable; its position is moved.

    """
    size = file.seek(0, os.SEEK_END)
    head = _read(file, 0, 12)
    if head[:4] in {b"RIFF", b"RF64", b"BW64"} and head[8:] == b"WAVE":
        return _of_wave(file, size)
    if head[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}:
        return _of_mp4(file, size)
    if head[:4] == b"OggS":
        return _of_ogg(file, size)
    if head[:4] == _EBML_HEADER.to_bytes(4, "big"):
        return _of_matroska(file, size)
    return _of_mp3(file, size)


def _read(file: IO[bytes], offset: int, count: int) -> bytes:
    if offset > _LARGEST_FILE:
        return b""
    file.seek(offset)
    return file.read(count)


def _shortage(promised: int, size: int, *, tolerance: int = 0) -> str | None:
    if promised - size <= tolerance:
        return None
    return f"it announces {promised} bytes, and {size} are there"


def _of_wave(file: IO[bytes], size: int) -> str | None:
    offset = 12
    long_length = None
    for _ in range(_MOST_PARTS):
        chunk = _read(file, offset, _RIFF_CHUNK.size)
        if len(chunk) < _RIFF_CHUNK.size:
            break
        name, length = _RIFF_CHUNK.unpack(chunk)
        offset += _RIFF_CHUNK.size
        if name == b"ds64" and size >= offset + _RF64_SIZES.size:
            (long_length,) = _RF64_SIZES.unpack(_read(file, offset, _RF64_SIZES.size))
        if name == b"data":
            if long_length is not None and length == _UNKNOWN_32:
                length = long_length
            elif _is_open_ended(length):
                return None
            return _shortage(offset + length, size, tolerance=_TOLERANCE_BYTES)
        offset += length + length % 2
    return None


def _is_open_ended(length: int) -> bool:
    """Whether a writer to a pipe put the greatest length it could, or nothing, for the unknown."""
    return -length % 2**31 <= 2**16


def _of_mp4(file: IO[bytes], size: int) -> str | None:
    offset = 0
    has_index = False
    for _ in range(_MOST_PARTS):
        box = _read(file, offset, _BOX.size)
        if len(box) < _BOX.size:
            break
        length, name = _BOX.unpack(box)
        has_index = has_index or name == b"moov"
        if length == 1:
            long_box = _read(file, offset + _BOX.size, _BOX_LONG.size)
            length = _BOX_LONG.unpack(long_box.ljust(_BOX_LONG.size, b"\0"))[0]
        if length < _BOX.size:  # to the end of the file, or padding that is no box
            break
        offset += length
        if name in {b"moov", b"mdat", b"moof"} and offset > size:
            return _shortage(offset, size)
    return None if has_index else "its index (moov) is missing, as when a recorder is stopped hard"


def _of_ogg(file: IO[bytes], size: int) -> str | None:
    start = max(0, size - 2 * _OGG_LONGEST_PAGE)
    tail = _read(file, start, size - start)
    last = tail.rfind(b"OggS")
    page = tail[last : last + _OGG_PAGE.size]
    if last < 0:
        return None
    if len(page) < _OGG_PAGE.size:
        return "its last page is cut"
    _, segments = _OGG_PAGE.unpack(page)
    lengths = tail[last + _OGG_PAGE.size :][:segments]
    end = start + last + _OGG_PAGE.size + segments + sum(lengths)
    return "its last page is cut" if end > size or len(lengths) < segments else None


def _of_matroska(file: IO[bytes], size: int) -> str | None:
    offset = 0
    for _ in range(_MOST_PARTS):
        element, offset = _vint(file, offset, keep_marker=True)
        length, offset = _vint(file, offset, keep_marker=False)
        if element is None or length is None:  # of unknown length: streamed, or no element at all
            return None
        offset += length
        if element == _EBML_SEGMENT:
            return _shortage(offset, size)
    return None


def _vint(file: IO[bytes], offset: int, *, keep_marker: bool) -> tuple[int | None, int]:
    """Read EBML's number at an offset, None if it stands for the unknown; and where it ends."""
    field = _read(file, offset, 8)
    width = 9 - field[0].bit_length() if field else 9
    if len(field) < width:
        return None, offset
    number = int.from_bytes(field[:width], "big")
    payload = number & ((1 << 7 * width) - 1)
    unknown = not keep_marker and payload == (1 << 7 * width) - 1
    return None if unknown else (number if keep_marker else payload), offset + width


def _of_mp3(file: IO[bytes], size: int) -> str | None:
    tag = _read(file, 0, 10)
    start = 0
    if tag[:3] == b"ID3":
        start = len(tag) + sum(byte << 7 * place for place, byte in enumerate(reversed(tag[6:])))
    head = _read(file, start, _MP3_HEAD)
    mark = max(head.find(b"Xing"), head.find(b"Info"))
    if int.from_bytes(head[:2], "big") >> 5 != _MP3_SYNC or not 0 < mark < _MP3_HEAD - 16:
        return None
    flags = int.from_bytes(head[mark + 4 : mark + 8], "big")
    if not flags & 2:
        return None
    field = mark + (12 if flags & 1 else 8)
    promised = int.from_bytes(head[field : field + 4], "big")
    # from the first frame on; some writers count the tag before it too, so it is left out
    return _shortage(promised, size, tolerance=_TOLERANCE_BYTES)
