"""Every way in which a job can fail.

    ParleyError
    ├── InvalidRequest                 invalid_request
    │   ├── AudioMissing               audio_missing
    │   ├── AudioAmbiguous             audio_ambiguous
    │   ├── UnknownOption              unknown_option
    │   ├── UnknownFormat              unknown_format
    │   ├── InvalidSpeakerCount        invalid_speaker_count
    │   ├── WrongEndpoint              wrong_endpoint
    │   └── UnsupportedLanguage        unsupported_language
    ├── AudioError
    │   ├── FileMissing                audio_file_missing
    │   ├── InvalidEncoding            audio_encoding_invalid
    │   ├── AudioUnreadable            audio_unreadable
    │   ├── AudioTruncated             audio_truncated
    │   ├── AudioEmpty                 audio_empty
    │   ├── AudioTooLong               audio_too_long
    │   ├── AudioTooLarge              audio_too_large
    │   └── DownloadError
    │       ├── AddressForbidden       audio_address_forbidden
    │       ├── DownloadRefused        audio_download_refused
    │       ├── RedirectLoop           audio_redirect_loop
    │       ├── HostUnreachable        audio_host_unreachable    retryable
    │       ├── HostFailed             audio_host_failed         retryable
    │       └── DownloadTimedOut       audio_download_timed_out  retryable
    ├── StorageError
    │   ├── BucketRefused              bucket_refused
    │   └── BucketUnreachable          bucket_unreachable        retryable
    ├── EndpointError
    │   ├── EndpointNotConfigured      endpoint_not_configured
    │   ├── EndpointNotFound           endpoint_not_found
    │   ├── EndpointAccessDenied       endpoint_access_denied
    │   ├── RequestRefused             request_refused
    │   ├── RequestTooLarge            request_too_large
    │   ├── EndpointUnreachable        endpoint_unreachable      retryable
    │   ├── EndpointFailed             endpoint_failed           retryable
    │   ├── WorkerLost                 worker_lost               retryable
    │   ├── JobTimedOut                job_timed_out
    │   ├── JobCancelled               job_cancelled
    │   ├── JobForgotten               job_forgotten
    │   ├── JobFailed                  job_failed
    │   ├── ResultLost                 result_lost
    │   ├── ReplyInvalid               reply_invalid
    │   └── DeadlineExceeded           deadline_exceeded         retryable
    ├── ModelError
    │   ├── ModelMissing               model_missing
    │   ├── ModelAccessDenied          model_access_denied
    │   ├── DiskFull                   model_disk_full
    │   └── ModelBroken                model_broken
    └── WorkerError
        ├── OutOfMemory                out_of_memory             retryable
        ├── EngineCrashed              engine_crashed            retryable
        ├── ScratchFull                scratch_full              retryable
        ├── ResultTooLarge             result_too_large
        └── InternalError              internal_error            retryable

A leaf has a stable `code`, says by `retryable` whether the same job may succeed when it is sent
again, and carries one message whose last sentence says what to do. Messages never hold secrets:
an address is shown without its user, its query and its fragment.

A failure that travelled as its body becomes the same leaf again by `restored`, so that callers
catch one kind of error wherever the work was done.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Self, TypedDict


class ErrorBody(TypedDict):
    """A failure as a caller sees it."""

    code: str
    message: str
    retryable: bool


class ParleyError(Exception):
    """A failure that a caller can act on."""

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def body(self) -> ErrorBody:
        """The failure as a caller sees it, ready for JSON."""
        return {"code": self.code, "message": str(self), "retryable": self.retryable}

    @classmethod
    def said(cls, message: str) -> Self:
        """The failure with a message that was written elsewhere."""
        error = cls.__new__(cls)
        Exception.__init__(error, message)
        return error


def restored(body: Mapping[str, object]) -> ParleyError | None:
    """The failure that a body came from; None where it is no body of one.

    A code that this version does not know, of a newer worker, becomes a `JobFailed`.
    """
    code, message = body.get("code"), body.get("message")
    if not isinstance(code, str) or not isinstance(message, str):
        return None
    kinds = {kind.code: kind for kind in _leaves(ParleyError)}
    kind = kinds.get(code)
    return kind.said(message) if kind else JobFailed.said(f"{message} ({code})")


def _leaves(kind: type[ParleyError]) -> Iterator[type[ParleyError]]:
    below = kind.__subclasses__()
    for child in below:
        yield from _leaves(child)
    if not below:
        yield kind


class InvalidRequest(ParleyError, ValueError):
    """The job asks for something that cannot be."""

    code = "invalid_request"


class AudioMissing(InvalidRequest):
    """The job names no audio."""

    code = "audio_missing"

    def __init__(self, sources: Sequence[str]) -> None:
        super().__init__(f"The job names no audio. Give one of: {', '.join(sources)}.")


class AudioAmbiguous(InvalidRequest):
    """The job names several audio sources."""

    code = "audio_ambiguous"

    def __init__(self, given: Sequence[str]) -> None:
        super().__init__(
            f"The job names audio {len(given)} times. Keep one of: {', '.join(given)}."
        )


class UnknownOption(InvalidRequest):
    """The job holds a field that no endpoint knows."""

    code = "unknown_option"

    def __init__(self, name: str, *, suggestion: str | None, known: Sequence[str]) -> None:
        advice = f"Did you mean {suggestion!r}?" if suggestion else "Remove it."
        super().__init__(f"Unknown option {name!r}. {advice} Options: {', '.join(known)}.")


class UnknownFormat(InvalidRequest):
    """The job asks for an output format that does not exist."""

    code = "unknown_format"

    def __init__(self, name: str, *, suggestion: str | None, known: Sequence[str]) -> None:
        advice = f"Did you mean {suggestion!r}? " if suggestion else ""
        super().__init__(
            f"Unknown output format {name!r}. {advice}Choose from: {', '.join(known)}."
        )


class InvalidSpeakerCount(InvalidRequest):
    """The numbers of speakers contradict each other, or are impossible."""

    code = "invalid_speaker_count"


class WrongEndpoint(InvalidRequest):
    """The job was meant for another kind of endpoint."""

    code = "wrong_endpoint"

    def __init__(self, *, wanted: str, kind: str) -> None:
        super().__init__(
            f"The job asks for {wanted!r}, and this endpoint does {kind!r}. Check which endpoint's "
            "id is given where."
        )


class UnsupportedLanguage(InvalidRequest):
    """The transcriber does not know the language."""

    code = "unsupported_language"

    def __init__(self, language: str, *, model: str, known: Sequence[str]) -> None:
        super().__init__(
            f"{model} does not know the language {language!r}. Leave the language out, or choose "
            f"from: {', '.join(known)}."
        )


class AudioError(ParleyError):
    """The audio cannot be had or used."""


class FileMissing(AudioError):
    """There is no such file on the caller's machine."""

    code = "audio_file_missing"

    def __init__(self, *, path: str) -> None:
        super().__init__(f"There is no file {path!r}. Give the path of a recording, or a URL.")


