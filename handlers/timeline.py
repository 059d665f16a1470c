"""What is said, by whom, when: frozen values. Times are seconds from the start of the audio."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


def milliseconds(seconds: float) -> float:
    """A time on the grid of engines' answers.

    No engine knows better, and a time on the grid comes through JSON as it was: an answer from an
    endpoint equals one of this process.
    """
    return round(seconds, 3)


@dataclass(frozen=True, slots=True)
class Word:
    """One word as the transcriber wrote it, punctuation included.

    Attributes:
        text: without surrounding space.
        start: seconds.
        end: seconds, at or after `start`.
        confidence: the transcriber's, 0 to 1, where it gives one.
        speaker: who said it, once speakers are assigned.
        speaker_confidence: share of the word that lies in the speaker's turns, 0 to 1.
        overlap: somebody else speaks during this word.

    """

    text: str
    start: float
    end: float
    confidence: float | None = None
    speaker: str | None = None
    speaker_confidence: float | None = None
    overlap: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Turn:
    """A stretch of speech of one speaker."""

    start: float
    end: float
    speaker: str

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Model:
    """A model that took part in an answer: its repository, the commit of it, where it was found.

    Attributes:
        name: of its repository, or of a local folder.
        revision: the commit.
        source: `store`, `volume`, `image`, `mirror`, `hub` or `local`.
        seconds: what finding its files took, download included.

    """

    name: str
    revision: str | None = None
    source: str | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """A recording as it was sent.

    Attributes:
        seconds: duration.
        sha256: of the bytes that were sent, in hexadecimal.
        bytes: how many were sent.
        container: as FFmpeg names it, such as `wav` or `mov`.
        codec: as FFmpeg names it, such as `pcm_s16le` or `aac`.
        sample_rate: hertz, before resampling to 16 000.
        channels: before they were mixed into one.

    """

    seconds: float
    sha256: str
    bytes: int
    container: str
    codec: str
    sample_rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class Machine:
    """What a worker runs on.

    Attributes:
        gpu: the name that its driver gives it, such as `NVIDIA L4`; None without a GPU.
        count: how many GPUs the worker has.

    """

    gpu: str | None = None
    count: int = 1

    def __str__(self) -> str:
        """Name it for a reader."""
        if self.gpu is None:
            return "CPU"
        return self.gpu if self.count == 1 else f"{self.count} x {self.gpu}"


@dataclass(frozen=True, slots=True)
class Spent:
    """What one worker gave to a job, and what that costs.

    Attributes:
        worker_seconds: of the worker; while it had n jobs, an nth of each second. Its start and
            its idle seconds are not among them.
        machine: its GPU's name, or `CPU`; None where it is not known.
        dollars_per_second: what a second of the whole worker costs, where that is known.
        cost_dollars: of `worker_seconds`, where that is known.
        cost_basis: whose price that is and of which day, or why there is none.
        endpoint: RunPod's id of the endpoint whose worker it is, where the worker knows it.

    """

    worker_seconds: float
    machine: str | None = None
    dollars_per_second: float | None = None
    cost_dollars: float | None = None
    cost_basis: str = ""
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What an endpoint tells of its work beside the answer.

    Attributes:
        audio: the recording as the endpoint's worker opened it.
        seconds: of each phase there, and `delay`, from asking to a worker's taking the job.
        warnings: what was wrong with the audio and could be helped.
        spent: what its worker gave, by the endpoint's role.

    """

    audio: AudioFacts
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    spent: Mapping[str, Spent] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Transcription:
    """What is said.

    Attributes:
        words: without speakers, ordered by start.
        language: two letters, where known.
        model: what found the words.
        report: where it came from an endpoint.
        warnings: what a reader should know about the words, in sentences.
        machine: what the engine runs on, where it is of this process.

    """

    words: tuple[Word, ...] = ()
    language: str | None = None
    model: Model | None = None
    report: Report | None = None
    warnings: tuple[str, ...] = ()
    machine: Machine | None = None


@dataclass(frozen=True, slots=True)
class Diarization:
    """Who speaks when.

    Attributes:
        turns: ordered by start; turns of different speakers may overlap.
        exclusive: ordered by start; at most one speaker at any time.
        embeddings: one vector per speaker, where the engine gives them.
        model: what found the turns.
        report: where it came from an endpoint.
        warnings: what a reader should know about the answer.
        machine: what the engine runs on, where it is of this process.

    """

    turns: tuple[Turn, ...] = ()
    exclusive: tuple[Turn, ...] = ()
    embeddings: dict[str, tuple[float, ...]] = field(default_factory=dict)
    model: Model | None = None
    report: Report | None = None
    warnings: tuple[str, ...] = ()
    machine: Machine | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive words of one speaker: about a sentence, a line of a subtitle."""

    start: float
    end: float
    text: str
    speaker: str | None = None
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Speaker:
    """How long one speaker talks in all, in seconds, and in how many segments."""

    label: str
    seconds: float
    segments: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """Who said what, when."""

    segments: tuple[Segment, ...] = ()
    speakers: tuple[Speaker, ...] = ()
    turns: tuple[Turn, ...] = ()

    @property
    def text(self) -> str:
        """Everything said, in order, without names."""
        return " ".join(segment.text for segment in self.segments)

    @property
    def words(self) -> Sequence[Word]:
        """Every word, in order."""
        return [word for segment in self.segments for word in segment.words]
