"""The diarization endpoint: the turns alone. Wiring only."""

from handlers.fitness import checks
from handlers.launch import launch
from handlers.pyannote_diarizer import load_pyannote
from handlers.service import DiarizationService, Resident
from handlers.settings import DiarizationSettings


def create_service(settings: DiarizationSettings) -> DiarizationService:
    """Wire the diarizer to a service; nothing is loaded yet."""
    return DiarizationService(Resident(lambda: load_pyannote(settings)), settings=settings)


if __name__ == "__main__":
    launch(create_service, kind=DiarizationSettings, checks=checks)
