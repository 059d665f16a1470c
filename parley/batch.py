"""Several recordings at once: each ends with a transcript or a failure, whatever befalls others."""

import asyncio
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, Protocol

from handlers.errors import (
    EndpointAccessDenied,
    EndpointNotConfigured,
    EndpointNotFound,
    ParleyError,
)
from handlers.formats import Format
from handlers.progress import Step
from handlers.replies import Reply
from parley.outputs import OutputRefused, Recording, Store, rendered

_HOPELESS: Final = (EndpointAccessDenied, EndpointNotConfigured, EndpointNotFound)
"""What is wrong for one recording is wrong for all."""


class Exit(IntEnum):
    """What the command ends with."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    RETRY = 3


@dataclass(frozen=True, slots=True)
class Done:
    """A recording whose transcript was written; `dollars` where the reply knows what it cost."""

    files: Sequence[str]
    audio_seconds: float
    speakers: int
    seconds: float
    warnings: Sequence[str]
    dollars: float | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A recording whose outputs were there."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A recording that has no transcript; `trace` where a defect is to blame."""

    code: str
    message: str
    retryable: bool = False
    hopeless: bool = False
    trace: str = ""


Outcome = Done | Skipped | Failed


class Transcribes(Protocol):
    """A client of endpoints."""

    async def transcribe(
        self,
        audio: str | os.PathLike[str],
        *,
        within: float,
        progress: Callable[[Step], None],
        **options: Any,  # noqa: ANN401  the fields of a job
    ) -> Reply:
        """Answer one job.

        Raises:
            ParleyError: there is no reply; the leaf says why.

        """


class Display(Protocol):
    """Shows what happens. `step` is called from any thread."""

    def begin(self, recording: Recording) -> None: ...
    def step(self, recording: Recording, step: Step) -> None: ...
    def end(self, recording: Recording, outcome: Outcome) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for every recording.

    Attributes:
        formats: what to write.
        within: seconds for one recording, waiting for a worker included.
        jobs: how many recordings are under way at once.
        options: further fields of a job.

    """

    formats: Sequence[Format]
    within: float
    jobs: int
    options: Mapping[str, object] = field(default_factory=dict)


class Batch:
    """Transcribes recordings; `outcomes` holds what ended so far, also after a cancellation."""

    def __init__(self, *, store: Store, display: Display) -> None:
        self._store = store
        self._display = display
        self.outcomes: dict[Recording, Outcome] = {}

    async def run(
        self, recordings: Sequence[Recording], request: Request, *, client: Transcribes
    ) -> None:
        """Bring every recording to an end; stops early where none can succeed."""
        waiting = iter(recordings)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(request.jobs, len(recordings))):
                    group.create_task(self._work(waiting, request, client))
        except* _Hopeless:
            pass  # the outcome that says why is kept

    async def _work(
        self, waiting: Iterator[Recording], request: Request, client: Transcribes
    ) -> None:
        for recording in waiting:
            self._display.begin(recording)
            outcome = await self._outcome(recording, request, client)
            self.outcomes[recording] = outcome
            self._display.end(recording, outcome)
            if isinstance(outcome, Failed) and outcome.hopeless:
                raise _Hopeless

    async def _outcome(
        self, recording: Recording, request: Request, client: Transcribes
    ) -> Outcome:
        try:
            return await self._transcribe(recording, request, client)
        except ParleyError as error:
            hopeless = isinstance(error, _HOPELESS)
            return Failed(error.code, str(error), error.retryable, hopeless)
        except OutputRefused as error:
            return Failed("output_refused", str(error))
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            message = f"{where}{error.strerror or error}. Make room for it or rights to it."
            return Failed("output_failed", message)
        except Exception as error:  # noqa: BLE001  one defect is no reason to lose the others
            message = f"An unexpected {type(error).__name__}. Report it with what --verbose shows."
            return Failed("defect", message, trace=traceback.format_exc())

    async def _transcribe(
        self, recording: Recording, request: Request, client: Transcribes
    ) -> Outcome:
        began = time.monotonic()
        missing = await asyncio.to_thread(self._store.missing, recording, request.formats)
        if not missing:
            return Skipped()
        reply = await client.transcribe(
            Path(recording.source) if recording.is_local else recording.source,
            within=request.within,
            progress=lambda step: self._display.step(recording, step),
            formats=[wanted for wanted in missing if wanted != "json"],
            name=recording.name,
            **request.options,
        )
        # not in a thread: what was paid for is kept, also when this task is cancelled meanwhile
        files = self._store.keep(recording, {wanted: rendered(reply, wanted) for wanted in missing})
        return Done(
            files=files,
            audio_seconds=reply.audio.seconds,
            speakers=len(reply.speakers),
            seconds=time.monotonic() - began,
            warnings=reply.warnings,
            dollars=reply.usage.cost_dollars,
        )


class _Hopeless(Exception):
    """No recording can succeed."""


def exit_status(outcomes: Sequence[Outcome]) -> Exit:
    """What the command ends with."""
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    if not failures:
        return Exit.DONE
    if any(failure.hopeless for failure in failures):
        return Exit.USAGE
    return Exit.RETRY if all(failure.retryable for failure in failures) else Exit.FAILED
