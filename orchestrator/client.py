"""The Python client: one call, whichever shape answers it."""

import asyncio
import os
import re
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypedDict, Unpack

import aiohttp
from pydantic import SecretStr

from handlers.bucket import Bucket
from handlers.conversation import OnDiarizationFailure
from handlers.errors import EndpointNotConfigured, FileMissing
from handlers.formats import Format
from handlers.jobs import Job, read_job
from handlers.progress import Progress, ignore
from handlers.replies import Reply
from handlers.sources import DATA_URI, AudioSource
from orchestrator.endpoint import Endpoint, Patience
from orchestrator.fanout import Fanout
from orchestrator.remote import Ends, ask, job_input
from orchestrator.settings import CallerSettings
from orchestrator.storage import as_reference

Audio = str | os.PathLike[str] | bytes
"""A URL (http, https, data), a path, or the bytes of a recording."""

DEFAULT_SECONDS: Final = 3600.0
_SHARE_OF_ENDPOINT: Final = 0.95
"""Of the time that is left: so it is the endpoint that says what it waited for in vain."""
_ASKED_ALREADY: Final = Patience(submissions=1)
"""An orchestrator submits again itself what may be submitted again."""
_ELSEWHERE: Final = "https://audio.invalid/"
"""Stands in a job for audio that is told apart from it."""
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
"""Of any scheme: what an address holds is shown in no message, and workers refuse most."""


class JobOptions(TypedDict, total=False):
    """What may be asked beside the audio: the fields of a job (docs/job.schema.json)."""

    diarize: bool
    num_speakers: int
    min_speakers: int
    max_speakers: int
    on_diarization_failure: OnDiarizationFailure
    word_timestamps: bool
    formats: Sequence[Format]
    name: str
    language: str


class Shape(Protocol):
    """What answers jobs: one endpoint, or two."""

    async def transcribe(
        self, job: Job, *, audio: AudioSource | bytes | Path, within: float, progress: Progress
    ) -> Reply:
        """Answer one job."""
        ...


class Whole:
    """One endpoint that answers whole jobs: `single` or `orch`."""

    def __init__(self, endpoint: Endpoint, *, bucket: Bucket | None) -> None:
        self._endpoint = endpoint
        self._bucket = bucket

    async def transcribe(
        self, job: Job, *, audio: AudioSource | bytes | Path, within: float, progress: Progress
    ) -> Reply:
        """Answer one job.

        Raises:
            ParleyError: the endpoint gave no reply; the leaf says why.

        """
        ends = Ends.after(within)
        options = job.model_dump(
            mode="json", exclude_unset=True, exclude={"audio_url", "audio_base64"}
        )
        async with as_reference(audio, bucket=self._bucket, within=within) as reference:
            options |= {"task": Job.does, "deadline_seconds": ends.left * _SHARE_OF_ENDPOINT}
            asked = job_input(reference, **options)
            _, reply = await ask(self._endpoint, asked, kind=Reply, ends=ends, progress=progress)
        return reply


