"""What is said: the protocol that every transcriber follows, here or behind an endpoint."""

from typing import Protocol, TypeVar

from handlers.progress import Progress
from handlers.timeline import Transcription

Audio_contra = TypeVar("Audio_contra", contravariant=True)


class Transcriber(Protocol[Audio_contra]):
    """Turns audio into words."""

    async def transcribe(
        self, audio: Audio_contra, *, language: str | None, progress: Progress
    ) -> Transcription:
        """Give every word with its time.

        Args:
            audio: samples for an engine of this process, a reference for a remote one.
            language: two letters, or None to let the model find out.
            progress: told the share of the audio that is done, as phase `transcribe`.

        """
        ...