class InvalidEncoding(AudioError, ValueError):
    """Inline audio is not base64."""

    code = "audio_encoding_invalid"

    def __init__(self, *, reason: str) -> None:
        super().__init__(
            f"The inline audio {reason}. Send the file's bytes as base64, or as a data URI."
        )


class AudioUnreadable(AudioError):
    """What was sent is not audio in any format that can be decoded."""

    code = "audio_unreadable"

    def __init__(self, *, reason: str) -> None:
        super().__init__(
            f"The audio cannot be decoded: {reason}. Send a recording in a common format, such as "
            "WAV, FLAC, MP3, M4A, OGG or WebM."
        )


class AudioTruncated(AudioError):
    """The audio ends before its own header says."""

    code = "audio_truncated"

    def __init__(self, *, reason: str) -> None:
        super().__init__(
            f"The audio breaks off: {reason}. Send the whole file; if this is all there is of it, "
            "convert what is left to FLAC and send that."
        )


class AudioEmpty(AudioError):
    """The audio holds not one sample."""

    code = "audio_empty"

    def __init__(self) -> None:
        super().__init__("The audio holds no samples. Check that it was recorded and sent whole.")


class AudioTooLong(AudioError):
    """The audio lasts longer than the endpoint accepts."""

    code = "audio_too_long"

    def __init__(self, *, limit: float) -> None:
        super().__init__(
            f"The audio is longer than {limit:.0f} s. Send it in parts, or raise "
            "PARLEY_MAX_AUDIO_SECONDS on the endpoint."
        )


