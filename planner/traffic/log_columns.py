"""Which columns of a log tell the time, the audio's seconds and the user."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

USUAL: Final[Mapping[str, tuple[str, ...]]] = {
    "time": (
        "time", "timestamp", "datetime", "date", "created", "createdat", "submitted",
        "submittedat", "arrived", "arrivedat", "arrival", "arrivaltime", "requestedat",
        "requesttime", "receivedat", "ts",
    ),
    "audio": (
        "audioseconds", "audio", "audioduration", "audiodurationseconds", "audiolength",
        "audiolengthseconds", "audios", "duration", "durationseconds", "durations", "seconds",
        "length", "lengthseconds",
    ),
    "user": (
        "user", "userid", "username", "customer", "customerid", "client", "clientid", "account",
        "accountid", "tenant", "tenantid",
    ),
}  # fmt: skip
"""By what is wanted: names of columns as they are usual, in lower case, letters and digits alone.
The first of each goes before all others."""

_WANTED: Final = {"time": "the time", "audio": "the audio's seconds", "user": "the user"}
_NAMES: Final = 12
_NAME: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns of a log are meant; None finds one by its usual names.

    In JSON lines `output.usage.audio_seconds` reaches into objects.

    Attributes:
        time: when a request came.
        audio: how many seconds its audio has.
        user: whose it is.
        needed: what a log must tell.

    """

    time: str | None = None
    audio: str | None = None
    user: str | None = None
    needed: frozenset[str] = frozenset({"time", "audio"})

    def of(self, names: Sequence[str]) -> tuple[str | None, str | None, str | None]:
        """The columns of time, audio and user; None where there is none, and none is needed.

        Raises:
            Unclear: several could be one of them, or none could be one that is needed.

        """
        return (
            self.time or _found("time", names, needed="time" in self.needed),
            self.audio or _found("audio", names, needed="audio" in self.needed),
            self.user or _found("user", names, needed="user" in self.needed),
        )

    def places(self, header: Sequence[str]) -> tuple[int | None, int | None, int | None]:
        """Where those columns are in a table.

        Raises:
            Unclear: as of `of`; or a column that was named is not there, or twice.

        """
        time, audio, user = (_place(name, header) for name in self.of(header))
        return time, audio, user


class Unclear(Exception):
    """Nobody can tell which column is meant; the message says why, `advice` what to do."""

    def __init__(self, reason: str, *, advice: str = "") -> None:
        super().__init__(reason)
        self.advice = advice


def _found(role: str, names: Sequence[str], *, needed: bool) -> str | None:
    usual, option = USUAL[role], f"--{role}-column"
    plain = {name: re.sub(r"[^a-z0-9]", "", name.lower()) for name in names}
    fitting = [name for name in plain if plain[name] in usual]
    fitting = [name for name in fitting if plain[name] == usual[0]] or fitting
    if len(fitting) > 1:
        listed = " and ".join(repr(name[:_NAME]) for name in fitting[:_NAMES])
        reason = f"{listed} look like {_WANTED[role]}"
        raise Unclear(reason, advice=f"Say which is meant ({option}).")
    if not fitting and needed:
        reason = f"no column looks like {_WANTED[role]}; there are: {_listed(names)}"
        raise Unclear(reason, advice=f"Say which it is ({option}), or add it.")
    return fitting[0] if fitting else None


def _place(name: str | None, header: Sequence[str]) -> int | None:
    if name is None:
        return None
    if name not in header:
        near = difflib.get_close_matches(name, header, n=1)
        advice = f"Did you mean {near[0]!r}?" if near else f"There are: {_listed(header)}."
        reason = f"it has no column {name!r}"
        raise Unclear(reason, advice=advice)
    if header.count(name) > 1:
        reason = f"it has {header.count(name)} columns {name!r}"
        raise Unclear(reason, advice="Give each column a name of its own.")
    return header.index(name)


def _listed(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _NAMES else ""
    return (", ".join(repr(name[:_NAME]) for name in names[:_NAMES]) or "none") + more
