"""Who speaks when: the protocol that every diarizer follows, here or behind an endpoint."""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from handlers.progress import Progress
from handlers.timeline import Diarization

Audio_contra = TypeVar("Audio_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class SpeakerCount:
    """How many speakers to look for: exactly, or between bounds; None where nobody knows."""

    exactly: int | None = None
    least: int | None = None
    most: int | None = None


class Diarizer(Protocol[Audio_contra]):
    """Turns audio into turns of speakers."""

    async def diarize(
        self, audio: Audio_contra, *, speakers: SpeakerCount, progress: Progress
    ) -> Diarization:
        """Give every turn with its speaker.

        Args:
            audio: samples for an engine of this process, a reference for a remote one.
            speakers: how many to look for.
            progress: told the share of the work that is done, as phase `diarize`.

        """
        ...