class AudioTooLarge(AudioError):
    """The audio has more bytes than the endpoint accepts."""

    code = "audio_too_large"

    def __init__(self, *, limit: int) -> None:
        super().__init__(
            f"The audio is larger than {limit} bytes. Send it compressed (FLAC, Opus), or raise "
            "PARLEY_MAX_AUDIO_BYTES on the endpoint."
        )


class DownloadError(AudioError):
    """The audio's URL gave no audio."""


class AddressForbidden(DownloadError):
    """The URL points into a private network, or is no http(s) URL."""

    code = "audio_address_forbidden"

    def __init__(self, *, address: str, reason: str) -> None:
        super().__init__(
            f"{address} {reason}. Give a public http(s) URL, or send the audio inline."
        )


class DownloadRefused(DownloadError):
    """The host answered that it will not give the audio: 4xx."""

    code = "audio_download_refused"

    def __init__(self, *, address: str, status: int) -> None:
        self.status = status
        super().__init__(
            f"{address} answered HTTP {status}. Check that the URL is right, public or signed, "
            "and not expired."
        )


class RedirectLoop(DownloadError):
    """The URL redirects too often."""

    code = "audio_redirect_loop"

    def __init__(self, *, address: str, limit: int) -> None:
        super().__init__(
            f"{address} redirects more than {limit} times. Give the URL at which they end."
        )


class HostUnreachable(DownloadError):
    """The URL's host cannot be found or connected to."""

    code = "audio_host_unreachable"
    retryable = True

    def __init__(self, *, address: str, reason: str) -> None:
        super().__init__(
            f"{address}: {reason}. Check the URL's host; if it is right, send the job again."
        )


class HostFailed(DownloadError):
    """The host answered 5xx or 429, or broke off, also when asked again."""

    code = "audio_host_failed"
    retryable = True

    def __init__(self, *, address: str, reason: str) -> None:
        super().__init__(f"{address} {reason}. Send the job again later.")


class DownloadTimedOut(DownloadError):
    """The host is slower than the endpoint's deadline."""

    code = "audio_download_timed_out"
    retryable = True

    def __init__(self, *, address: str, reason: str) -> None:
        super().__init__(
            f"{address} {reason}. Send the job again, or put the audio on a faster host."
        )


class StorageError(ParleyError):
    """The bucket cannot be used."""


class BucketRefused(StorageError):
    """The bucket answered that it will not: wrong keys, no such bucket."""

    code = "bucket_refused"

    def __init__(self, *, bucket: str, reason: str) -> None:
        super().__init__(
            f"The bucket {bucket!r} refused: {reason}. Check PARLEY_BUCKET_NAME and the BUCKET_* "
            "variables: address, keys, and that they may read, write and delete."
        )


class BucketUnreachable(StorageError):
    """The bucket's host does not answer, also when asked again."""

    code = "bucket_unreachable"
    retryable = True

    def __init__(self, *, bucket: str, reason: str) -> None:
        super().__init__(
            f"The bucket {bucket!r} cannot be reached: {reason}. Check BUCKET_ENDPOINT_URL; if it "
            "is right, send the job again."
        )


class EndpointError(ParleyError):
    """A RunPod endpoint gave no answer to a job."""


