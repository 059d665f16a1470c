"""What a job may ask of each endpoint."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Final, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from handlers.conversation import OnDiarizationFailure, Options
from handlers.diarizer import SpeakerCount
from handlers.errors import (
    AudioAmbiguous,
    AudioMissing,
    InvalidRequest,
    InvalidSpeakerCount,
    UnknownFormat,
    UnknownOption,
    WrongEndpoint,
)
from handlers.formats import FORMATS, Format
from handlers.sources import AudioSource

Task = Literal["conversation", "transcribe", "diarize"]

_SOURCES: Final = ("audio_url", "audio_base64")
_MOST_SPEAKERS: Final = 50
_COUNTS: Final = ("num_speakers", "min_speakers", "max_speakers")

AnyJob = TypeVar("AnyJob", bound="AudioJob")
_SpeakerNumber = Annotated[int, Field(ge=1, le=_MOST_SPEAKERS, strict=True)]


class AudioJob(BaseModel):
    """What every job names: exactly one of `audio_url` and `audio_base64` is needed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    does: ClassVar[Task]
    """What an endpoint does that takes such jobs."""

    task: Task | None = Field(
        default=None,
        description="What the sender expects of the endpoint; another kind of endpoint refuses.",
    )
    audio_url: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="Where the recording is: an http(s) URL, signed if need be, or a data URI.",
        examples=["https://example.com/meeting.mp3"],
    )
    audio_base64: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="The recording itself in base64; RunPod takes 10 MB for a whole /run request.",
    )

    @property
    def source(self) -> AudioSource:
        """Where the audio is."""
        return AudioSource(url=self.audio_url, base64=self.audio_base64)


class TranscriptionJob(AudioJob):
    """The `input` of a job for the transcription endpoint."""

    does: ClassVar[Task] = "transcribe"

    language: str | None = Field(
        default=None,
        pattern="^[a-z]{2}$",
        description="Two letters, such as `en`; the model finds out by itself where it is missing.",
    )


class DiarizationJob(AudioJob):
    """The `input` of a job for the diarization endpoint."""

    does: ClassVar[Task] = "diarize"

    num_speakers: _SpeakerNumber | None = Field(
        default=None, description="How many people speak, where it is known."
    )
    min_speakers: _SpeakerNumber | None = Field(
        default=None, description="At least so many people speak."
    )
    max_speakers: _SpeakerNumber | None = Field(
        default=None, description="At most so many people speak."
    )

    @property
    def speakers(self) -> SpeakerCount:
        """How many speakers to look for."""
        return SpeakerCount(self.num_speakers, self.min_speakers, self.max_speakers)


class Job(DiarizationJob, TranscriptionJob):
    """The `input` of a job for whoever says who said what: `single` and `orch`."""

    does: ClassVar[Task] = "conversation"

    diarize: bool = Field(
        default=True,
        strict=True,
        description="Find out who speaks. False skips the diarizer entirely: no speakers, faster.",
    )
    on_diarization_failure: OnDiarizationFailure = Field(
        default="fail",
        description="`transcript_only`: words without speakers and a warning, where the diarizer "
        "fails; `fail`: no reply but the diarizer's error.",
    )
    word_timestamps: bool = Field(
        default=True,
        strict=True,
        description="Give every word with its time, speaker and confidence inside its segment.",
    )
    formats: tuple[Format, ...] = Field(
        default=(), description="Renderings of the transcript to put into the reply."
    )
    deadline_seconds: float | None = Field(
        default=None,
        gt=0,
        le=7 * 86400,
        description="When the reply must be there, from the start of the job: no endpoint that is "
        "asked for a part of it is given more.",
    )
    name: str = Field(
        default="audio",
        min_length=1,
        max_length=200,
        description="What RTTM and CTM call the recording.",
    )

    @field_validator("formats", mode="before")
    @classmethod
    def _known_formats(cls, value: object) -> object:
        for name in value if isinstance(value, list | tuple) else ():
            if isinstance(name, str) and name not in FORMATS:
                raise UnknownFormat(name, suggestion=_nearest(name, FORMATS), known=FORMATS)
        return value

    @property
    def options(self) -> Options:
        """What the composition is asked for."""
        return Options(
            speakers=self.speakers,
            language=self.language,
            on_diarization_failure=self.on_diarization_failure,
        )


def read_job(raw: object, kind: type[AnyJob]) -> AnyJob:
    """Read the `input` of a job.

    Args:
        raw: as it came.
        kind: what the endpoint takes.

    Raises:
        InvalidRequest: and its leaves, each naming the field and what to do.

    """
    if not isinstance(raw, Mapping):
        message = f"The job's input is {_kind(raw)}. Send an object with one of: {_list(_SOURCES)}."
        raise InvalidRequest(message)
    wanted = raw.get("task")
    if wanted in get_args(Task) and wanted != kind.does:
        raise WrongEndpoint(wanted=str(wanted), kind=kind.does)
    known = tuple(kind.model_fields)
    for name in raw:
        if name not in known:
            raise UnknownOption(str(name), suggestion=_nearest(str(name), known), known=known)
    given = [name for name in _SOURCES if raw.get(name) is not None]
    if not given:
        raise AudioMissing(_SOURCES)
    if len(given) > 1:
        raise AudioAmbiguous(given)
    try:
        job = kind.model_validate(dict(raw))
    except ValidationError as error:
        raise _refusal(error, kind) from None
    if isinstance(job, DiarizationJob):
        _check_counts(job)
    return job


def _refusal(error: ValidationError, kind: type[AudioJob]) -> InvalidRequest:
    first = error.errors(include_url=False, include_input=False, include_context=True)[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, InvalidRequest):
        return cause
    name = str(first["loc"][0])
    if name in _COUNTS:
        return InvalidSpeakerCount(f"{name} must be a whole number from 1 to {_MOST_SPEAKERS}.")
    field = kind.model_fields[name]
    return InvalidRequest(f"{name} is wrong: {first['msg']}. {field.description}")


def _check_counts(job: DiarizationJob) -> None:
    if job.num_speakers is not None and (job.min_speakers or job.max_speakers):
        message = "num_speakers is exact. Leave min_speakers and max_speakers out, or it."
        raise InvalidSpeakerCount(message)
    if job.min_speakers and job.max_speakers and job.min_speakers > job.max_speakers:
        message = (
            f"min_speakers is {job.min_speakers} and max_speakers {job.max_speakers}. "
            "Swap or correct them."
        )
        raise InvalidSpeakerCount(message)
    idle = isinstance(job, Job) and not job.diarize
    if idle and any(getattr(job, name) is not None for name in _COUNTS):
        message = "diarize is false, so no speakers are counted. Leave the numbers out, or it."
        raise InvalidSpeakerCount(message)


def _nearest(name: str, known: Sequence[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)), None)


def _kind(value: object) -> str:
    return "missing" if value is None else f"a {type(value).__name__}"


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names)
