"""A job from its input to its reply, with engines behind endpoints."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any, Final

import aiohttp

from handlers.bucket import Bucket
from handlers.errors import EndpointNotConfigured, ModelError
from handlers.jobs import Job, read_job
from handlers.metering import Meter, charged
from handlers.progress import Progress
from handlers.timeline import Machine
from orchestrator.endpoint import Endpoint
from orchestrator.fanout import Fanout
from orchestrator.settings import OrchestratorSettings

_NO_AUDIO: Final = {"audio_url": None, "audio_base64": None}


class OrchestratorService:
    """Answers jobs by asking two endpoints; one session serves all jobs of the worker."""

    def __init__(self, settings: OrchestratorSettings, *, bucket: Bucket | None) -> None:
        self._settings = settings
        self._bucket = bucket
        self._fanout: Fanout | None = None
        self._meter = Meter()

    def warm(self) -> Sequence[ModelError]:
        """Nothing is loaded; a session belongs to the event loop of the jobs."""
        return ()

    async def answer(self, raw: Any, progress: Progress) -> dict[str, Any]:  # noqa: ANN401
        """Answer the `input` of a job with a `Reply` ready for JSON.

        Raises:
            ParleyError: the job cannot be answered; the leaf says why.

        """
        job = read_job(raw, Job)
        if self._fanout is None:
            self._fanout = self._connect()
        within = min(self._settings.job_seconds, job.deadline_seconds or math.inf)
        work = self._fanout.transcribe(
            job.model_copy(update=_NO_AUDIO), audio=job.source, within=within, progress=progress
        )
        # with a bucket, hundreds of recordings need not stay in memory while their jobs wait
        del job
        raw.update(_NO_AUDIO)
        with self._meter.job() as taken:
            reply = await work
            spent = charged(taken(), machine=Machine(), settings=self._settings)
        return await asyncio.to_thread(reply.charged("orchestrator", spent).body)

    def _connect(self) -> Fanout:
        settings = self._settings
        needed = {
            "PARLEY_TRANSCRIPTION_ENDPOINT": settings.transcription_endpoint,
            "PARLEY_DIARIZATION_ENDPOINT": settings.diarization_endpoint,
            "RUNPOD_API_KEY": settings.api_key,
        }
        if missing := [name for name, value in needed.items() if value is None]:
            raise EndpointNotConfigured(missing=missing)
        called = (settings.transcription_endpoint, settings.diarization_endpoint)
        if settings.own_endpoint in called or called[0] == called[1]:
            message = (
                "PARLEY_TRANSCRIPTION_ENDPOINT and PARLEY_DIARIZATION_ENDPOINT must be two "
                "endpoints, and neither the orchestrator's own. Set each to the right id."
            )
            raise EndpointNotConfigured.said(message)
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        transcription, diarization = (
            Endpoint(
                str(endpoint),
                session=session,
                api_key=settings.api_key.get_secret_value() if settings.api_key else "",
                base_url=settings.base_url,
            )
            for endpoint in called
        )
        return Fanout(transcription=transcription, diarization=diarization, bucket=self._bucket)
