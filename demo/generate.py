"""Make recordings with exact references: `python -m demo.generate --help`.

The same arguments make the same recordings. A recording's chance comes from the seed and from its
number alone, so the third of ten is also the third of twenty.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from random import Random
from typing import Final, Literal, get_args

import numpy as np

from demo.meeting import SAMPLE, meeting
from demo.references import Case, write_case
from demo.speech.conversations import (
    Conversation,
    Manner,
    converse,
    converse_at_length,
    fresh_speech,
    noise,
)
from demo.speech.sentences import Split
from demo.speech.synthesis import SAMPLE_RATE
from demo.speech.voices import CAST, FURTHER, UNSEEN, Voice

Kind = Literal["conversation", "silence", "noise"]
Range = tuple[float, float]

VOICES: Final = {"cast": CAST, "further": FURTHER, "unseen": UNSEEN}

_WHOLE_SECONDS: Final = 300.0  # longer ones are made in pieces, to bound memory
_STILL_SECONDS: Final = 10.0
_NOISE_DB: Final = (-45.0, -25.0)  # of full scale


def conversation(  # noqa: PLR0913  # what a conversation is made of
    *,
    seed: str,
    speakers: tuple[int, int] = (2, 4),
    seconds: Range = (60.0, 90.0),
    split: Split = "test",
    voices: Sequence[Voice] = CAST,
    manner: Manner | None = None,
) -> Iterable[Conversation]:
    """A fresh conversation, in pieces that follow each other: one, unless it is long.

    Args:
        seed: the same gives the same conversation.
        speakers: how many speak: a range to draw from.
        seconds: how long it is, about: a range to draw from.
        split: whose sentences are said; no model is trained on those of "test".
        voices: who may speak; no two near twins speak together.
        manner: how it is held and recorded.

    """
    rng = Random(seed)
    chosen = distinct(voices, rng.randint(*speakers), rng)
    length = rng.uniform(*seconds)
    speak = fresh_speech(split)
    if length > _WHOLE_SECONDS:
        return converse_at_length(chosen, seconds=length, speak=speak, rng=rng, manner=manner)
    return [converse(chosen, seconds=length, speak=speak, rng=rng, manner=manner)]


def still(kind: Literal["silence", "noise"], *, seed: str, seconds: Range) -> list[Conversation]:
    """A recording in which nobody speaks: of nothing at all, or of coloured noise."""
    rng = Random(seed)
    count = round(rng.uniform(*seconds) * SAMPLE_RATE)
    if kind == "silence":
        return [Conversation(np.zeros(count, dtype=np.float32))]
    return [Conversation(noise(count, level_db=rng.uniform(*_NOISE_DB), rng=rng))]


def distinct(voices: Sequence[Voice], count: int, rng: Random) -> list[Voice]:
    """Some voices, no two of one variant.

    Raises:
        ValueError: there are fewer variants than that.

    """
    chosen: dict[str, Voice] = {}
    for voice in rng.sample(list(voices), len(voices)):
        chosen.setdefault(voice.variant, voice)
    if not 1 <= count <= len(chosen):
        message = f"{count} speakers asked for; from 1 to {len(chosen)} can speak together."
        raise ValueError(message)
    return list(chosen.values())[:count]


def write_cases(folder: Path, options: argparse.Namespace) -> Iterable[Case]:
    """Write the recordings that the command's options ask for, one after the other."""
    for number in range(options.count):
        name = f"{options.kind}-{options.seed}-{number:02}"
        pieces: Iterable[Conversation]
        if options.kind == "conversation":
            pieces = conversation(
                seed=name,
                speakers=options.speakers,
                seconds=options.seconds,
                split=options.split,
                voices=VOICES[options.voices],
                manner=_manner(options.overlap, options.noise_snr),
            )
        else:
            pieces = still(options.kind, seed=name, seconds=options.seconds)
        yield write_case(folder, name, pieces)


def describe(case: Case) -> str:
    """One line about a case."""
    return (
        f"{case.name}: {case.seconds:.1f} s, {len(case.speakers)} speakers, "
        f"{len(case.words)} words, {case.overlap:.1f} s overlap"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.sample:
        print(describe(write_case(options.out or SAMPLE, "meeting", [meeting()])))
        return 0
    if options.out is None:
        parser.error("name the folder to write to, or ask for --sample")
    if options.minutes is not None:
        low, high = options.minutes
        options.seconds, options.count = (low * 60, high * 60), 1
    if options.seconds is None:
        spoken = options.kind == "conversation"
        options.seconds = (60.0, 90.0) if spoken else (_STILL_SECONDS, _STILL_SECONDS)
    try:
        for case in write_cases(options.out, options):
            print(describe(case))
    except (ValueError, OSError) as error:
        parser.error(str(error))
    return 0


def _manner(overlap: float | None, snr: Range | None) -> Manner:
    manner = Manner()
    if overlap is not None:
        manner = replace(manner, overlap_share=overlap)
    return manner if snr is None else replace(manner, snr=snr)


def _range(text: str) -> Range:
    """`60-90`, or `60` for both ends."""
    low, _, high = text.partition("-")
    try:
        ends = float(low), float(high or low)
    except ValueError:
        ends = 0.0, 0.0
    if not 0 < ends[0] <= ends[1] < inf:
        message = f"{text!r} is neither a number above 0 nor a range such as 60-90"
        raise argparse.ArgumentTypeError(message)
    return ends


def _counts(text: str) -> tuple[int, int]:
    """`2-4`, or `3` for both ends."""
    low, high = _range(text)
    if not low.is_integer() or not high.is_integer():
        message = f"{text!r} is neither a whole number nor a range such as 2-4"
        raise argparse.ArgumentTypeError(message)
    return int(low), int(high)


def _count(text: str) -> int:
    return _counts(text)[0]


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        message = f"{text!r} is no share from 0 to 1"
        raise argparse.ArgumentTypeError(message)
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo.generate",
        description="Make recordings of synthetic conversations, with exact references.",
    )
    add = parser.add_argument
    add("out", nargs="?", type=Path, help="folder to write to")
    add("--count", type=_count, default=1, help="how many recordings (1)")
    add("--speakers", type=_counts, default=(2, 4), help="how many speak: 2-4")
    add("--seconds", type=_range, help="how long, about: 60-90; silence and noise 10")
    add("--minutes", type=_range, help="one long recording instead; memory does not grow with it")
    add("--seed", type=int, default=7, help="another seed makes other recordings (7)")
    add("--kind", choices=get_args(Kind), default="conversation")
    add("--split", choices=get_args(Split), default="test", help="whose sentences are said (test)")
    add("--voices", choices=sorted(VOICES), default="cast", help="who may speak (cast)")
    add("--overlap", type=_share, help="share of turns that start too early (0.2)")
    add("--noise-snr", type=_range, help="decibels of speech over noise: 15-40")
    add("--sample", action="store_true", help="remake the sample instead, into demo/sample")
    return parser


if __name__ == "__main__":
    sys.exit(main())
