"""What each endpoint answers."""

import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_serializer,
    field_validator,
)

from handlers.cold_start import ColdStart
from handlers.conversation import Conversation
from handlers.formats import Format, render
from handlers.jobs import Job
from handlers.pieces import PIECE, in_pieces
from handlers.timeline import (
    AudioFacts,
    Model,
    Report,
    Segment,
    Speaker,
    Spent,
    Transcript,
    Turn,
    Word,
)

_USAGE_DIGITS: Final = 9
"""After the point: dollars of a job are small."""


_MOST: Final = 1e9
"""Seconds or dollars of one job that can still be meant."""
_BASIS_CHARACTERS: Final = 2000
_UNREADABLE: Final = "unknown: what the worker says of it cannot be read"

_Amount = Annotated[float, Field(ge=0, le=_MOST)]


class Usage(BaseModel):
    """What the job took, and what that costs."""

    model_config = ConfigDict(frozen=True)

    audio_seconds: _Amount
    processing_seconds: _Amount = Field(
        description="By the clock, from taking the job to the reply."
    )
    finished: datetime | None = Field(default=None, description="UTC.")
    worker_seconds: _Amount | None = Field(
        default=None,
        description="Of all workers that had the job, added up. While a worker had n jobs, each "
        "second counts as an nth. Starts and idle seconds, which are billed too, are not in it, "
        "nor what attempts took that failed.",
    )
    cost_dollars: _Amount | None = Field(
        default=None,
        description="Estimate for `worker_seconds`; null where the price of a worker is not known.",
    )
    cost_basis: str = Field(
        default="unknown: the worker is of an older version",
        max_length=_BASIS_CHARACTERS,
        description="Which prices it is made of and of which day, or why it is not known.",
    )
    workers: dict[str, Spent] = Field(
        default_factory=dict,
        description="By role, `single`, or `transcription`, `diarization` and `orchestrator`: what "
        "its worker gave, on which machine, and its cost where that is known.",
    )

    @field_validator("workers")
    @classmethod
    def _can_be_meant(cls, workers: dict[str, Spent]) -> dict[str, Spent]:
        for own in workers.values():
            amounts = (own.worker_seconds, own.dollars_per_second, own.cost_dollars)
            if not all(amount is None or 0 <= amount <= _MOST for amount in amounts):
                message = "seconds and dollars are not below 0, nor endless"
                raise ValueError(message)
            if len(own.cost_basis) > _BASIS_CHARACTERS // 4:  # up to three are joined
                message = "a basis is a sentence"
                raise ValueError(message)
        return workers

    @classmethod
    def of(cls, audio: AudioFacts, *, seconds: float) -> Self:
        """Of a job that is done now, and took so many seconds by the clock."""
        return cls(
            audio_seconds=round(audio.seconds, 3),
            processing_seconds=round(seconds, 3),
            finished=datetime.now(UTC).replace(microsecond=0),
        )

    def charged(self, workers: Mapping[str, Spent]) -> Self:
        """The same with what further workers gave, by role."""
        spent = {**self.workers, **workers}
        if not spent:
            return self
        costs = {role: own.cost_dollars for role, own in spent.items()}
        known = [cost for cost in costs.values() if cost is not None]
        return self.model_copy(
            update={
                "worker_seconds": round(sum(own.worker_seconds for own in spent.values()), 3),
                "cost_dollars": (
                    round(sum(known), _USAGE_DIGITS) if len(known) == len(costs) else None
                ),
                "cost_basis": _basis(spent),
                "workers": spent,
            }
        )


def _basis(spent: Mapping[str, Spent]) -> str:
    """Why there is a cost, or none, in one text."""
    if len(spent) == 1:
        return next(iter(spent.values())).cost_basis
    told = "; ".join(f"{role}: {own.cost_basis}" for role, own in spent.items())
    lacking = [role for role, own in spent.items() if own.cost_dollars is None]
    return f"unknown for lack of {' and '.join(lacking)}; {told}" if lacking else told


