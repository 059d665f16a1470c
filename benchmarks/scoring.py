"""How far a transcript is from the truth.

Words are compared after the normalisation that MeetEval calls `lower,rm([^a-z0-9 ])`: lower case,
and nothing but letters, digits and spaces. MeetEval counts words, pyannote.metrics counts time:

    cpWER       words of each speaker, strung together, against those of the speaker who fits best
    tcpWER      the same, and a word counts only within 5 s of its time
    WER         all words strung together by their starts, whoever says them; where two speak at
                once, words that come in another order count as errors
    DER         missed, invented and confused speech, as a share of all; no collar, overlap counted
    attributed  of the words that WER finds or takes for another, the share with the right speaker,
                each found speaker standing for the true one with whom most of these words fit

Names of speakers never matter, only who is told apart from whom.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Final

import kaldialign
import numpy as np
from meeteval.io import SegLST
from meeteval.wer import cp_word_error_rate, time_constrained_minimum_permutation_word_error_rate
from pyannote.core import Annotation, Timeline
from pyannote.core import Segment as Stretch
from pyannote.metrics.diarization import DiarizationErrorRate
from scipy.optimize import linear_sum_assignment

from demo.references import Case, parse_rttm
from handlers.timeline import Segment, Turn, Word

COLLAR_SECONDS: Final = 5.0
"""How far from its time a word may be for tcpWER."""

_NOBODY: Final = ""
_GAP: Final = ""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share: errors of words, seconds of speech. Added up, the shares of all together."""

    part: float = 0.0
    whole: float = 0.0

    @property
    def value(self) -> float | None:
        """The share, or None where there is nothing to have a share of."""
        return self.part / self.whole if self.whole else None

    def __add__(self, other: "Rate") -> "Rate":
        return Rate(self.part + other.part, self.whole + other.whole)


