"""What a job may ask for and what it answers.

`python -m handlers.schema FOLDER` writes both as JSON Schema.
"""

import difflib
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from handlers.conversation import Options
from handlers.diarizer import SpeakerCount
from handlers.errors import (
    AudioAmbiguous,
    AudioMissing,
    InvalidRequest,
    InvalidSpeakerCount,
    UnknownFormat,
    UnknownOption,
)
from handlers.formats import FORMATS, Format
from handlers.timeline import Model, Segment, Speaker, Transcript, Turn

_SOURCES: Final = ("audio_url", "audio_base64")
_MOST_SPEAKERS: Final = 50
_COUNTS: Final = ("num_speakers", "min_speakers", "max_speakers")

_SpeakerNumber = Annotated[int, Field(ge=1, le=_MOST_SPEAKERS, strict=True)]


class Job(BaseModel):
    """The `input` of a job. Exactly one of `audio_url` and `audio_base64` is needed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    audio_url: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="Where the recording is: an http(s) URL, signed if need be, or a data URI.",
        examples=["https://example.com/meeting.mp3"],
    )
    audio_base64: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="The recording itself in base64; RunPod takes 10 MB for a whole /run request.",
    )
    diarize: bool = Field(
        default=True,
        strict=True,
        description="Find out who speaks. False skips the diarizer entirely: no speakers, faster.",
    )
    num_speakers: _SpeakerNumber | None = Field(
        default=None, description="How many people speak, where it is known."
    )
    min_speakers: _SpeakerNumber | None = Field(
        default=None, description="At least so many people speak."
    )
    max_speakers: _SpeakerNumber | None = Field(
        default=None, description="At most so many people speak."
    )
    word_timestamps: bool = Field(
        default=True,
        strict=True,
        description="Give every word with its time, speaker and confidence inside its segment.",
    )
    formats: tuple[Format, ...] = Field(
        default=(), description="Renderings of the transcript to put into the reply."
    )
    name: str = Field(
        default="audio",
        min_length=1,
        max_length=200,
        description="What RTTM and CTM call the recording.",
    )
    language: str | None = Field(
        default=None,
        pattern="^[a-z]{2}$",
        description="Two letters, such as `en`; the model finds out by itself where it is missing.",
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
            speakers=SpeakerCount(self.num_speakers, self.min_speakers, self.max_speakers),
            language=self.language,
        )


def read_job(raw: object) -> Job:
    """Read the `input` of a job.

    Raises:
        InvalidRequest: and its leaves, each naming the field and what to do.

    """
    if not isinstance(raw, Mapping):
        message = f"The job's input is {_kind(raw)}. Send an object with one of: {_list(_SOURCES)}."
        raise InvalidRequest(message)
    known = tuple(Job.model_fields)
    for name in raw:
        if name not in known:
            raise UnknownOption(str(name), suggestion=_nearest(str(name), known), known=known)
    given = [name for name in _SOURCES if raw.get(name) is not None]
    if not given:
        raise AudioMissing(_SOURCES)
    if len(given) > 1:
        raise AudioAmbiguous(given)
    try:
        job = Job.model_validate(dict(raw))
    except ValidationError as error:
        raise _refusal(error) from None
    _check_counts(job)
    return job


def _refusal(error: ValidationError) -> InvalidRequest:
    first = error.errors(include_url=False, include_input=False, include_context=True)[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, InvalidRequest):
        return cause
    name = str(first["loc"][0])
    if name in _COUNTS:
        return InvalidSpeakerCount(f"{name} must be a whole number from 1 to {_MOST_SPEAKERS}.")
    field = Job.model_fields[name]
    return InvalidRequest(f"{name} is wrong: {first['msg']}. {field.description}")


def _check_counts(job: Job) -> None:
    if job.num_speakers is not None and (job.min_speakers or job.max_speakers):
        message = "num_speakers is exact. Leave min_speakers and max_speakers out, or it."
        raise InvalidSpeakerCount(message)
    if job.min_speakers and job.max_speakers and job.min_speakers > job.max_speakers:
        message = (
            f"min_speakers is {job.min_speakers} and max_speakers {job.max_speakers}. "
            "Swap or correct them."
        )
        raise InvalidSpeakerCount(message)
    if not job.diarize and any(getattr(job, name) is not None for name in _COUNTS):
        message = "diarize is false, so no speakers are counted. Leave the numbers out, or it."
        raise InvalidSpeakerCount(message)


class AudioFacts(BaseModel):
    """The recording as it was sent."""

    seconds: float = Field(description="Duration.")
    sha256: str = Field(description="Of the bytes that were sent.")
    bytes: int
    container: str = Field(description="As FFmpeg names it, such as `wav` or `mov`.")
    codec: str = Field(description="As FFmpeg names it, such as `pcm_s16le` or `aac`.")
    sample_rate: int = Field(description="Hertz, before resampling to 16 000.")
    channels: int = Field(description="Before they were mixed into one.")


class Usage(BaseModel):
    """What the job took."""

    audio_seconds: float
    processing_seconds: float = Field(description="By the clock, from taking the job to the reply.")


class Reply(BaseModel):
    """The `output` of a job."""

    text: str = Field(description="Everything that is said, in order.")
    language: str | None = Field(description="Of the words, where it is known.")
    segments: tuple[Segment, ...] = Field(
        description="About a sentence of one speaker each. Times are seconds."
    )
    speakers: tuple[Speaker, ...] = Field(description="By first appearance.")
    turns: tuple[Turn, ...] = Field(
        description="Who speaks when, by the diarizer alone; turns may overlap."
    )
    formats: dict[Format, str] = Field(description="The renderings that the job asked for.")
    audio: AudioFacts
    models: dict[str, Model] = Field(description="By role: `transcriber`, `diarizer`.")
    timings: dict[str, float] = Field(
        description="Seconds of each phase; `transcribe` and `diarize` run at the same time."
    )
    usage: Usage
    warnings: tuple[str, ...] = Field(description="What a reader should know about the answer.")

    def body(self) -> dict[str, Any]:
        """The reply ready for JSON, numbers rounded to thousandths."""
        body: dict[str, Any] = _rounded(self.model_dump(mode="json"))
        return body


class Failure(BaseModel):
    """The `error` of a failed job, as JSON text."""

    code: str = Field(description="Stable; `handlers/errors.py` draws them all.")
    message: str = Field(description="What happened, and what to do.")
    retryable: bool = Field(description="Whether the same job may succeed when it is sent again.")


def without_words(transcript: Transcript) -> tuple[Segment, ...]:
    """The segments of a transcript for a reader who wants no words."""
    return tuple(
        Segment(start=s.start, end=s.end, text=s.text, speaker=s.speaker)
        for s in transcript.segments
    )


def _rounded(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, float):
        return round(value, 3) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value


def _nearest(name: str, known: Sequence[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)), None)


def _kind(value: object) -> str:
    return "missing" if value is None else f"a {type(value).__name__}"


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def documents() -> dict[str, str]:
    """The JSON Schemas by file name."""
    schemas: dict[str, type[BaseModel]] = {"job": Job, "reply": Reply, "failure": Failure}
    return {
        f"{name}.schema.json": json.dumps(
            model.model_json_schema(mode="serialization" if name == "reply" else "validation"),
            indent=2,
        )
        + "\n"
        for name, model in schemas.items()
    }


if __name__ == "__main__":
    for file_name, text in documents().items():
        Path(sys.argv[1], file_name).write_text(text)
