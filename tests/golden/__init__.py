"""One small meeting, and what every format makes of it.

`python -m tests.golden` writes the files anew; the difference is then for a person to judge.
"""

from pathlib import Path
from typing import Final

from handlers.segments import build_transcript
from handlers.timeline import Diarization, Transcript, Turn, Word

FOLDER: Final = Path(__file__).parent
NAME: Final = "board meeting"

_WORDS: Final = (
    ("Good", 0.48, 0.72, 0.99), ("morning,", 0.72, 1.2, 0.98), ("Dr.", 1.2, 1.44, 0.91),
    ("Chen.", 1.44, 1.84, 0.95), ("Did", 2.08, 2.24, 0.99), ("the", 2.24, 2.32, 0.99),
    ("R&D", 2.32, 2.8, 0.72), ("budget", 2.8, 3.2, 0.97), ("exceed", 3.2, 3.68, 0.96),
    ("$1,250,000?", 3.68, 6.16, 0.88), ("Yes.", 6.16, 6.48, 0.97), ("By", 6.56, 6.72, 0.99),
    ("less", 6.72, 6.96, 0.98), ("than", 6.96, 7.12, 0.99), ("3%,", 7.12, 7.84, 0.9),
    ("and", 7.92, 8.08, 0.99), ("that", 8.08, 8.24, 0.99), ("is", 8.24, 8.4, 0.99),
    ("mostly", 8.4, 8.8, 0.97), ("because", 8.8, 9.2, 0.98), ("the", 9.2, 9.28, 0.99),
    ("second", 9.28, 9.68, 0.98), ("server,", 9.68, 10.16, 0.96), ("which", 10.32, 10.56, 0.98),
    ("we", 10.56, 10.64, 0.99), ("ordered", 10.64, 11.04, 0.97), ("in", 11.04, 11.12, 0.99),
    ("September,", 11.12, 11.76, 0.96), ("arrived", 11.76, 12.24, 0.97),
    ("much", 12.24, 12.48, 0.98), ("later", 12.48, 12.8, 0.98), ("than", 12.8, 12.96, 0.99),
    ("anybody", 12.96, 13.44, 0.97), ("here", 13.44, 13.68, 0.98),
    ("expected.", 13.68, 14.32, 0.97), ("Naïve", 14.24, 14.56, 0.62),
    ("question:", 14.56, 15.12, 0.94), ("was", 15.28, 15.44, 0.98), ("it", 15.44, 15.52, 0.99),
    ("worth", 15.52, 15.84, 0.98), ("it?", 15.84, 19.2, 0.97), ("Absolutely.", 19.2, 19.92, 0.99),
)  # fmt: skip

_TURNS: Final = (
    Turn(0.44, 6.1, "SPEAKER_00"),
    Turn(6.12, 14.4, "SPEAKER_01"),
    Turn(13.7, 16.1, "SPEAKER_02"),
    Turn(19.18, 20.0, "SPEAKER_01"),
)
_EXCLUSIVE: Final = (
    _TURNS[0],
    Turn(6.12, 14.3, "SPEAKER_01"),
    Turn(14.3, 16.1, "SPEAKER_02"),
    _TURNS[3],
)


def meeting() -> Transcript:
    return build_transcript([Word(*word) for word in _WORDS], Diarization(_TURNS, _EXCLUSIVE))
