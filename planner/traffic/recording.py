"""Watches an endpoint's jobs for a while, as the log that a plan then reads."""

import asyncio
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import aiohttp
from rich.console import Console

from handlers.prices import HOUR
from planner.errors import JobsKeyMissing
from planner.traffic.jobs import Recorded, record_jobs

_RUNPOD: Final = "https://api.runpod.ai/v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """When an endpoint was watched, in whole seconds of UTC: what a log of it alone observed.

    Attributes:
        since: no later than the watch began.
        until: after it ended.
        is_all: nothing was in the log before.

    """

    since: datetime
    until: datetime
    is_all: bool


def record(
    endpoint: str, *, into: Path, hours: float, variables: Mapping[str, str], err: Console
) -> Watched:
    """Watch an endpoint's jobs and add them to a log; the first Ctrl-C ends it earlier.

    Args:
        endpoint: RunPod's id.
        into: the log.
        hours: how long.
        variables: the environment: RUNPOD_API_KEY, and RUNPOD_ENDPOINT_BASE_URL for another
            platform.
        err: told how many there are, and when they were watched.

    Raises:
        JobsKeyMissing: there is no key.
        JobsError: the list of jobs is none that is known, or the log cannot be written.
        ParleyError: the endpoint is not there, refuses the key, or cannot be asked.

    """
    key = variables.get("RUNPOD_API_KEY")
    if not key:
        raise JobsKeyMissing

    async def watch() -> Recorded:
        stop = asyncio.Event()
        # on Windows, and on another thread than the first, an interrupt ends the command
        with suppress(NotImplementedError, RuntimeError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
        with err.status("") as line:
            async with aiohttp.ClientSession(trust_env=True) as session:
                return await record_jobs(
                    endpoint,
                    session=session,
                    api_key=key,
                    into=into,
                    seconds=hours * HOUR,
                    base_url=variables.get("RUNPOD_ENDPOINT_BASE_URL") or _RUNPOD,
                    stop=stop,
                    told=lambda so_far: line.update(
                        f"{so_far.jobs:,} jobs of {endpoint}; Ctrl-C plans with them"
                    ),
                )

    since, is_all = datetime.now(UTC).replace(microsecond=0), not _holds_anything(into)
    seen = asyncio.run(watch())
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    unknown = f", of which {seen.without_audio:,} do not tell their audio" if seen.jobs else ""
    err.print(
        f"{seen.jobs:,} jobs of {endpoint} are in {into}{unknown}.", markup=False, soft_wrap=True
    )
    told = f"--since {since:%Y-%m-%dT%H:%M:%S} --until {until:%Y-%m-%dT%H:%M:%S}"
    err.print(f"The time that was watched: {told}", markup=False, soft_wrap=True)
    return Watched(since=since, until=until, is_all=is_all)


def _holds_anything(log: Path) -> bool:
    try:
        return log.stat().st_size > 0
    except OSError:  # it is not there; what else is wrong is told when it is written
        return False
