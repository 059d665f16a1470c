"""The two engines behind RunPod endpoints."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, TypeVar

from pydantic import ValidationError

from handlers.diarizer import SpeakerCount
from handlers.errors import ReplyInvalid
from handlers.jobs import DiarizationJob, TranscriptionJob
from handlers.progress import PHASES, Phase, Progress, Step, ignore
from handlers.replies import AnyReply, DiarizationReply, TranscriptionReply
from handlers.sources import AudioSource
from handlers.timeline import Diarization, Report, Spent, Transcription
from orchestrator.endpoint import Endpoint, Result, Update
from orchestrator.results import resolve

SomeReply = TypeVar("SomeReply", bound=AnyReply)

_FETCH_SECONDS: Final = 20.0
_SHARED: Final[tuple[Phase, ...]] = ("queue", "fetch", "decode")
"""Phases that both branches go through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """When a job must be done, by `time.monotonic`; its parts get what is left."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Ends":
        """So many seconds from now."""
        return cls(at=time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Seconds, 0 where none is left."""
        return max(0.0, self.at - time.monotonic())


class _RemoteEngine:
    """One endpoint, as an engine of what a job names.

    Args:
        endpoint: of the engine's kind.
        ends: when its answer must be there.
        shared: told the phases that are not the engine's own.

    """

    _role: ClassVar[str]

    def __init__(self, endpoint: Endpoint, *, ends: Ends, shared: Progress = ignore) -> None:
        self._endpoint = endpoint
        self._ends = ends
        self._shared = shared

    async def _ask(
        self, asked: Mapping[str, Any], *, kind: type[SomeReply], progress: Progress
    ) -> tuple[SomeReply, Report]:
        told = steps(own=progress, shared=self._shared)
        result, reply = await ask(self._endpoint, asked, kind=kind, ends=self._ends, progress=told)
        return reply, _report(reply, result, role=self._role)


class RemoteTranscriber(_RemoteEngine):
    """An endpoint of the kind `handlers.transcription`."""

    _role = "transcription"

    async def transcribe(
        self, audio: AudioSource, *, language: str | None, progress: Progress
    ) -> Transcription:
        """Give every word with its time.

        Raises:
            EndpointError: the endpoint gave no answer.
            ParleyError: what the endpoint's worker says.

        """
        asked = job_input(audio, task=TranscriptionJob.does, language=language)
        reply, report = await self._ask(asked, kind=TranscriptionReply, progress=progress)
        return Transcription(reply.words, reply.language, reply.model, report)


class RemoteDiarizer(_RemoteEngine):
    """An endpoint of the kind `handlers.diarization`."""

    _role = "diarization"

    async def diarize(
        self, audio: AudioSource, *, speakers: SpeakerCount, progress: Progress
    ) -> Diarization:
        """Give every turn with its speaker.

        Raises:
            EndpointError: the endpoint gave no answer.
            ParleyError: what the endpoint's worker says.

        """
        asked = job_input(
            audio,
            task=DiarizationJob.does,
            num_speakers=speakers.exactly,
            min_speakers=speakers.least,
            max_speakers=speakers.most,
        )
        reply, report = await self._ask(asked, kind=DiarizationReply, progress=progress)
        return Diarization(
            turns=reply.turns,
            exclusive=reply.exclusive,
            embeddings=reply.embeddings,
            model=reply.model,
            report=report,
        )


@dataclass(slots=True)
class Branches:
    """Merges what both branches of a job tell of the same phase: it is as far as the slower one."""

    progress: Progress
    _told: dict[tuple[str, Phase], float] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)

    def branch(self, name: str) -> Progress:
        """Give a branch what it reports to."""
        self._names.add(name)

        def take(step: Step) -> None:
            self._told[name, step.phase] = step.done
            least = min(self._told.get((other, step.phase), 0.0) for other in self._names)
            self.progress(Step(step.phase, least))

        return take


async def ask(
    endpoint: Endpoint,
    asked: Mapping[str, Any],
    *,
    kind: type[SomeReply],
    ends: Ends,
    progress: Progress,
) -> tuple[Result, SomeReply]:
    """Give an endpoint a job, and read its reply, wherever that was put.

    Raises:
        ReplyInvalid: the endpoint is of another kind, or version.
        ParleyError: it gave none.

    """
    result = await endpoint.run(asked, within=ends.left, update=_reader(progress))
    # what is done and paid for is worth some seconds beyond the deadline
    within = max(ends.left, _FETCH_SECONDS)
    output = await resolve(
        result.output, session=endpoint.session, endpoint=endpoint.id, within=within
    )
    try:
        reply = kind.model_validate(output)
    except ValidationError as error:
        lacking = ", ".join(str(detail["loc"][0]) for detail in error.errors() if detail["loc"])
        reason = f"wrong or missing are: {lacking or 'all fields'}"
        raise ReplyInvalid(endpoint.id, reason=reason) from None
    for phase in PHASES:
        if phase == "queue" or phase in reply.timings:
            progress(Step(phase, 1.0))  # what ended between two looks at the job
    return result, reply


def job_input(audio: AudioSource, **options: object) -> dict[str, Any]:
    """The `input` of a job; what is None is left out."""
    fields = {"audio_url": audio.url, "audio_base64": audio.base64, **options}
    return {name: value for name, value in fields.items() if value is not None}


def steps(*, own: Progress, shared: Progress) -> Progress:
    """Tell phases that both branches go through apart from a branch's own."""

    def take(step: Step) -> None:
        (shared if step.phase in _SHARED else own)(step)

    return take


def _reader(progress: Progress) -> Callable[[Update], None]:
    """Read a job's progress out of what the platform says of it."""

    def read(update: Update) -> None:
        output = update.output if isinstance(update.output, dict) else {}
        told = output.get("progress")
        # an orchestrator that works tells of its own endpoints' queues
        known = {"queue": 0.0 if update.state == "IN_QUEUE" else 1.0}
        known |= told if isinstance(told, dict) else {}
        for phase in PHASES:
            done = known.get(phase)
            if isinstance(done, int | float):
                progress(Step(phase, min(max(float(done), 0.0), 1.0)))

    return read


def _report(reply: AnyReply, result: Result, *, role: str) -> Report:
    seconds = {"delay": result.delay, **reply.timings}
    if reply.cold_start:
        seconds["cold_start"] = reply.cold_start.seconds
    usage = reply.usage
    untold = Spent(worker_seconds=usage.processing_seconds, cost_basis=usage.cost_basis)
    return Report(
        audio=reply.audio,
        seconds=seconds,
        warnings=reply.warnings,
        spent={role: usage.workers.get(role, untold)},
    )
