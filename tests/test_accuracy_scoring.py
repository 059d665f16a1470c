"""The scoring of accuracy: made-up transcripts whose errors are known."""

import json
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meeteval.io import SegLST
from meeteval.wer.normalizer import normalize

from benchmarks import accuracy
from benchmarks.scoring import (
    Hypothesis,
    Rate,
    Score,
    hypothesis_of,
    normalise,
    score,
    timed_words,
)
from demo.references import Case, read_case
from handlers.timeline import Segment, Turn, Word

Spoken = tuple[str, float, float, str]

TALK: tuple[Spoken, ...] = (
    ("anna", 0.0, 2.0, "Good morning everybody."),
    ("boris", 2.0, 4.0, "Is the kitchen ready?"),
    ("anna", 4.5, 6.0, "It is."),
    ("clara", 6.0, 7.0, "Good."),
)
WORDS = 10
SPEECH = 6.5


def segments(rows: Sequence[Spoken]) -> tuple[Segment, ...]:
    return tuple(Segment(start, end, text, who) for who, start, end, text in rows)


def truth(rows: Sequence[Spoken] = TALK, *, seconds: float = 10.0) -> Case:
    return Case("talk", seconds, segments(rows))


def heard(rows: Sequence[Spoken] = TALK) -> Hypothesis:
    turns = tuple(Turn(start, end, who) for who, start, end, _ in rows)
    return Hypothesis(segments(rows), turns)


def renamed(rows: Sequence[Spoken], names: Mapping[str, str]) -> list[Spoken]:
    return [(names.get(who, who), start, end, text) for who, start, end, text in rows]


def changed(index: int, **fields: object) -> list[Spoken]:
    who, start, end, text = TALK[index]
    row: dict[str, Any] = {"who": who, "start": start, "end": end, "text": text, **fields}
    rows = list(TALK)
    rows[index] = (row["who"], row["start"], row["end"], row["text"])
    return rows


def test_the_truth_has_no_errors() -> None:
    found = score(truth(), heard())
    assert found.cpwer == found.tcpwer == found.wer == Rate(0, WORDS)
    assert found.der.value == 0
    assert found.der.whole == pytest.approx(SPEECH)
    assert found.attributed == Rate(WORDS, WORDS)
    assert (found.speakers, found.speakers_found, found.counted) == (3, 3, Rate(1, 1))


def test_names_case_and_punctuation_cost_nothing() -> None:
    swapped = renamed(TALK, {"anna": "clara", "clara": "boris", "boris": "SPEAKER_07"})
    loud = [(who, start, end, text.upper() + " !?") for who, start, end, text in swapped]
    assert score(truth(), heard(loud)) == score(truth(), heard())


@pytest.mark.parametrize(
    "text", ["Is kitchen ready?", "Is the garden ready?", "Is the big kitchen ready?"]
)
def test_a_lost_changed_or_added_word_costs_its_share(text: str) -> None:
    found = score(truth(), heard(changed(1, text=text)))
    assert found.cpwer == found.tcpwer == found.wer == Rate(1, WORDS)
    assert found.cpwer.value == pytest.approx(1 / WORDS)


def test_words_under_a_wrong_name_are_lost_to_one_and_added_to_another() -> None:
    found = score(truth(), heard(changed(2, who="boris")))
    assert found.cpwer == Rate(4, WORDS)  # two deletions and two insertions
    assert found.wer == Rate(0, WORDS)
    assert found.attributed == Rate(8, WORDS)
    assert found.confusion.part == pytest.approx(1.5)
    assert found.der.value == pytest.approx(1.5 / SPEECH)


def test_a_word_far_from_its_time_counts_for_cpwer_alone() -> None:
    late = changed(3, start=60.0, end=61.0)
    found = score(truth(seconds=70), heard(late))
    assert found.cpwer == Rate(0, WORDS)
    assert found.tcpwer == Rate(2, WORDS)


def test_speakers_taken_for_one() -> None:
    found = score(truth(), heard(renamed(TALK, {"boris": "anna", "clara": "anna"})))
    assert (found.speakers_found, found.counted) == (1, Rate(0, 1))
    assert found.attributed == Rate(5, WORDS)
    assert found.confusion.part == pytest.approx(3.0)


def test_one_speaker_taken_for_two() -> None:
    found = score(truth(), heard(changed(2, who="dora")))
    assert (found.speakers_found, found.counted) == (4, Rate(0, 1))
    assert found.cpwer == Rate(4, WORDS)
    assert found.attributed == Rate(8, WORDS)


def test_nothing_found() -> None:
    found = score(truth(), Hypothesis())
    assert found.cpwer == found.tcpwer == found.wer == Rate(WORDS, WORDS)
    assert found.missed.part == pytest.approx(SPEECH)
    assert found.der.value == pytest.approx(1)
    assert found.attributed.value is None
    assert found.words_found == found.speakers_found == 0


