"""The product in this process, for benchmarks: wiring only."""

import asyncio
import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from demo.hub import DIARIZER, HUB, TRANSCRIBER
from handlers.progress import ignore
from handlers.settings import Settings
from handlers.single import create_service

Models = Literal["demo", "real"]

_DEMO: Final = {"transcriber_model": TRANSCRIBER, "diarizer_model": DIARIZER, "hub_cache": HUB}


def local_transcribe(*, models: Models) -> Callable[[Path], Mapping[str, Any]]:
    """What the single endpoint does, without a platform; its engines are loaded once.

    Args:
        models: the demo's, or those that the environment names.

    """
    settings = Settings.read()
    service = create_service(settings.model_copy(update=_DEMO) if models == "demo" else settings)

    def transcribe(recording: Path) -> Mapping[str, Any]:
        job = {"audio_base64": base64.b64encode(recording.read_bytes()).decode()}
        return asyncio.run(service.answer(job, ignore))

    return transcribe
