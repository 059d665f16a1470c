"""The transcription endpoint: the words alone. Wiring only."""

from handlers.fitness import checks
from handlers.launch import launch
from handlers.parakeet import load_parakeet
from handlers.service import Resident, TranscriptionService
from handlers.settings import TranscriptionSettings


def create_service(settings: TranscriptionSettings) -> TranscriptionService:
    """Wire the transcriber to a service; nothing is loaded yet."""
    return TranscriptionService(Resident(lambda: load_parakeet(settings)), settings=settings)


if __name__ == "__main__":
    launch(create_service, kind=TranscriptionSettings, checks=checks)