def test_nothing_said() -> None:
    silence = truth(())
    quiet, chatty = score(silence, Hypothesis()), score(silence, heard())
    assert quiet == Score(counted=Rate(1, 1))
    assert (chatty.words_found, chatty.counted) == (WORDS, Rate(0, 1))
    assert chatty.cpwer == Rate(WORDS, 0)
    assert chatty.cpwer.value is None
    assert chatty.false_alarm.part == pytest.approx(SPEECH)


def test_words_of_nobody_are_nobodys() -> None:
    reply = {"segments": [{"start": s, "end": e, "text": t} for _, s, e, t in TALK]}
    found = score(truth(), hypothesis_of(reply))
    assert found.wer == Rate(0, WORDS)
    assert found.attributed == Rate(0, WORDS)
    assert found.speakers_found == 0
    assert found.missed.part == pytest.approx(SPEECH)


# Each row: who really speaks, who is found, and the seconds of speech, missed, invented and
# confused, that NIST's md-eval-22.pl gives for them over 14 s without collar.
@pytest.mark.parametrize(
    ("true", "found", "seconds"),
    [
        (
            [(0, 5, "a"), (5, 9, "b"), (8, 12, "c")],
            [(0, 4, "x"), (4, 9.5, "y"), (9, 12, "x")],
            (13.0, 1.0, 0.5, 4.0),
        ),
        (
            [(0, 5, "a"), (4, 9, "b"), (11, 12, "a")],
            [(0.5, 5.5, "1"), (4, 9, "2"), (9, 10, "3"), (11, 13, "1")],
            (11.0, 0.5, 2.5, 0.0),
        ),
        (
            [(1, 2, "a"), (2, 3, "a"), (2.5, 4, "b")],
            [(1, 3, "z")],
            (3.5, 1.5, 0.0, 0.0),
        ),
    ],
)
def test_the_diarization_error_is_that_of_nist(
    true: list[tuple[float, float, str]],
    found: list[tuple[float, float, str]],
    seconds: tuple[float, float, float, float],
) -> None:
    case = truth([(who, start, end, "") for start, end, who in true], seconds=14)
    result = score(case, heard([(who, start, end, "") for start, end, who in found]))
    parts = (result.missed, result.false_alarm, result.confusion)
    assert (result.der.whole, *(rate.part for rate in parts)) == pytest.approx(seconds)


Second = tuple[frozenset[str], frozenset[str]]
"""Who really speaks during one second, and who is found to."""


def turns_of(seconds: Sequence[frozenset[str]]) -> list[tuple[str, float, float, str]]:
    return [(who, i, i + 1, "") for i, speaking in enumerate(seconds) for who in sorted(speaking)]


def least_error(seconds: Sequence[Second]) -> int:
    """The error over every way to give found speakers true names, second by second."""
    names = ["a", "b", "c"]
    errors = []
    for order in permutations(names):
        name = dict(zip("xyz", order, strict=True))
        errors.append(
            sum(
                max(len(true), len(found)) - len(true & {name[who] for who in found})
                for true, found in seconds
            )
        )
    return min(errors)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.frozensets(st.sampled_from("abc")), st.frozensets(st.sampled_from("xyz"))),
        min_size=1,
        max_size=12,
    )
)
def test_the_diarization_error_is_the_least_over_all_names(seconds: list[Second]) -> None:
    case = truth(turns_of([true for true, _ in seconds]), seconds=len(seconds))
    result = score(case, heard(turns_of([found for _, found in seconds])))
    assert result.der.part == pytest.approx(least_error(seconds))
    assert result.der.whole == pytest.approx(sum(len(true) for true, _ in seconds))


TALKS = st.lists(
    st.tuples(
        st.sampled_from(["anna", "boris", "clara"]),
        st.lists(st.sampled_from(["red", "green", "blue", "Yes."]), min_size=1, max_size=5),
    ),
    min_size=1,
    max_size=6,
).map(
    lambda lines: [
        (who, float(number), number + 1.0, " ".join(words))
        for number, (who, words) in enumerate(lines)
    ]
)


@settings(deadline=None, max_examples=60)
@given(TALKS, st.permutations(["one", "two", "three"]))
def test_renaming_never_costs(rows: list[Spoken], names: list[str]) -> None:
    fresh = dict(zip(["anna", "boris", "clara"], names, strict=True))
    found = score(truth(rows), heard(renamed(rows, fresh)))
    assert found.cpwer.part == found.tcpwer.part == found.wer.part == 0
    assert found.der.part == pytest.approx(0)
    assert found.attributed.value == 1


@settings(deadline=None, max_examples=60)
@given(TALKS, TALKS)
def test_asking_for_the_time_too_never_makes_a_transcript_better(
    rows: list[Spoken], others: list[Spoken]
) -> None:
    found = score(truth(rows), heard(others))
    assert found.tcpwer.part >= found.cpwer.part
    assert found.attributed.part <= found.attributed.whole


