"""What the diarizer's options change: time, and errors against the truth.

    python -m benchmarks.profiles

The profile `fast`: conversations of 2, 4 and 6 speakers through the demo's pipeline as it is and
with that profile, in turns. Errors are the diarization error rate, no collar, overlap scored: to
the truth, and to the answer of the first.

Mixed precision: a minute of conversation through the full-size architecture, whose weights are
random, as it is and with the embedding network in bfloat16; the demo's has no such network.
Beside the error to the exact answer stands how far voices move: the largest cosine distance between
a voice and itself. Time is that of networks and clustering. Writes `out/bench/profiles.json`.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.diarization import Samples, awaken, demo_pipeline, load, long_talk, talk
from benchmarks.full_size import pipeline as full_size
from handlers.conclusion import conclude
from handlers.diarizer import SpeakerCount
from handlers.loading import keep_one_heap
from handlers.observation import Observer

_OUT: Final = Path("out/bench/profiles.json")
_FULL_SIZE: Final = Path("build/full-size")
_FULL_SIZE_SECONDS: Final = 60.0
_FAST_STEP: Final = 0.2
_RATE: Final = 16_000
_SPEAKERS: Final = (2, 4, 6)
Runs = Mapping[str, Sequence[float]]


def fast(*, minutes: float, rounds: int) -> list[dict[str, Any]]:
    """The demo's pipeline, as it is and with larger steps."""
    pipeline = load(demo_pipeline())
    observers = {"exact": Observer(pipeline), "fast": Observer(pipeline, step=_FAST_STEP)}
    rows = []
    for speakers in _SPEAKERS:
        samples, truth = long_talk(60 * minutes, speakers=speakers)
        seconds, answers, _ = _in_turns(pipeline, observers, samples, rounds=rounds)
        for name, answer in answers.items():
            row = {
                "speakers": speakers,
                "way": name,
                "seconds": round(statistics.median(seconds[name]), 2),
                "times_faster": _ratio(seconds, name),
                "speakers_found": len(answer.labels()),
                "der": _error(truth, answer, samples),
                "der_to_exact": _error(answers["exact"], answer, samples),
            }
            print(json.dumps(row), flush=True)
            rows.append(row)
    return rows


def mixed(*, rounds: int) -> dict[str, Any]:
    """The full-size architecture, in float32 and with its embedding network in bfloat16."""
    pipeline, samples = load(full_size(_FULL_SIZE)), talk(_FULL_SIZE_SECONDS)
    awaken(pipeline, samples)
    observers = {"exact": Observer(pipeline), "mixed": Observer(pipeline, precision="mixed")}
    seconds, answers, voices = _in_turns(pipeline, observers, samples, rounds=rounds)
    one, other = (
        found / np.linalg.norm(found, axis=-1, keepdims=True) for found in voices.values()
    )
    row = {
        "seconds": {name: round(statistics.median(taken), 2) for name, taken in seconds.items()},
        "times_faster": _ratio(seconds, "mixed"),
        "der_to_exact": _error(answers["exact"], answers["mixed"], samples),
        "largest_cosine_distance": round(float(np.max(1 - np.sum(one * other, axis=-1))), 6),
    }
    print(json.dumps(row), flush=True)
    return row


def _in_turns(
    pipeline: Any,  # noqa: ANN401
    observers: Mapping[str, Observer],
    samples: Samples,
    *,
    rounds: int,
) -> tuple[Runs, dict[str, Any], dict[str, Any]]:
    """Diarize with each observer, so many times; the seconds, the answer and the voices of each."""
    seconds: dict[str, list[float]] = {name: [] for name in observers}
    answers, voices = {}, {}
    for _ in range(rounds):
        for name, observer in observers.items():
            began = time.perf_counter()
            seen = observer.observe(samples, told=lambda *_: None)
            output = conclude(seen, pipeline=pipeline, speakers=SpeakerCount())
            seconds[name].append(time.perf_counter() - began)
            answers[name], voices[name] = output.speaker_diarization, seen.embeddings
    return seconds, answers, voices


def _error(truth: Any, answer: Any, samples: Samples) -> float:  # noqa: ANN401
    from pyannote.core import Segment as Stretch  # noqa: PLC0415
    from pyannote.core import Timeline  # noqa: PLC0415
    from pyannote.metrics.diarization import DiarizationErrorRate  # noqa: PLC0415

    whole = Timeline([Stretch(0, len(samples) / _RATE)])
    return round(float(DiarizationErrorRate()(truth, answer, uem=whole)), 4)


def _ratio(seconds: Runs, name: str) -> float:
    pairs = zip(seconds["exact"], seconds[name], strict=True)
    return round(statistics.median(exact / taken for exact, taken in pairs), 2)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=4.0, help="of each conversation (4)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each way (3)")
    options = parser.parse_args()
    keep_one_heap()
    found = {
        "minutes": options.minutes,
        "fast": fast(minutes=options.minutes, rounds=options.rounds),
        "mixed": mixed(rounds=options.rounds),
    }
    _OUT.parent.mkdir(parents=True, exist_ok=True)
    _OUT.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
