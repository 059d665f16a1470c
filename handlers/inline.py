"""Audio that a job holds itself: base64, in either alphabet, or a data URI."""

import binascii
from typing import Final
from urllib.parse import unquote_to_bytes

from handlers.errors import AudioTooLarge, InvalidEncoding
from handlers.sources import DATA_URI

_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")
_WHITESPACE: Final = b" \t\r\n\f\v"
_GROUP: Final = 4
"""Characters of base64 that stand for three bytes."""


def decoded(text: str, *, limit: int | None = None) -> bytes:
    """Give the bytes of inline audio.

    Args:
        text: base64 or a data URI.
        limit: most bytes that base64 may stand for.

    Raises:
        InvalidEncoding: it is neither.
        AudioTooLarge: more than `limit`.

    """
    uri = DATA_URI.match(text)
    if uri is None:
        return _from_base64(text.encode("ascii", "replace"), limit=limit)
    content = unquote_to_bytes(text[uri.end() :])
    return _from_base64(content, limit=limit) if uri["base64"] else content


def _from_base64(text: bytes, *, limit: int | None) -> bytes:
    digits = text.translate(_URL_SAFE, _WHITESPACE).rstrip(b"=")
    if limit is not None and len(digits) * 3 // _GROUP > limit:
        raise AudioTooLarge(limit=limit)
    if len(digits) % _GROUP == 1:
        raise InvalidEncoding(reason="is cut, or is no base64: one character is left over")
    try:
        return binascii.a2b_base64(digits + b"=" * (-len(digits) % _GROUP), strict_mode=True)
    except binascii.Error as error:
        raise InvalidEncoding(reason="holds characters that are not base64") from error