class AnyReply(BaseModel):
    """What every reply tells beside its answer."""

    model_config = ConfigDict(frozen=True)

    audio: AudioFacts
    timings: dict[str, float] = Field(description="Seconds of each phase.")
    usage: Usage
    warnings: tuple[str, ...] = Field(description="What a reader should know about the answer.")
    cold_start: ColdStart | None = Field(
        default=None, description="Of the worker, with the first job that it did."
    )

    @field_validator("usage", mode="wrap")
    @classmethod
    def _readable(cls, value: object, read: ValidatorFunctionWrapHandler) -> Usage:
        """What a worker says that it took; nonsense there loses no answer that is paid for."""
        try:
            usage: Usage = read(value)
        except ValidationError:
            return Usage(audio_seconds=0.0, processing_seconds=0.0, cost_basis=_UNREADABLE)
        return usage

    def charged(self, role: str, spent: Spent) -> Self:
        """The same with what a further worker gave."""
        return self.model_copy(update={"usage": self.usage.charged({role: spent})})

    def body(self) -> dict[str, Any]:
        """The reply ready for JSON. Of hours it takes a while: not for the event loop."""
        long = [name for name, value in self if isinstance(value, tuple) and len(value) > PIECE]
        left_out = {*long, *(() if self.cold_start else ("cold_start",))}
        body = self.model_dump(mode="json", exclude=left_out) | {
            name: self._list(name) for name in long
        }
        return {name: body[name] for name in type(self).model_fields if name in body}

    def _list(self, name: str) -> list[Any]:
        """A long field ready for JSON."""
        plain: list[Any] = []
        for piece in in_pieces(getattr(self, name)):
            part = self.model_copy(update={name: piece})
            plain += part.model_dump(mode="json", include={name})[name]
        return plain


class TranscriptionReply(AnyReply):
    """The `output` of a job of the transcription endpoint."""

    words: tuple[Word, ...] = Field(
        description="`text`, `start` and `end` in seconds, `confidence`; ordered by start."
    )
    language: str | None = Field(description="Of the words, where it is known.")
    model: Model | None

    @field_serializer("words")
    def _short(self, words: tuple[Word, ...]) -> list[dict[str, Any]]:
        return [
            {"text": w.text, "start": w.start, "end": w.end, "confidence": w.confidence}
            for w in words
        ]


class DiarizationReply(AnyReply):
    """The `output` of a job of the diarization endpoint."""

    turns: tuple[Turn, ...] = Field(
        description="Who speaks when, ordered by start; turns of different speakers may overlap."
    )
    exclusive: tuple[Turn, ...] = Field(description="The same with one speaker at most at a time.")
    embeddings: dict[str, tuple[float, ...]] = Field(
        description="One vector per speaker, where the model gives them."
    )
    model: Model | None


class Reply(AnyReply):
    """The `output` of a job that asks who said what."""

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
    models: dict[str, Model] = Field(description="By role: `transcriber`, `diarizer`.")
    timings: dict[str, float] = Field(
        description="Seconds of each phase; `transcribe` and `diarize` run at the same time. "
        "Where endpoints did the work, `transcribe.delay` is how long that phase waited for a "
        "worker, and `transcribe.fetch` what its worker spent on that."
    )

    def body(self) -> dict[str, Any]:
        """The reply ready for JSON, numbers rounded to thousandths, those of its cost less."""
        full = super().body()
        body: dict[str, Any] = _rounded(full)
        return body | {"usage": _rounded(full["usage"], digits=_USAGE_DIGITS)}


class LargeReply(BaseModel):
    """Stands for a reply that is larger than the platform delivers."""

    result_url: str = Field(description="A signed link to the reply, as JSON.")
    bytes: int
    sha256: str = Field(description="Of the bytes behind the link.")


class Failure(BaseModel):
    """The `error` of a failed job, as JSON text."""

    code: str = Field(description="Stable; `handlers/errors.py` draws them all.")
    message: str = Field(description="What happened, and what to do.")
    retryable: bool = Field(description="Whether the same job may succeed when it is sent again.")


def compose(
    job: Job,
    conversation: Conversation,
    *,
    report: Report,
    began: float,
) -> Reply:
    """Make the reply of what was found out, renderings included.

    Args:
        job: says what the reply is to hold.
        conversation: what was found out.
        report: the recording, and the phases and warnings of opening it.
        began: when work on the job began, by `time.monotonic`.

    """
    transcript = conversation.transcript
    rendering = time.monotonic()
    formats = render(transcript, job.formats, name=job.name, duration=report.audio.seconds)
    now = time.monotonic()
    timings = {
        **report.seconds,
        **conversation.seconds,
        "format": now - rendering,
        "total": now - began,
    }
    return Reply(
        text=transcript.text,
        language=conversation.language,
        segments=transcript.segments if job.word_timestamps else _without_words(transcript),
        speakers=transcript.speakers,
        turns=transcript.turns,
        formats=formats,
        audio=report.audio,
        models=conversation.models,
        timings=timings,
        usage=Usage.of(report.audio, seconds=now - began).charged(conversation.spent),
        warnings=(*report.warnings, *conversation.warnings),
    )


def _without_words(transcript: Transcript) -> tuple[Segment, ...]:
    return tuple(
        Segment(start=s.start, end=s.end, text=s.text, speaker=s.speaker)
        for s in transcript.segments
    )


def _rounded(value: Any, *, digits: int = 3) -> Any:  # noqa: ANN401
    if isinstance(value, float):
        return round(value, digits) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _rounded(item, digits=digits) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item, digits=digits) for item in value]
    return value
