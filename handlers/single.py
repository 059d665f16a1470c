"""The single endpoint: both engines in one GPU worker. Wiring only."""

import sys

from handlers.logs import configure_logging
from handlers.parakeet import load_parakeet
from handlers.pyannote_diarizer import load_pyannote
from handlers.service import ConversationService, Resident
from handlers.settings import Settings, SettingsError
from handlers.worker import serve


def create_service(settings: Settings) -> ConversationService:
    """Wire both engines to a service; nothing is loaded yet."""
    return ConversationService(
        transcriber=Resident(lambda: load_parakeet(settings)),
        diarizer=Resident(lambda: load_pyannote(settings)),
        settings=settings,
    )


def main() -> None:
    """Load both engines, then take jobs."""
    try:
        settings = Settings.read()
    except SettingsError as error:
        sys.exit(f"The worker cannot start: {error}")
    configure_logging(settings)
    service = create_service(settings)
    service.warm()
    serve(
        service.answer,
        max_result_bytes=settings.max_result_bytes,
        progress_interval=settings.progress_interval_seconds,
    )


if __name__ == "__main__":
    main()
