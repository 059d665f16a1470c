"""What a field of a log may hold."""

import math
import re
from datetime import UTC, datetime, tzinfo
from typing import Final

_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_LONGEST_AUDIO: Final = 7 * 86400.0
"""A job may live that long."""
_LONGEST_NAME: Final = 200
_SHOWN: Final = 40
_THOUSANDS: Final = (("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9))


class BadValue(ValueError):
    """A value cannot be; the message says which and why, as the end of a sentence."""


def moment(value: object, *, zone: tzinfo) -> tuple[float, bool | None]:
    """When something was: Unix seconds, and whether the value names its zone.

    Args:
        value: text or number, as a log holds it.
        zone: of a text that names none. An hour that its clocks show twice is the first.

    Returns:
        The second is None for a number, which needs no zone.

    Raises:
        BadValue: it is no time, or none of this century.

    """
    number = _number(value)
    zoned: bool | None = None
    if number is None:
        if value is None or value == "":
            message = "the time is missing"
            raise BadValue(message)
        number, zoned = _iso(value, zone)
    if not _EARLIEST <= number < _LATEST:
        raise BadValue(_out_of_range(value, number))
    return number, zoned


def audio_seconds(value: object) -> float:
    """How long an audio is.

    Raises:
        BadValue: it is no number, not above 0, or beyond a week.

    """
    number = _number(value)
    if number is None:
        if value is None or value == "":
            message = "the audio's seconds are missing"
        else:
            message = f"the audio's seconds are no number: {shown(value)}"
        raise BadValue(message)
    if not 0 < number <= _LONGEST_AUDIO:
        message = f"the audio's seconds are not above 0 and up to a week: {shown(value)}"
        raise BadValue(message)
    return number


def user_name(value: object) -> str | None:
    """Whose a request is; None where nobody says.

    Raises:
        BadValue: it is no name that could be shown.

    """
    if value is None:
        return None
    name = value.strip() if isinstance(value, str) else _whole(value)
    if name is None or len(name) > _LONGEST_NAME or not name.isprintable():
        message = (
            f"the user is no printable text of up to {_LONGEST_NAME} characters: {shown(value)}"
        )
        raise BadValue(message)
    return name or None


def shown(value: object) -> str:
    """A value as a message may hold it: short, and without control characters."""
    if isinstance(value, str):
        text = repr(value[: _SHOWN + 1])
    elif isinstance(value, int | float):  # an int may be too long to be written
        text = repr(value) if abs(value) < 10**_SHOWN else "a huge number"
    else:
        text = f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN + 2 else f"{text[:_SHOWN]}..."


def _number(value: object) -> float | None:
    if isinstance(value, str):
        text = value.strip()
        return float(text) if _NUMBER.fullmatch(text) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _iso(value: object, zone: tzinfo) -> tuple[float, bool]:
    text = value.strip() if isinstance(value, str) else ""
    try:
        # a date alone is one too for Python, and so is 20260803
        read = datetime.fromisoformat(text) if ":" in text else None
    except ValueError:
        read = None
    if read is None:
        message = (
            f"the time is neither ISO 8601 (2026-08-03T18:04:05Z) nor Unix seconds: {shown(value)}"
        )
        raise BadValue(message)
    zoned = read.tzinfo is not None
    return (read if zoned else read.replace(tzinfo=zone)).timestamp(), zoned


def _out_of_range(value: object, number: float) -> str:
    for unit, parts in _THOUSANDS:
        if _EARLIEST <= number / parts < _LATEST:
            return f"the time looks like Unix {unit}; write seconds: {shown(value)}"
    return f"the time is not from 2000 to 2099: {shown(value)}"


def _whole(value: object) -> str | None:
    """An id that is a number, as a name."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 10**_LONGEST_NAME:
        return None
    return str(value)
