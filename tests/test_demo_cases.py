"""Recordings with references: what is written can be read, and the sample can be remade."""

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
import soundfile
from meeteval.io import CTM, RTTM, SegLST
from meeteval.wer import cp_word_error_rate

from demo.generate import VOICES, conversation, distinct, main, still
from demo.meeting import MEETING, SAMPLE, meeting
from demo.references import (
    Case,
    CaseError,
    case_names,
    case_of,
    parse_rttm,
    read_case,
    rttm,
    write_case,
)
from demo.speech.conversations import Conversation
from demo.speech.sentences import split_of
from demo.speech.voices import CAST
from handlers.timeline import Turn

FILES = ("flac", "rttm", "seglst.json", "ctm", "txt")


@pytest.fixture(scope="module")
def talk() -> Conversation:
    pieces = conversation(seed="cases", speakers=(3, 3), seconds=(15.0, 15.0))
    return next(iter(pieces))


def test_a_case_is_read_as_it_was_written(talk: Conversation, tmp_path: Path) -> None:
    written = write_case(tmp_path, "talk", [talk])
    assert read_case(tmp_path, "talk") == written == case_of("talk", talk)
    assert {path.name for path in tmp_path.iterdir()} == {f"talk.{kind}" for kind in FILES}
    assert case_names(tmp_path) == ("talk",)


def test_pieces_are_written_one_after_the_other(talk: Conversation, tmp_path: Path) -> None:
    samples = talk.samples
    pieces = [Conversation(samples[:50_000], talk.parts[:2]), Conversation(samples[50_000:])]
    case = write_case(tmp_path, "pieces", iter(pieces))
    info = soundfile.info(tmp_path / "pieces.flac")
    assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
    assert info.frames == len(samples)
    assert len(case.segments) == 2


def test_rttm_is_read_as_it_was_written(talk: Conversation) -> None:
    case = case_of("talk", talk)
    for found, true in zip(parse_rttm(rttm(case)), case.turns, strict=True):
        assert found.speaker == true.speaker
        assert found.start == pytest.approx(true.start, abs=1e-6)
        assert found.end == pytest.approx(true.end, abs=1e-6)


def test_comments_in_rttm_are_passed_over_and_nonsense_is_not() -> None:
    text = ";; who\n\nSPEAKER x 1 0.5 1.0 <NA> <NA> anna <NA>\n"
    assert parse_rttm(text) == (Turn(0.5, 1.5, "anna"),)
    with pytest.raises(CaseError, match="no RTTM"):
        parse_rttm("SPEAKER x 1 zero 1.0 <NA> <NA> anna <NA>")


def test_meeteval_reads_the_references(talk: Conversation, tmp_path: Path) -> None:
    case = write_case(tmp_path, "talk", [talk])
    segments = SegLST(json.loads((tmp_path / "talk.seglst.json").read_text()))
    assert cp_word_error_rate(segments, segments).errors == 0
    assert [row["words"] for row in segments] == [s.text for s in case.segments]
    assert len(RTTM.load(tmp_path / "talk.rttm")) == len(case.segments)
    words = CTM.load(tmp_path / "talk.ctm", parse_float=float)
    assert [line.word for line in words.lines] == [word.text for word in case.words]


def test_nobody_speaks_in_silence_and_noise(tmp_path: Path) -> None:
    silence = write_case(tmp_path, "silence", still("silence", seed="a", seconds=(10, 10)))
    hiss = write_case(tmp_path, "noise", still("noise", seed="a", seconds=(10, 10)))
    assert silence == Case("silence", 10.0)
    assert hiss == Case("noise", 10.0) == read_case(tmp_path, "noise")
    assert not soundfile.read(tmp_path / "silence.flac")[0].any()
    assert soundfile.read(tmp_path / "noise.flac")[0].std() > 0.001


def test_a_missing_case_is_named(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="no case named 'nothing'"):
        read_case(tmp_path, "nothing")


def test_near_twins_do_not_speak_together() -> None:
    for voices in VOICES.values():
        chosen = distinct(voices, 6, Random(1))
        assert len({voice.variant for voice in chosen}) == 6
    with pytest.raises(ValueError, match="9 speakers asked for; from 1 to 8"):
        distinct(CAST, 9, Random(1))


def test_the_sample_is_what_its_making_gives(tmp_path: Path) -> None:
    write_case(tmp_path, "meeting", [meeting()])
    for kind in FILES[1:]:
        kept, made = SAMPLE / f"meeting.{kind}", tmp_path / f"meeting.{kind}"
        assert made.read_text() == kept.read_text()
    kept_wave, made_wave = (
        soundfile.read(folder / "meeting.flac", dtype="int16")[0].astype(np.int32)
        for folder in (SAMPLE, tmp_path)
    )
    assert int(np.abs(kept_wave - made_wave).max()) <= 1


def test_the_sample_is_a_fit_one() -> None:
    case = read_case(SAMPLE, "meeting")
    assert 65 <= case.seconds <= 90
    assert len(case.speakers) == 3
    assert set(case.speakers) <= {voice.label for voice in CAST}
    assert 1.0 <= case.overlap <= 3.0
    assert {split_of(line.text) for line in MEETING} == {"test"}
    assert (SAMPLE / "meeting.flac").stat().st_size < 1_500_000


def test_the_command_makes_what_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = "--count 2 --speakers 2 --seconds 8-9 --voices unseen --overlap 0.5 --noise-snr 30"
    assert main([str(tmp_path), *wanted.split(), "--seed", "3"]) == 0
    assert case_names(tmp_path) == ("conversation-3-00", "conversation-3-01")
    first, second = (read_case(tmp_path, name) for name in case_names(tmp_path))
    assert len(first.speakers) == len(second.speakers) == 2
    assert first.segments != second.segments
    assert "conversation-3-00: " in capsys.readouterr().out


def test_the_third_of_three_is_the_third_of_four(tmp_path: Path) -> None:
    for count in ("3", "4"):
        folder = tmp_path / count
        main([str(folder), "--kind", "noise", "--seconds", "1", "--count", count])
    name = "noise-7-02.flac"
    assert (tmp_path / "3" / name).read_bytes() == (tmp_path / "4" / name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ("", "name the folder"),
        ("{out} --speakers 4-2", "range such as"),
        ("{out} --speakers 2.5", "whole number"),
        ("{out} --speakers many", "range such as"),
        ("{out} --speakers 9", "from 1 to 8 can speak together"),
        ("{out} --overlap 2", "share from 0 to 1"),
        ("{out} --overlap some", "share from 0 to 1"),
        ("{out} --seconds 0", "number above 0"),
        ("{out} --split exam", "invalid choice"),
    ],
)
def test_wrong_arguments_are_explained(
    arguments: str, advice: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments.format(out=tmp_path).split())
    assert ended.value.code == 2
    assert advice in capsys.readouterr().err


def test_word_times_are_kept_beside_what_meeteval_reads() -> None:
    rows = json.loads((SAMPLE / "meeting.seglst.json").read_text())
    for row in rows:
        assert len(row["word_times"]) == len(row["words"].split())
        assert row["word_times"][0][0] == row["start_time"]
        assert row["word_times"][-1][1] == row["end_time"]
