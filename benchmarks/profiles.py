"""What the diarizer's options change: time, and errors against the truth.

    python -m benchmarks.profiles

Conversations of 2, 4 and 6 speakers go through the demo's pipeline as it is, with the embedding
network in mixed precision, and in the profile `fast`, in turns. Time is that of the networks and
of clustering; errors are the diarization error rate to the truth, no collar, overlap scored, and to
the answer of the first. Writes `out/bench/profiles.json`.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.diarization import demo_pipeline, load, long_talk
from handlers.conclusion import conclude
from handlers.diarizer import SpeakerCount
from handlers.loading import keep_one_heap
from handlers.observation import Observer

_OUT: Final = Path("out/bench/profiles.json")
_RATE: Final = 16_000
_SPEAKERS: Final = (2, 4, 6)
_WAYS: Final[dict[str, dict[str, Any]]] = {
    "exact": {},
    "mixed": {"precision": "mixed"},
    "fast": {"step": 0.2},
}


def measure(*, minutes: float, rounds: int) -> list[dict[str, Any]]:
    """Diarize each conversation each way, so many times in turns."""
    from pyannote.core import Segment as Stretch  # noqa: PLC0415
    from pyannote.core import Timeline  # noqa: PLC0415
    from pyannote.metrics.diarization import DiarizationErrorRate  # noqa: PLC0415

    pipeline = load(demo_pipeline())
    observers = {name: Observer(pipeline, **options) for name, options in _WAYS.items()}
    rows = []
    for speakers in _SPEAKERS:
        samples, truth = long_talk(60 * minutes, speakers=speakers)
        whole = Timeline([Stretch(0, len(samples) / _RATE)])
        seconds: dict[str, list[float]] = {name: [] for name in _WAYS}
        answers: dict[str, Any] = {}
        for _ in range(rounds):
            for name, observer in observers.items():
                began = time.perf_counter()
                seen = observer.observe(samples, told=lambda *_: None)
                output = conclude(seen, pipeline=pipeline, speakers=SpeakerCount())
                seconds[name].append(time.perf_counter() - began)
                answers[name] = output.speaker_diarization
        for name, taken in seconds.items():
            error = DiarizationErrorRate()
            row = {
                "speakers": speakers,
                "way": name,
                "seconds": round(statistics.median(taken), 2),
                "times_faster": _ratio(seconds["exact"], taken),
                "speakers_found": len(answers[name].labels()),
                "der": round(error(truth, answers[name], uem=whole), 4),
                "der_to_exact": round(error(answers["exact"], answers[name], uem=whole), 4),
            }
            print(json.dumps(row), flush=True)
            rows.append(row)
    return rows


def _ratio(exact: Sequence[float], taken: Sequence[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(exact, taken, strict=True)), 2)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=4.0, help="of each conversation (4)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each way (3)")
    options = parser.parse_args()
    keep_one_heap()
    rows = measure(minutes=options.minutes, rounds=options.rounds)
    _OUT.parent.mkdir(parents=True, exist_ok=True)
    _OUT.write_text(json.dumps({"minutes": options.minutes, "rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
