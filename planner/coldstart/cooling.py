"""Waiting until an endpoint has no worker: only then a job meets a cold start."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from handlers.errors import EndpointFailed, EndpointUnreachable, ReplyInvalid
from planner.coldstart.subject import Health, Subject
from planner.errors import NeverCold

_AWAKE: Final = ("initializing", "running")
_ASLEEP: Final = ("idle",)
_UNSURE: Final = (EndpointFailed, EndpointUnreachable, ReplyInvalid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cooling:
    """When an endpoint is cold; all in seconds.

    RunPod may go on counting a worker as idle that it has put to sleep and does not bill
    (docs.runpod.io, serverless/workers/overview). Where it does, `asleep_after` says how long
    workers have to do nothing: longer than the endpoint's idle timeout. Whether a worker was
    started for a job is told by its reply in any case.

    Attributes:
        within: until which it has to be.
        settle: how long it has to look so, since what is counted may be late.
        pause: between two looks.
        asleep_after: how long idle workers count as workers; None: for ever.

    """

    within: float = 900.0
    settle: float = 5.0
    pause: float = 2.0
    asleep_after: float | None = None


async def cool(subjects: Sequence[Subject], rules: Cooling, *, told: Callable[[str], None]) -> None:
    """Wait until all of these are cold.

    Args:
        subjects: whose workers have to be gone.
        rules: when they are.
        told: what is waited for, in words, at each change.

    Raises:
        NeverCold: workers, or somebody's jobs, stayed.
        EndpointError: the platform does not know the endpoint or the key.

    """
    clock = asyncio.get_running_loop().time
    end = clock() + rules.within
    cold_since: float | None = None
    quiet_since: float | None = None
    seen = ""
    while True:
        looks = [await _look(subject) for subject in subjects]
        now = clock()
        awake, asleep = _standing([subject.id for subject in subjects], looks)
        quiet_since = None if awake else _since(quiet_since, now)
        is_asleep = (
            rules.asleep_after is not None
            and quiet_since is not None
            and now - quiet_since >= rules.asleep_after
        )
        is_cold = not awake and (not asleep or is_asleep)
        cold_since = _since(cold_since, now) if is_cold else None
        if cold_since is not None and now - cold_since >= rules.settle:
            return
        news = "; ".join(part for part in (awake, asleep) if part) or "no worker is left"
        if news != seen:
            told(news)
        seen = news
        if now >= end:
            names = ", ".join(subject.id for subject in subjects)
            raise NeverCold(names, seconds=rules.within, seen=seen)
        await asyncio.sleep(rules.pause)


def _since(before: float | None, now: float) -> float:
    return now if before is None else before


async def _look(subject: Subject) -> Health | None:
    try:
        return await subject.health()
    except _UNSURE:  # `Exchange` has tried several times
        return None


def _standing(names: Sequence[str], looks: Sequence[Health | None]) -> tuple[str, str]:
    """What keeps endpoints awake, and who only may; empty where nothing does."""
    awake, asleep = [], []
    for name, look in zip(names, looks, strict=True):
        of = f" of {name}" if len(names) > 1 else ""
        if look is None:
            awake.append(f"the platform does not answer{of}")
        elif look.workers is None:
            awake.append(f"the platform does not count workers{of}")
        else:
            if look.jobs:
                awake.append(f"{look.jobs} jobs{of} that wait or run")
            awake += _counted(look.workers, _AWAKE, of)
            asleep += _counted(look.workers, _ASLEEP, of)
    return ", ".join(awake), ", ".join(asleep)


def _counted(workers: Mapping[str, int], states: Sequence[str], of: str) -> list[str]:
    return [f"{workers[state]} workers{of} {state}" for state in states if workers.get(state)]
