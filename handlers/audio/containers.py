"""Opens a file of any format, and lets that file lead nowhere else."""

import errno
import os
from typing import IO, Any

import av

from handlers.audio.truncation import missing_part
from handlers.errors import AudioEmpty, AudioTruncated, AudioUnreadable

FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dss,dts,eac3,flac,flv,gsm,matroska,mov,mp3,"
    "mpc,mpc8,mpeg,mpegts,mxf,nistsphere,ogg,tta,voc,w64,wav,wv"
)
"""What may be opened. Not among them: all that names other files, addresses or devices (concat,
HLS, DASH, SDP, lavfi), pictures, subtitles, and headerless formats that any bytes can pass for."""

PROTOCOLS = "none"
"""The name of no protocol, so that FFmpeg itself cannot open anything, not even a local file. The
recording comes through a Python file; the demuxers it may start inherit the ban."""

_LOOKALIKES = {
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"<?xml": "an XML document",
    b"{": "a JSON document",
    b"#extm3u": "a playlist",
    b"ffconcat": "a playlist",
    b"pk\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"%pdf": "a PDF document",
    b"\x89png": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"gif8": "a picture",
}

_HEAD_BYTES = 32
_READ_BYTES = 2**18


def open_container(file: IO[bytes]) -> Any:  # noqa: ANN401  PyAV's types are not seen here
    """Open a whole recording for decoding.

    Args:
        file: seekable, at its start. FFmpeg reads through it, and can open nothing else.

    Returns:
        An `av.container.InputContainer`.

    Raises:
        AudioEmpty: the file has no bytes.
        AudioTruncated: its structure promises more than it holds.
        AudioUnreadable: its format is none of `FORMATS`.

    """
    head = file.read(_HEAD_BYTES)
    if not head:
        raise AudioEmpty
    missing = missing_part(file)
    if missing is not None:
        raise AudioTruncated(reason=missing)
    file.seek(0)
    try:
        return av.open(
            _Forgiving(file),
            mode="r",
            options={"format_whitelist": FORMATS, "protocol_whitelist": PROTOCOLS},
            metadata_errors="replace",
            buffer_size=_READ_BYTES,
        )
    except av.FFmpegError as error:
        raise AudioUnreadable(reason=_resemblance(head)) from error


class _Forgiving:
    """A file that answers an impossible seek as FFmpeg does, by a negative number.

    Damaged files make demuxers seek before the start. PyAV would keep the exception of a Python
    file and raise it from some later call.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.read = file.read
        self.tell = file.tell

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):
            return -errno.EINVAL


def _resemblance(head: bytes) -> str:
    start = head.lstrip().lower()
    for magic, name in _LOOKALIKES.items():
        if start.startswith(magic):
            return f"it is {name}"
    return "its format is not known"
