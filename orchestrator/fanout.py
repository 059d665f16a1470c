"""Both endpoints asked at the same moment, and their answers put together."""

import asyncio
import time
from pathlib import Path

from handlers.bucket import Bucket
from handlers.conversation import transcribe_conversation
from handlers.errors import ReplyInvalid
from handlers.jobs import Job
from handlers.progress import Progress, Step, ignore
from handlers.replies import Reply, compose
from handlers.sources import AudioSource
from handlers.timeline import Report
from orchestrator.endpoint import Endpoint
from orchestrator.remote import Branches, Ends, RemoteDiarizer, RemoteTranscriber
from orchestrator.storage import as_reference


class Fanout:
    """Who said what, of one endpoint for the words and one for the turns.

    Args:
        transcription: of the kind `handlers.transcription`.
        diarization: of the kind `handlers.diarization`.
        bucket: what inline audio is sent through, once for both; without one it travels within
            both requests.

    """

    def __init__(
        self, *, transcription: Endpoint, diarization: Endpoint, bucket: Bucket | None
    ) -> None:
        self._transcription = transcription
        self._diarization = diarization
        self._bucket = bucket

    async def transcribe(
        self,
        job: Job,
        *,
        audio: AudioSource | bytes | Path,
        within: float,
        progress: Progress = ignore,
    ) -> Reply:
        """Find out who said what, when.

        Where this is cancelled, or one endpoint fails, the jobs that are left are cancelled.

        Args:
            job: what is asked.
            audio: what is heard, in place of what the job names.
            within: seconds in which the reply must be there.
            progress: told the steps of both endpoints, merged.

        Raises:
            ParleyError: of the endpoint that failed first.

        """
        began = time.monotonic()
        ends = Ends.after(within)
        branches = Branches(progress)
        async with as_reference(audio, bucket=self._bucket, within=within) as reference:
            del audio
            words = branches.branch("words")
            transcriber = RemoteTranscriber(self._transcription, ends=ends, shared=words)
            diarizer = (
                RemoteDiarizer(self._diarization, ends=ends, shared=branches.branch("turns"))
                if job.diarize
                else None
            )
            conversation = await transcribe_conversation(
                reference,
                transcriber=transcriber,
                diarizer=diarizer,
                options=job.options,
                progress=progress,
            )
        if conversation.audio is None:
            raise ReplyInvalid(self._transcription.id, reason="no facts of the audio")
        report = Report(audio=conversation.audio)
        reply = await asyncio.to_thread(compose, job, conversation, report=report, began=began)
        progress(Step("format", 1.0))
        return reply
