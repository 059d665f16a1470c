"""The single endpoint: both engines in one GPU worker. Wiring only."""

from handlers.fitness import checks
from handlers.launch import launch
from handlers.parakeet import load_parakeet
from handlers.pyannote_diarizer import load_pyannote
from handlers.service import ConversationService, Resident
from handlers.settings import Settings


def create_service(settings: Settings) -> ConversationService:
    """Wire both engines to a service; nothing is loaded yet."""
    return ConversationService(
        transcriber=Resident(lambda: load_parakeet(settings)),
        diarizer=Resident(lambda: load_pyannote(settings)),
        settings=settings,
    )


if __name__ == "__main__":
    launch(create_service, kind=Settings, checks=checks)
