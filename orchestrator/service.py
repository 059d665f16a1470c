"""A job from its input to its reply, with engines behind endpoints."""

from typing import Any

import aiohttp

from handlers.bucket import Bucket
from handlers.errors import EndpointNotConfigured
from handlers.jobs import Job, read_job
from handlers.progress import Progress
from orchestrator.endpoint import Endpoint
from orchestrator.fanout import Fanout
from orchestrator.settings import OrchestratorSettings


class OrchestratorService:
    """Answers jobs by asking two endpoints; one session serves all jobs of the worker."""

    def __init__(self, settings: OrchestratorSettings, *, bucket: Bucket | None) -> None:
        self._settings = settings
        self._bucket = bucket
        self._fanout: Fanout | None = None

    def warm(self) -> None:
        """Nothing is loaded; a session belongs to the event loop of the jobs."""

    async def answer(self, raw: Any, progress: Progress) -> dict[str, Any]:  # noqa: ANN401
        """Answer the `input` of a job with a `Reply` ready for JSON.

        Raises:
            ParleyError: the job cannot be answered; the leaf says why.

        """
        job = read_job(raw, Job)
        if self._fanout is None:
            self._fanout = self._connect()
        reply = await self._fanout.transcribe(
            job, audio=job.source, within=self._settings.job_seconds, progress=progress
        )
        return reply.body()

    def _connect(self) -> Fanout:
        settings = self._settings
        needed = {
            "PARLEY_TRANSCRIPTION_ENDPOINT": settings.transcription_endpoint,
            "PARLEY_DIARIZATION_ENDPOINT": settings.diarization_endpoint,
            "RUNPOD_API_KEY": settings.api_key,
        }
        if missing := [name for name, value in needed.items() if value is None]:
            raise EndpointNotConfigured(missing=missing)
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        transcription, diarization = (
            Endpoint(
                str(endpoint),
                session=session,
                api_key=settings.api_key.get_secret_value() if settings.api_key else "",
                base_url=settings.base_url,
            )
            for endpoint in (settings.transcription_endpoint, settings.diarization_endpoint)
        )
        return Fanout(transcription=transcription, diarization=diarization, bucket=self._bucket)
