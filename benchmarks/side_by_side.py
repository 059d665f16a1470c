"""Words and speakers at the same time, against one after the other.

    python -m benchmarks.side_by_side

The single endpoint has both engines in one process. Here are both, with the demo's models, and one
conversation, in turns: both asked at once, as the endpoint does, and the second when the first is
done. Answers must be the same. Writes `out/bench/side_by_side.json`.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.transcription import talk_of
from demo.hub import DIARIZER, HUB, TRANSCRIBER
from handlers.audio import Recording
from handlers.audio.tape import SAMPLE_RATE
from handlers.diarizer import SpeakerCount
from handlers.loading import keep_one_heap
from handlers.parakeet import load_parakeet
from handlers.progress import ignore
from handlers.pyannote_diarizer import load_pyannote
from handlers.settings import Settings
from handlers.timeline import Turn, Word

_OUT: Final = Path("out/bench/side_by_side.json")
_SEED: Final = 2026

Found = tuple[tuple[Word, ...], tuple[Turn, ...]]


class Engines:
    """Both engines, and a recording for them."""

    def __init__(self, recording: Recording) -> None:
        """Load them, as a worker does."""
        settings = Settings.read().model_copy(
            update={"transcriber_model": TRANSCRIBER, "diarizer_model": DIARIZER, "hub_cache": HUB}
        )
        self._transcriber = load_parakeet(settings)
        self._diarizer = load_pyannote(settings)
        self._recording = recording

    async def at_once(self) -> Found:
        """Ask both."""
        words, turns = await asyncio.gather(self._words(), self._turns())
        return words, turns

    async def one_by_one(self) -> Found:
        """Ask the second when the first has answered."""
        return await self._words(), await self._turns()

    async def _words(self) -> tuple[Word, ...]:
        found = await self._transcriber.transcribe(self._recording, language=None, progress=ignore)
        return found.words

    async def _turns(self) -> tuple[Turn, ...]:
        found = await self._diarizer.diarize(
            self._recording, speakers=SpeakerCount(), progress=ignore
        )
        return found.turns


async def measure(engines: Engines, *, pairs: int) -> dict[str, Any]:
    """Time both ways in turns; one round before is not counted."""
    ways = {"at once": engines.at_once, "one by one": engines.one_by_one}
    answers = [await way() for way in ways.values()]
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(pairs):
        for name in list(ways)[:: 1 if turn % 2 else -1]:
            began = time.perf_counter()
            answers.append(await ways[name]())
            seconds[name].append(time.perf_counter() - began)
            print(f"  {name:10} {seconds[name][-1]:6.1f} s", flush=True)
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    return {
        "pairs": pairs,
        "seconds": {name: _spread(taken) for name, taken in seconds.items()},
        "times_faster": _spread(ratios),
        "same_answers": all(answer == answers[0] for answer in answers),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "least": round(min(values), 3),
        "most": round(max(values), 3),
    }


def main() -> int:
    """Run the command; returns the exit status, 1 where answers differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0, help="of conversation (5)")
    parser.add_argument("--pairs", type=int, default=5, help="turns of each (5)")
    options = parser.parse_args()
    keep_one_heap()
    talk = talk_of(options.minutes, seed=_SEED)
    recording = Recording(
        talk.samples,
        sha256="",
        bytes=0,
        container="",
        codec="",
        original_sample_rate=SAMPLE_RATE,
        channels=1,
    )
    found = asyncio.run(measure(Engines(recording), pairs=options.pairs))
    found = {"audio_seconds": round(talk.truth.seconds, 1), **found}
    text = json.dumps(found, indent=1)
    print(text)
    _OUT.parent.mkdir(parents=True, exist_ok=True)
    _OUT.write_text(text + "\n")
    return 0 if found["same_answers"] else 1


if __name__ == "__main__":
    sys.exit(main())
