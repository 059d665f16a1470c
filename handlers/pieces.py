"""Hours of words, a piece at a time.

The interpreter changes threads between two of its own steps and never within a call into C. A list
of 60,000 words that one such call turns into JSON stops every thread for a tenth of a second and
more, the event loop's too; in pieces, none for longer than a few milliseconds.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

AnySequence = TypeVar("AnySequence", bound=Sequence[Any])

PIECE: Final = 64
"""Items that one call may take: sentences, words or turns."""

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def in_pieces(items: AnySequence) -> Iterator[AnySequence]:
    """Cut a sequence, in order, into ones of at most `PIECE` items."""
    for first in range(0, len(items), PIECE):
        piece: Any = items[first : first + PIECE]
        yield piece


def json_bytes(body: Mapping[str, Any]) -> bytes:
    """Write an object as JSON, to the byte as `json.dumps` does with characters as they are.

    Raises:
        ValueError: it holds what is no number.
        TypeError: it holds what JSON has no word for.

    """
    members = (_ENCODER.encode(name) + ": " + _text(value) for name, value in body.items())
    return ("{" + ", ".join(members) + "}").encode()


def _text(value: object) -> str:
    if not isinstance(value, list):
        return _ENCODER.encode(value)
    return "[" + ", ".join(_ENCODER.encode(piece)[1:-1] for piece in in_pieces(value)) + "]"