class EndpointNotConfigured(EndpointError, ValueError):
    """Nobody said which endpoint to use, or with which key."""

    code = "endpoint_not_configured"

    def __init__(self, *, missing: Sequence[str]) -> None:
        super().__init__(f"Not set: {', '.join(missing)}. Set what is missing.")


class EndpointNotFound(EndpointError):
    """There is no such endpoint, or it is not this key's."""

    code = "endpoint_not_found"

    def __init__(self, endpoint: str) -> None:
        super().__init__(
            f"There is no endpoint {endpoint!r} for this key. Check the endpoint's id and that "
            "the key belongs to the same account."
        )


class EndpointAccessDenied(EndpointError):
    """The endpoint does not take the key."""

    code = "endpoint_access_denied"

    def __init__(self, endpoint: str, *, status: int) -> None:
        super().__init__(
            f"The endpoint {endpoint!r} does not accept the key (HTTP {status}). Set "
            "RUNPOD_API_KEY to a key that may use this endpoint."
        )


class RequestRefused(EndpointError):
    """The platform says that the request is wrong."""

    code = "request_refused"

    def __init__(self, endpoint: str, *, status: int, reason: str) -> None:
        super().__init__(
            f"The platform refused the request to {endpoint!r} (HTTP {status}): {reason}. Check "
            "that Parley and the address of the platform are up to date."
        )


class RequestTooLarge(EndpointError):
    """The request has more bytes than the platform takes."""

    code = "request_too_large"

    def __init__(self, *, size: int, limit: int) -> None:
        super().__init__(
            f"The request has {size} bytes, the platform takes {limit}. Give the audio as a URL, "
            "or set up a bucket (PARLEY_BUCKET_NAME) that it is sent through."
        )


class EndpointUnreachable(EndpointError):
    """The platform cannot be connected to, also when tried again."""

    code = "endpoint_unreachable"
    retryable = True

    def __init__(self, endpoint: str, *, reason: str) -> None:
        super().__init__(
            f"The endpoint {endpoint!r} cannot be reached: {reason}. Check the network and "
            "RUNPOD_ENDPOINT_BASE_URL; if they are right, try again."
        )


class EndpointFailed(EndpointError):
    """The platform answers 429 or 5xx, also when asked again."""

    code = "endpoint_failed"
    retryable = True

    def __init__(self, endpoint: str, *, status: int) -> None:
        super().__init__(
            f"The platform keeps answering HTTP {status} for the endpoint {endpoint!r}. Try again "
            "later; send fewer jobs at once if it is 429."
        )


class WorkerLost(EndpointError):
    """The worker vanished in the middle of the job, also when it was given to another."""

    code = "worker_lost"
    retryable = True

    def __init__(self, endpoint: str, *, job: str) -> None:
        super().__init__(
            f"The workers of {endpoint!r} vanished while they had job {job}. Look into the "
            "endpoint's log for workers that crash or run out of memory, then try again."
        )


class JobTimedOut(EndpointError):
    """The platform ended the job: its execution timeout or its time to live is over."""

    code = "job_timed_out"

    def __init__(self, endpoint: str, *, job: str) -> None:
        super().__init__(
            f"The platform ended job {job} of {endpoint!r} for its timeout. Raise the endpoint's "
            "execution timeout, or send the audio in parts."
        )


class JobCancelled(EndpointError):
    """Somebody else cancelled the job."""

    code = "job_cancelled"

    def __init__(self, endpoint: str, *, job: str) -> None:
        super().__init__(f"Job {job} of {endpoint!r} was cancelled. Send it again if it is wanted.")


class JobForgotten(EndpointError):
    """The platform does not know the job any more."""

    code = "job_forgotten"

    def __init__(self, endpoint: str, *, job: str) -> None:
        super().__init__(
            f"The platform knows job {job} of {endpoint!r} no more: its time to live is over, or "
            "its result was kept no longer. Send the job again."
        )