class AsyncClient:
    """Asks deployed endpoints who said what, when.

    Made by `single`, `orch` or `split`, which tell nothing else apart:

        async with AsyncClient.orch("endpoint-id") as client:
            reply = await client.transcribe("meeting.mp3", max_speakers=4)

    The key is taken from RUNPOD_API_KEY, another platform than RunPod from
    RUNPOD_ENDPOINT_BASE_URL, and a bucket for large local files from PARLEY_BUCKET_NAME and
    BUCKET_*, where they are not given.
    """

    def __init__(
        self,
        *endpoints: str,
        api_key: str | None,
        base_url: str | None,
        patience: Patience | None = None,
    ) -> None:
        settings = CallerSettings.read()
        key = SecretStr(api_key) if api_key else settings.api_key
        if key is None or not all(endpoints):
            missing = ["RUNPOD_API_KEY"] if key is None else ["the endpoint's id"]
            raise EndpointNotConfigured(missing=missing)
        self._ids = endpoints
        self._key = key
        self._base_url = base_url or settings.base_url
        self._patience = patience
        self._bucket = Bucket.from_settings(settings)
        self._session: aiohttp.ClientSession | None = None
        self._shape: Shape | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._calls: set[asyncio.Task[Any]] = set()

    @classmethod
    def single(
        cls, endpoint: str, *, api_key: str | None = None, base_url: str | None = None
    ) -> Self:
        """Ask one endpoint that holds both engines.

        Raises:
            EndpointNotConfigured: there is no key.
            SettingsError: the environment holds what cannot be.

        """
        return cls(endpoint, api_key=api_key, base_url=base_url)

    @classmethod
    def orch(
        cls, endpoint: str, *, api_key: str | None = None, base_url: str | None = None
    ) -> Self:
        """Ask an orchestrator, that asks the two others.

        Raises:
            EndpointNotConfigured: there is no key.
            SettingsError: the environment holds what cannot be.

        """
        return cls(endpoint, api_key=api_key, base_url=base_url, patience=_ASKED_ALREADY)

    @classmethod
    def split(
        cls,
        *,
        transcription: str,
        diarization: str,
        api_key: str | None = None,
        base_url: str | None = None,
    ) -> Self:
        """Ask both endpoints at once, and put their answers together here.

        Raises:
            EndpointNotConfigured: there is no key.
            SettingsError: the environment holds what cannot be.

        """
        return cls(transcription, diarization, api_key=api_key, base_url=base_url)

    async def transcribe(
        self,
        audio: Audio,
        *,
        within: float = DEFAULT_SECONDS,
        progress: Progress = ignore,
        **options: Unpack[JobOptions],
    ) -> Reply:
        """Find out who said what, when.

        Cancelling this cancels the jobs that it has on the platform.

        Args:
            audio: a URL (http, https, data), a path, or the bytes of a recording. Without a
                bucket, local audio has to fit into a request: about 7 MB.
            within: seconds in which the reply must be there, waiting for workers included.
            progress: told every step, in the event loop.
            **options: what else is asked; see `JobOptions`.

        Raises:
            ParleyError: there is no reply; the leaf says why, and what to do.

        """
        job = read_job({"audio_url": _ELSEWHERE, **options}, Job)
        source = _source(audio)
        call = asyncio.create_task(
            self._connected().transcribe(job, audio=source, within=within, progress=progress)
        )
        self._calls.add(call)
        try:
            return await call
        finally:
            self._calls.discard(call)

    def _connected(self) -> Shape:
        """Give what answers jobs; connections belong to an event loop, and end with it."""
        loop = asyncio.get_running_loop()
        if self._shape is None or self._loop is not loop:
            self._loop, self._calls = loop, set()
            self._shape = self._connect()
        return self._shape

    def _connect(self) -> Shape:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), trust_env=True
        )
        endpoints = [
            Endpoint(
                name,
                session=self._session,
                api_key=self._key.get_secret_value(),
                base_url=self._base_url,
                patience=self._patience,
            )
            for name in self._ids
        ]
        if len(endpoints) == 1:
            return Whole(endpoints[0], bucket=self._bucket)
        transcription, diarization = endpoints
        return Fanout(transcription=transcription, diarization=diarization, bucket=self._bucket)

    async def aclose(self) -> None:
        """Cancel what is under way, and close the connections; a later job opens new ones."""
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        session, self._session, self._shape = self._session, None, None
        if session is not None:
            await session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


def _source(audio: Audio) -> AudioSource | bytes | Path:
    if isinstance(audio, bytes):
        return audio
    text = os.fspath(audio)
    if isinstance(audio, str) and (_ADDRESS.match(text) or DATA_URI.match(text)):
        return AudioSource(url=text)
    path = Path(text)
    if not path.is_file():
        raise FileMissing(path=text)
    return path
