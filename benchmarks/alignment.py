"""How long words take to find their speakers, and whether twice as many take twice as long.

    python -m benchmarks.alignment

Six hours of talk have some 60,000 words and 6,000 turns. The floor is one pass over both in Python,
which does nothing with them. Writes `out/bench/alignment.json`; ends with an error where 100,000
words and 20,000 turns take more than is allowed, or are not in proportion.
"""

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from handlers.alignment import assign_speakers
from handlers.timeline import Diarization, Model, Turn, Word

_OUT: Final = Path("out/bench/alignment.json")
_WORDS: Final = (12_500, 25_000, 50_000, 100_000)
_WORDS_PER_TURN: Final = 5
_ALLOWED_SECONDS: Final = 0.5
_ALLOWED_GROWTH: Final = 1.5
"""Time for a word among most words, over time for one among fewest."""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="of each size (5)")
    runs = parser.parse_args().runs
    print("| words | turns | seconds | range | floor, s | microseconds a word |")
    print("| --- | --- | --- | --- | --- | --- |")
    rows = [_measure(count, runs=runs) for count in _WORDS]
    growth = rows[-1]["microseconds_per_word"] / rows[0]["microseconds_per_word"]
    print(f"\nA word among most words takes {growth:.2f} times what it takes among fewest.")
    _OUT.parent.mkdir(parents=True, exist_ok=True)
    _OUT.write_text(json.dumps({"rows": rows, "growth": round(growth, 3)}, indent=2) + "\n")
    if rows[-1]["seconds"] > _ALLOWED_SECONDS or growth > _ALLOWED_GROWTH:
        sys.exit(f"Allowed are {_ALLOWED_SECONDS} s, and {_ALLOWED_GROWTH} times.")


def _measure(count: int, *, runs: int) -> dict[str, float]:
    words, diarization = _talk(count)
    taken = [_seconds(lambda: assign_speakers(words, diarization)) for _ in range(runs)]
    floor = [_seconds(lambda: _read(words, diarization)) for _ in range(runs)]
    seconds = statistics.median(taken)
    row = {
        "words": count,
        "turns": len(diarization.turns),
        "seconds": round(seconds, 4),
        "least": round(min(taken), 4),
        "most": round(max(taken), 4),
        "floor_seconds": round(statistics.median(floor), 4),
        "microseconds_per_word": round(1e6 * seconds / count, 3),
    }
    print(
        f"| {count} | {len(diarization.turns)} | {seconds:.3f} | {min(taken):.3f} to "
        f"{max(taken):.3f} | {row['floor_seconds']:.3f} | {row['microseconds_per_word']:.2f} |",
        flush=True,
    )
    return row


def _talk(count: int) -> tuple[tuple[Word, ...], Diarization]:
    """Words of speakers who take turns, interrupt each other and pause; the turns as found."""
    choose = random.Random(0)
    words: list[Word] = []
    turns: list[Turn] = []
    now = 0.0
    while len(words) < count:
        speaker, begin = f"SPEAKER_{choose.randrange(6):02}", now
        for _ in range(min(_WORDS_PER_TURN, count - len(words))):
            length = choose.uniform(0.1, 0.5)
            stop = "." if choose.random() < 1 / 9 else ""
            words.append(Word(f"word{stop}", round(now, 3), round(now + length, 3)))
            now += length + choose.uniform(0.0, 0.1)
        turns.append(
            Turn(round(begin + choose.uniform(-0.2, 0.2), 3), round(now, 3), speaker=speaker)
        )
        now += choose.uniform(-0.3, 0.6)
    exclusive = tuple(
        Turn(turn.start, max(turn.start, min(turn.end, after.start)), speaker=turn.speaker)
        for turn, after in zip(turns, [*turns[1:], turns[-1]], strict=True)
    )
    return tuple(words), Diarization(
        turns=tuple(turns), exclusive=exclusive, model=Model("made-up", "0")
    )


def _read(words: tuple[Word, ...], diarization: Diarization) -> int:
    return sum(1 for _ in words) + sum(1 for _ in diarization.exclusive)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