class JobFailed(EndpointError):
    """The job failed, and its error is none of Parley's."""

    code = "job_failed"

    def __init__(self, endpoint: str, *, job: str, reason: str) -> None:
        super().__init__(
            f"Job {job} of {endpoint!r} failed: {reason}. Look into the endpoint's log of this job."
        )


class ResultLost(EndpointError):
    """The job is done and its result is nowhere: the platform drops what is too large."""

    code = "result_lost"

    def __init__(self, endpoint: str, *, job: str) -> None:
        super().__init__(
            f"Job {job} of {endpoint!r} is done, but the platform lost its result, as it does "
            "above 20 MB. Set up a bucket on the endpoint (PARLEY_BUCKET_NAME)."
        )


class ReplyInvalid(EndpointError):
    """What came back is no reply of Parley's."""

    code = "reply_invalid"

    def __init__(self, endpoint: str, *, reason: str) -> None:
        super().__init__(
            f"The endpoint {endpoint!r} answered with something else than expected: {reason}. "
            "Check that the id is the one of this kind of endpoint, of the same version of Parley."
        )


class DeadlineExceeded(EndpointError):
    """No answer came before the caller's own deadline."""

    code = "deadline_exceeded"
    retryable = True

    def __init__(self, endpoint: str, *, seconds: float, state: str) -> None:
        super().__init__(
            f"The endpoint {endpoint!r} gave no result within {seconds:.0f} s; the job was "
            f"{state}. Give it more time, or raise the endpoint's number of workers."
        )


class ModelError(ParleyError):
    """A model cannot be used by this worker."""


class ModelMissing(ModelError):
    """A model's files are nowhere to be found."""

    code = "model_missing"


class ModelAccessDenied(ModelError):
    """The hub refuses a model: gated, private, or a wrong token."""

    code = "model_access_denied"


class DiskFull(ModelError):
    """There is no room for a model's files."""

    code = "model_disk_full"

    def __init__(self, name: str, *, path: str, free: int) -> None:
        super().__init__(
            f"There is no room for {name} in {path}: {free} bytes are free. Free some, or give "
            "the worker a larger volume or container disk."
        )


class ModelBroken(ModelError):
    """A model's files are there and cannot be loaded."""

    code = "model_broken"


class WorkerError(ParleyError):
    """The worker could not finish a sound job."""


class OutOfMemory(WorkerError):
    """An engine ran out of memory."""

    code = "out_of_memory"
    retryable = True


class EngineCrashed(WorkerError):
    """The GPU failed under an engine: its process can use it no more.

    Attributes:
        here: whether that process is this one; not where another worker's failure was `restored`.

    """

    code = "engine_crashed"
    retryable = True
    here = False

    def __init__(self, engine: str) -> None:
        self.here = True
        super().__init__(
            f"The GPU failed under the {engine}; the worker is replaced. Send the job again."
        )


class ScratchFull(WorkerError):
    """The worker's own disk has no room for a job's audio."""

    code = "scratch_full"
    retryable = True

    def __init__(self) -> None:
        super().__init__(
            "The worker's disk has no room for the audio. Send the job again; if that happens "
            "often, give the endpoint a larger container disk, or lower PARLEY_CONCURRENCY, so "
            "that fewer jobs share it."
        )


class ResultTooLarge(WorkerError):
    """The reply is larger than the platform delivers."""

    code = "result_too_large"

    def __init__(self, *, size: int, limit: int) -> None:
        super().__init__(
            f"The reply has {size} bytes, {limit} can be delivered. Ask for fewer formats, set "
            "word_timestamps to false, send the audio in parts, or set up a bucket on the endpoint "
            "(PARLEY_BUCKET_NAME)."
        )


class InternalError(WorkerError):
    """A defect of Parley. The worker's log holds the traceback under the job's id."""

    code = "internal_error"
    retryable = True

    def __init__(self, *, job: str) -> None:
        super().__init__(
            f"The worker met an unexpected error in job {job}. Send the job again; if it fails "
            "again, report it with the worker's log of this job."
        )
