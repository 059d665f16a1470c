"""How long a host asks to be left alone."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def asked_pause(retry_after: str | None) -> float:
    """Seconds of a Retry-After header, which gives seconds or a date; 0 where it gives neither."""
    text = (retry_after or "").strip()
    if text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())