@settings(deadline=None, max_examples=60)
@given(TALKS, st.data())
def test_a_lost_word_costs_exactly_its_share(rows: list[Spoken], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(rows) - 1))
    who, start, end, text = rows[index]
    words = text.split()
    del words[data.draw(st.integers(0, len(words) - 1))]
    fewer = [*rows[:index], (who, start, end, " ".join(words)), *rows[index + 1 :]]
    found = score(truth(rows), heard(fewer))
    total = sum(len(text.split()) for *_, text in rows)
    assert found.cpwer == found.wer == Rate(1, total)


@given(st.text(alphabet=st.characters(codec="ascii", exclude_categories=["Cc"])))
def test_words_are_normalised_as_by_meeteval(text: str) -> None:
    row = normalize(SegLST([{"words": text}]), normalizer="lower,rm([^a-z0-9 ])").segments[0]
    assert normalise(text) == row["words"].strip()


def test_words_without_times_share_their_segment() -> None:
    segment = Segment(1.0, 2.0, "Ab, cdef - ghij", "anna")
    assert timed_words([segment]) == (
        Word("ab", 1.0, pytest.approx(1.25), speaker="anna"),  # type: ignore[arg-type]
        Word("cdef", pytest.approx(1.25), pytest.approx(19 / 12), speaker="anna"),  # type: ignore[arg-type]
        Word("ghij", pytest.approx(20 / 12), pytest.approx(2.0), speaker="anna"),  # type: ignore[arg-type]
    )


def test_a_reply_without_turns_is_read_from_its_rttm_or_its_segments() -> None:
    rows = [{"start": 0.0, "end": 1.0, "speaker": "S1", "text": "Yes."}]
    rttm = "SPEAKER talk 1 0.250 0.500 <NA> <NA> S2 <NA> <NA>\n"
    turns = [{"start": 0.0, "end": 2.0, "speaker": "S3"}]
    all_three = {"segments": rows, "formats": {"rttm": rttm}, "turns": turns}
    assert hypothesis_of(all_three).turns == (Turn(0.0, 2.0, "S3"),)
    assert hypothesis_of({**all_three, "turns": []}).turns == (Turn(0.25, 0.75, "S2"),)
    assert hypothesis_of({"segments": rows}).turns == (Turn(0.0, 1.0, "S1"),)


@pytest.mark.parametrize("reply", [{}, {"segments": [{}]}, {"segments": 1}, {"segments": ["x"]}])
def test_what_is_no_reply_is_refused(reply: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no reply"):
        hypothesis_of(reply)


def test_scores_add_up_to_the_rate_over_all_words() -> None:
    one = score(truth(), heard(changed(1, text="Is kitchen ready?")))
    both = one + score(truth(TALK[:1]), Hypothesis())
    assert both.cpwer == Rate(1 + 3, WORDS + 3)
    assert both.counted == Rate(1, 2)
    assert both.as_dict()["cpwer"] == pytest.approx(4 / 13, abs=1e-4)


def perfect(recording: Path) -> dict[str, Any]:
    case = read_case(recording.parent, recording.stem)
    rows = [
        {
            "start": s.start,
            "end": s.end,
            "speaker": s.speaker,
            "text": s.text,
            "words": [{"text": w.text, "start": w.start, "end": w.end} for w in s.words],
        }
        for s in case.segments
    ]
    return {
        "segments": rows,
        "turns": [{k: r[k] for k in ("start", "end", "speaker")} for r in rows],
    }


def deaf(_: Path) -> dict[str, Any]:
    return {"segments": [{"start": 0, "end": 1, "speaker": "a", "text": "Six."}]}


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy, "CONVERSATIONS", 2)
    monkeypatch.setattr(accuracy, "_SECONDS", (8.0, 8.0))


@pytest.mark.usefixtures("short")
def test_the_command_measures_writes_and_can_score_its_replies_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert accuracy.main(["--out", str(tmp_path)], transcribe=perfect) == 0
    told = capsys.readouterr().out
    figures = json.loads((tmp_path / "accuracy.json").read_text())
    assert figures["conversations"]["cpwer"] == figures["conversations"]["der"] == 0
    assert [row["kind"] for row in figures["recordings"]] == [
        "sample", "conversation", "conversation", "silence", "noise", "noise", "noise"
    ]  # fmt: skip
    missed = [target["promise"] for target in figures["targets"] if not target["met"]]
    assert missed == ["conversations: right number of speakers in at least 8"]
    again = ["--out", str(tmp_path / "again"), "--replies", str(tmp_path / "accuracy")]
    assert accuracy.main(again) == 0
    assert json.loads((tmp_path / "again" / "accuracy.json").read_text()) == figures
    assert capsys.readouterr().out.replace("/again", "") == told


@pytest.mark.usefixtures("short")
def test_targets_that_are_missed_are_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert accuracy.main(["--out", str(tmp_path)], transcribe=deaf) == 0
    told = capsys.readouterr().out
    assert told.count("MISSED") == 7
    assert "silence and noise: no words: 4 words" in told


def test_a_reply_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"meeting\.json is not there"):
        accuracy.main(["--out", str(tmp_path), "--replies", str(tmp_path / "none")])
