"""How a job names its audio: light, so that whoever only passes it on loads no decoder."""

import re
from dataclasses import dataclass, field
from typing import Final

DATA_URI: Final = re.compile(r"\s*data:[^,]*?(?P<base64>;\s*base64\s*)?,", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AudioSource:
    """Where a job's audio is: exactly one of the two is given.

    Attributes:
        url: an http(s) URL or a data URI.
        base64: the bytes of a file, in either alphabet, or a data URI.

    """

    url: str | None = field(default=None, repr=False)
    base64: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.url is None) == (self.base64 is None):
            message = "Give either url or base64."
            raise ValueError(message)

    @property
    def inline(self) -> str | None:
        """The text that holds the audio itself, None where it must be downloaded."""
        if self.url is None:
            return self.base64
        return self.url if DATA_URI.match(self.url) else None