@dataclass(frozen=True, slots=True)
class Score:
    """How far one transcript, or several together, are from the truth.

    Attributes:
        cpwer: word errors, speakers kept apart.
        tcpwer: the same, and a word counts only near its time.
        wer: word errors, whoever speaks.
        missed: seconds of speech without a speaker, of all speech.
        false_alarm: seconds of speakers without speech, of all speech.
        confusion: seconds of speech given to somebody else, of all speech.
        attributed: words with the right speaker, of those that stand for a spoken word.
        speakers: how many speak.
        speakers_found: how many the diarization tells apart.
        counted: recordings with the right number of speakers, of all.
        words_found: how many words the transcript has.

    """

    cpwer: Rate = Rate()
    tcpwer: Rate = Rate()
    wer: Rate = Rate()
    missed: Rate = Rate()
    false_alarm: Rate = Rate()
    confusion: Rate = Rate()
    attributed: Rate = Rate()
    speakers: int = 0
    speakers_found: int = 0
    counted: Rate = Rate()
    words_found: int = 0

    @property
    def der(self) -> Rate:
        """Diarization error rate."""
        part = self.missed.part + self.false_alarm.part + self.confusion.part
        return Rate(part, self.missed.whole)

    def __add__(self, other: "Score") -> "Score":
        return Score(
            cpwer=self.cpwer + other.cpwer,
            tcpwer=self.tcpwer + other.tcpwer,
            wer=self.wer + other.wer,
            missed=self.missed + other.missed,
            false_alarm=self.false_alarm + other.false_alarm,
            confusion=self.confusion + other.confusion,
            attributed=self.attributed + other.attributed,
            speakers=self.speakers + other.speakers,
            speakers_found=self.speakers_found + other.speakers_found,
            counted=self.counted + other.counted,
            words_found=self.words_found + other.words_found,
        )

    def as_dict(self) -> dict[str, float | int | None]:
        """The shares, to four digits, and the counts, ready for JSON."""
        rates = {
            "cpwer": self.cpwer,
            "tcpwer": self.tcpwer,
            "wer": self.wer,
            "der": self.der,
            "missed": self.missed,
            "false_alarm": self.false_alarm,
            "confusion": self.confusion,
            "attributed": self.attributed,
            "speaker_count_right": self.counted,
        }
        return {
            **{name: rate and round(rate, 4) for name, rate in _values(rates)},
            "speakers": self.speakers,
            "speakers_found": self.speakers_found,
            "words": round(self.cpwer.whole),
            "words_found": self.words_found,
        }


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What the product says about a recording: who said what, and who spoke when."""

    segments: tuple[Segment, ...] = ()
    turns: tuple[Turn, ...] = ()


def hypothesis_of(reply: Mapping[str, Any]) -> Hypothesis:
    """Read a reply.

    Who speaks when is its `turns`; where it has none, its RTTM; and where it has neither, its
    segments.

    Raises:
        ValueError: it is no reply: a field is missing or of the wrong kind.

    """
    try:
        segments = tuple(_segment(row) for row in reply["segments"])
        turns = tuple(Turn(r["start"], r["end"], r["speaker"]) for r in reply.get("turns") or ())
        text = (reply.get("formats") or {}).get("rttm", "")
    except (KeyError, TypeError, AttributeError) as error:
        message = f"This is no reply of a transcription: {error!r}."
        raise ValueError(message) from error
    spoken = (Turn(s.start, s.end, s.speaker) for s in segments if s.speaker is not None)
    return Hypothesis(segments, turns or parse_rttm(text) or tuple(spoken))


def score(truth: Case, hypothesis: Hypothesis) -> Score:
    """Compare a transcript with the truth."""
    said, heard = timed_words(truth.segments), timed_words(hypothesis.segments)
    cp = cp_word_error_rate(_segments(truth.segments), _segments(hypothesis.segments))
    tcp = time_constrained_minimum_permutation_word_error_rate(
        _words(said), _words(heard), collar=COLLAR_SECONDS
    )
    pairs = _aligned(said, heard)
    errors = sum(a is None or b is None or a.text != b.text for a, b in pairs)
    found = {turn.speaker for turn in hypothesis.turns}
    time = _speaker_time(truth, hypothesis.turns)
    return Score(
        cpwer=Rate(cp.errors, cp.length),
        tcpwer=Rate(tcp.errors, tcp.length),
        wer=Rate(errors, len(said)),
        missed=Rate(time["missed detection"], time["total"]),
        false_alarm=Rate(time["false alarm"], time["total"]),
        confusion=Rate(time["confusion"], time["total"]),
        attributed=_attributed((a, b) for a, b in pairs if a is not None and b is not None),
        speakers=len(truth.speakers),
        speakers_found=len(found),
        counted=Rate(float(len(found) == len(truth.speakers)), 1.0),
        words_found=len(heard),
    )


def normalise(text: str) -> str:
    """A text in lower case, with nothing but letters from a to z, digits and single spaces."""
    return " ".join(re.sub(r"[^a-z0-9 ]", "", re.sub(r"\s", " ", text.lower())).split())


def timed_words(segments: Iterable[Segment]) -> tuple[Word, ...]:
    """Normalised words with their speakers, by start.

    Words of a segment that has none of its own share its time in proportion to their letters.
    """
    words = [
        Word(token, word.start, word.end, speaker=segment.speaker)
        for segment in segments
        for word in segment.words or _spread(segment)
        for token in normalise(word.text).split()
    ]
    return tuple(sorted(words, key=lambda word: word.start))


def _spread(segment: Segment) -> list[Word]:
    texts = segment.text.split()
    ends = list(accumulate(map(len, texts), initial=0))
    scale = (segment.end - segment.start) / max(ends[-1], 1)
    return [
        Word(text, segment.start + first * scale, segment.start + last * scale)
        for text, (first, last) in zip(texts, pairwise(ends), strict=True)
    ]


def _segment(row: Mapping[str, Any]) -> Segment:
    words = tuple(Word(w["text"], w["start"], w["end"]) for w in row.get("words") or ())
    return Segment(row["start"], row["end"], row["text"], row.get("speaker"), words)


def _segments(segments: Iterable[Segment]) -> SegLST:
    return _seglst((s.speaker, s.start, s.end, normalise(s.text)) for s in segments)


def _words(words: Iterable[Word]) -> SegLST:
    return _seglst((w.speaker, w.start, w.end, w.text) for w in words)


def _seglst(rows: Iterable[tuple[str | None, float, float, str]]) -> SegLST:
    return SegLST(
        [
            {"speaker": speaker or _NOBODY, "start_time": start, "end_time": end, "words": text}
            for speaker, start, end, text in rows
        ]
    )


def _aligned(said: Sequence[Word], heard: Sequence[Word]) -> list[tuple[Word | None, Word | None]]:
    """Pair words so that the fewest are lost, added or changed; None where there is no partner."""
    pairs = kaldialign.align([w.text for w in said], [w.text for w in heard], _GAP)
    left, right = iter(said), iter(heard)
    return [(next(left) if a else None, next(right) if b else None) for a, b in pairs]


def _attributed(pairs: Iterable[tuple[Word, Word]]) -> Rate:
    counts = Counter((a.speaker, b.speaker) for a, b in pairs)
    rows, columns = sorted({str(a) for a, _ in counts}), sorted({b or _NOBODY for _, b in counts})
    table = np.zeros((len(rows), len(columns)))
    for (true, found), count in counts.items():
        table[rows.index(str(true)), columns.index(found or _NOBODY)] += count
    if _NOBODY in columns:
        table[:, columns.index(_NOBODY)] = 0  # a word that nobody says is nobody's
    right = float(table[linear_sum_assignment(table, maximize=True)].sum())
    return Rate(right, sum(counts.values()))


def _speaker_time(truth: Case, turns: Sequence[Turn]) -> Mapping[str, float]:
    metric = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    whole = Timeline([Stretch(0.0, truth.seconds)])
    detailed: Mapping[str, float] = metric(
        _annotation(truth.turns), _annotation(turns), uem=whole, detailed=True
    )
    return detailed


def _annotation(turns: Sequence[Turn]) -> Annotation:
    annotation = Annotation()
    for number, turn in enumerate(turns):
        if turn.duration > 0:
            annotation[Stretch(turn.start, turn.end), number] = turn.speaker
    return annotation.support()


def _values(rates: Mapping[str, Rate]) -> Iterable[tuple[str, float | None]]:
    return ((name, rate.value) for name, rate in rates.items())
