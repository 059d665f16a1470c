"""A transcription endpoint without an engine, that starts like one and tells how long that took.

Its environment says how: `STUB_START_SECONDS` of finding weights and again of building,
`STUB_SECONDS` for each job. The file `STUB_MOOD` says what comes of a job: nothing special where it
is missing or empty; `lie`: an answer without words; `break`: a model that cannot be loaded;
`babble`: no reply at all.
"""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any, Final

from handlers.cold_start import STOPWATCH, tell_once
from handlers.errors import ModelBroken
from handlers.lean_imports import import_leanly
from handlers.progress import Progress, ignore

SECONDS: Final = float(os.environ.get("STUB_SECONDS", "0"))
START_SECONDS: Final = float(os.environ.get("STUB_START_SECONDS", "0"))
MOOD: Final = Path(os.environ.get("STUB_MOOD", os.devnull))
WORDS: Final = "good morning everybody"


async def _answer(_raw: Any, _progress: Progress) -> dict[str, Any]:  # noqa: ANN401  JSON
    await asyncio.sleep(SECONDS)
    mood = MOOD.read_text().strip() if MOOD.exists() else ""
    if mood == "babble":
        return {"nonsense": True}
    if mood == "break":
        return {"error": json.dumps(ModelBroken("The stub was told to break.").body())}
    said = [] if mood == "lie" else WORDS.split()
    return {
        "words": [
            {"text": text, "start": place, "end": place + 0.5, "confidence": 0.9}
            for place, text in enumerate(said)
        ],
        "language": "en",
        "model": {"name": "stub/words", "revision": "0", "source": "stub"},
        "audio": {
            "seconds": 3.0,
            "sha256": "0" * 64,
            "bytes": 1,
            "container": "wav",
            "codec": "pcm_s16le",
            "sample_rate": 16_000,
            "channels": 1,
        },
        "timings": {"total": 0.0},
        "usage": {"audio_seconds": 3.0, "processing_seconds": 0.0},
        "warnings": [],
    }


def main() -> None:
    """Take jobs once the start is over."""
    import_leanly()
    import runpod  # noqa: PLC0415

    with STOPWATCH.phase("transcriber found"):
        time.sleep(START_SECONDS)
    with STOPWATCH.phase("transcriber built"):
        time.sleep(START_SECONDS)
    answer = tell_once(_answer, STOPWATCH.read())

    async def handler(job: dict[str, Any]) -> dict[str, Any]:
        return await answer(job["input"], ignore)

    runpod.serverless.start({"handler": handler})


if __name__ == "__main__":
    main()
