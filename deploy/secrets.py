"""What no output may show."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from handlers.logs import redact

HIDDEN: Final = "(hidden)"
_REFERENCE: Final = re.compile(r"\{\{\s*RUNPOD_SECRET_[A-Za-z0-9_]+\s*\}\}")
_SHORTEST: Final = 6
"""Replacing shorter texts would hide ordinary words; no key or token is that short."""
_TELLING: Final = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH", re.IGNORECASE)


def is_reference(value: str) -> bool:
    """Whether this names a secret that RunPod keeps, and is none itself."""
    return bool(_REFERENCE.fullmatch(value.strip()))


def sounds_secret(variable: str) -> bool:
    """Whether a variable of this name is likely to hold a secret."""
    return bool(_TELLING.search(variable))


@dataclass(frozen=True, slots=True)
class Secrets:
    """Values to hide, wherever they turn up."""

    values: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, *values: str | None) -> Self:
        """Keep what is a secret, the longest first, since one may hold another."""
        kept = {
            value
            for value in values
            if value and len(value) >= _SHORTEST and not is_reference(value)
        }
        return cls(tuple(sorted(kept, key=len, reverse=True)))

    @classmethod
    def of_environment(cls, environment: Mapping[str, str], *, named: Iterable[str] = ()) -> Self:
        """Keep every value whose variable sounds like a secret, or is `named`."""
        also = set(named)
        return cls.of(
            *(
                value
                for name, value in environment.items()
                if name in also or (sounds_secret(name) and len(value) > _SHORTEST)
            )
        )

    def and_of(self, *values: str | None) -> Self:
        """The same with more values."""
        return type(self).of(*self.values, *values)

    def hide(self, text: str) -> str:
        """The text without secrets, and without the users and queries of URLs."""
        return redact(text, secrets=self.values)
