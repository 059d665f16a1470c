"""How long work takes on a user's own endpoints: read from the answers that they gave."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np

from planner.errors import RepliesTooFew, RepliesUnreadable
from planner.options.fitting import fit
from planner.options.speeds import ROLES, Figure, Origin, RoleSpeed, Speeds
from planner.simulator.shapes import Role

NEEDED: Final = 5
"""Replies of a role."""
_MOST_FILES: Final = 100_000
_MOST_BYTES: Final = 40_000_000
"""Of one file; RunPod delivers 20 MB."""
_BRANCHES: Final[Mapping[str, Role]] = {"transcribe": "transcription", "diarize": "diarization"}


@dataclass(slots=True)
class _Seen:
    """What replies say of one role, in seconds."""

    audio: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    prices: list[float] = field(default_factory=list)

    def add(self, audio: float, work: object, start: object, spent: object = None) -> None:
        """Take what one reply says, where it can be.

        Args:
            audio: seconds.
            work: seconds by the clock.
            start: seconds of the worker's start.
            spent: what the reply's `usage` says of the worker, whose seconds go first: of several
                jobs at once each has its share in them.

        """
        told = spent if isinstance(spent, dict) else {}
        if (seconds := _seconds(told.get("worker_seconds", work))) is not None:
            self.audio.append(audio)
            self.work.append(seconds)
        if (seconds := _seconds(start)) is not None:
            self.starts.append(seconds)
        if price := _seconds(told.get("dollars_per_second")):
            self.prices.append(price)


_BySeen = dict[Role, _Seen]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What replies tell.

    Attributes:
        speeds: of all roles.
        dollars_per_second: of the dearest GPU worker that a reply names a price of, or None.

    """

    speeds: Speeds
    dollars_per_second: float | None


def read_replies(folder: Path, *, base: Speeds, day: date) -> Measured:
    """Measure workers by what they said of their jobs.

    What no reply tells stays as `base` has it, with its source. Where replies show the engines on
    endpoints of their own, one worker with both is taken to need the sum; where they show one
    worker with both alone, each engine is taken to need what it needed beside the other. A cold
    start in a reply counts from the start of the worker's process.

    Args:
        folder: with `.json` files, each what `/status` says of a job, or its `output` alone.
        base: for what replies do not tell.
        day: of the replies, for a reader.

    Raises:
        RepliesUnreadable: there is no such folder, or no reply in it.
        RepliesTooFew: fewer than `NEEDED` of a role.

    """
    seen: _BySeen = {}
    beside: _BySeen = {}
    for reply in _replies(folder):
        _take(reply, seen, beside)
    counts: dict[str, int] = {role: len(seen[role].work) for role in ROLES if role in seen}
    if not any(counts.values()):
        raise RepliesUnreadable(str(folder), reason="holds no reply with its timings")
    if min(counts.values()) < NEEDED:
        raise RepliesTooFew(str(folder), counts=counts, needed=NEEDED)
    roles = dict(base.roles)
    for role, samples in seen.items():
        roles[role] = _measured(samples, roles[role], day=day)
    for role in _BRANCHES.values():
        if role not in seen and role in beside:
            roles[role] = _measured(beside[role], roles[role], day=day, how=", beside the other")
    if "single" not in seen and seen.keys() >= set(_BRANCHES.values()):
        roles["single"] = _summed(roles)
    prices = [price for samples in seen.values() for price in samples.prices]
    return Measured(
        speeds=replace(base, name="replies", title=f"the replies in {folder}", roles=roles),
        dollars_per_second=max(prices, default=None),
    )


def _take(reply: Mapping[str, Any], seen: _BySeen, beside: _BySeen) -> None:
    """Note what a reply says, under the roles whose workers made it."""
    audio = _seconds(reply["audio"].get("seconds"))
    timings = reply["timings"]
    if not audio:
        return
    start = (reply.get("cold_start") or {}).get("seconds")
    spent = _workers(reply)
    if "segments" not in reply:
        role: Role = "transcription" if "words" in reply else "diarization"
        seen.setdefault(role, _Seen()).add(audio, timings.get("total"), start, spent.get(role))
        return
    remote = [phase for phase in _BRANCHES if f"{phase}.total" in timings]
    if not remote:
        seen.setdefault("single", _Seen()).add(
            audio, timings.get("total"), start, spent.get("single")
        )
    for phase, role in _BRANCHES.items():
        if phase in remote:
            branch, cold = timings[f"{phase}.total"], timings.get(f"{phase}.cold_start")
            seen.setdefault(role, _Seen()).add(audio, branch, cold, spent.get(role))
        elif not remote and phase in timings:
            beside.setdefault(role, _Seen()).add(audio, timings[phase], None)


def _workers(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reply's `usage` says of each worker, by role."""
    usage = reply.get("usage")
    workers = usage.get("workers") if isinstance(usage, dict) else None
    return workers if isinstance(workers, dict) else {}


def _measured(samples: _Seen, known: RoleSpeed, *, day: date, how: str = "") -> RoleSpeed:
    line = fit(np.array(samples.audio), np.array(samples.work))
    left_out = f", {line.left_out} far ones left out" if line.left_out else ""
    speed = replace(
        known,
        fixed=Figure.exactly(line.fixed),
        per_audio_second=Figure.exactly(line.slope),
        work=Origin(basis="measured", source=f"{line.kept} replies{left_out}{how}", day=day),
    )
    if not samples.starts:
        return speed
    low, middle, high = (float(np.quantile(samples.starts, q)) for q in (0.1, 0.5, 0.9))
    source = f"{len(samples.starts)} replies that carry a cold start"
    return replace(
        speed,
        starts={**known.starts, "cached": Figure(low, middle, high)},
        start=Origin(basis="measured", source=source, day=day),
    )


def _summed(roles: Mapping[Role, RoleSpeed]) -> RoleSpeed:
    """One worker with both engines, one after the other, from what each needs alone."""
    parts = [roles[role] for role in _BRANCHES.values()]

    def total(figures: list[Figure]) -> Figure:
        return Figure(*(sum(f.at(end) for f in figures) for end in ("low", "middle", "high")))

    origin = Origin(
        basis="assumed", source="the sum of both endpoints' replies", day=parts[0].work.day
    )
    return replace(
        roles["single"],
        fixed=total([part.fixed for part in parts]),
        per_audio_second=total([part.per_audio_second for part in parts]),
        work=origin,
    )


def _replies(folder: Path) -> Iterator[Mapping[str, Any]]:
    """Read what is a reply of Parley's; what is none is passed over."""
    if not folder.is_dir():
        raise RepliesUnreadable(str(folder), reason="is no folder")
    for count, path in enumerate(sorted(folder.glob("*.json"))):
        if count >= _MOST_FILES:
            return
        try:
            if path.stat().st_size > _MOST_BYTES:
                continue
            body = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        reply = body.get("output", body) if isinstance(body, dict) else None
        if isinstance(reply, dict) and _is_reply(reply):
            yield reply


def _is_reply(reply: Mapping[str, object]) -> bool:
    return (
        isinstance(reply.get("audio"), dict)
        and isinstance(reply.get("timings"), dict)
        and isinstance(reply.get("cold_start") or {}, dict)
        and any(name in reply for name in ("segments", "words", "turns"))
    )


def _seconds(value: object) -> float | None:
    """A number of seconds, where it is one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # JSON's whole numbers have no end
        return None
    return number if math.isfinite(number) and number >= 0 else None
