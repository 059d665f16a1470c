import html
import json
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import meeteval
import pytest
import srt
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from handlers.cues import build_cues
from handlers.formats import (
    FORMATS,
    Format,
    render,
    to_ctm,
    to_diarized_json,
    to_dict,
    to_json,
    to_rttm,
    to_srt,
    to_txt,
    to_vtt,
)
from handlers.segments import build_transcript
from handlers.timeline import Segment, Speaker, Transcript, Turn, Word
from tests.golden import FOLDER, NAME, meeting
from tests.timelines import (
    SPEAKERS,
    any_texts,
    spoken,
    stretches,
    times,
    turn_lists,
    unhurried,
    word,
    word_lists,
)

A, B, C = SPEAKERS
NAMES = (*SPEAKERS, "Alice Smith", "<b>&amp;", "a\nb", None)
EMPTY = Transcript()


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    """Anything that fits the type: in no order, overlapping, without words, or with odd ones."""
    words = sorted(draw(word_lists(text=any_texts)), key=lambda said: said.start)
    start, end = draw(stretches(until=4000, longest=2000))
    if words:
        start, end = words[0].start, max(said.end for said in words)
    text = " ".join(said.text for said in words) if words else draw(any_texts)
    kept = tuple(words) if draw(st.booleans()) else ()
    return Segment(start, end, text, draw(st.sampled_from(NAMES)), kept)


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    return Transcript(
        segments=tuple(draw(st.lists(segments(), max_size=4))),
        speakers=tuple(Speaker(label, draw(times()), 1) for label in SPEAKERS),
        turns=tuple(draw(turn_lists())),
    )


def tokens(*texts: str) -> list[str]:
    """What can be seen of texts: pieces between whitespace, without control characters."""
    pieces = [piece for text in texts for piece in text.split()]
    return [seen for piece in pieces if (seen := re.sub(r"[\x00-\x1f\x7f-\x9f]", "", piece))]


def shown(transcript: Transcript) -> list[tuple[str | None, str]]:
    """Each token of a transcript with its speaker, in the order of segments."""
    return [
        (" ".join(tokens(segment.speaker)) if segment.speaker else None, token)
        for segment in sorted(transcript.segments, key=lambda segment: segment.start)
        for token in tokens(segment.text)
    ]


def one(*words: Word) -> Transcript:
    return build_transcript(words)


class TestGolden:
    @pytest.mark.parametrize("wanted", FORMATS)
    def test_meeting_is_written_as_it_was(self, wanted: Format) -> None:
        written = render(meeting(), [wanted], name=NAME, duration=20.5)[wanted]
        assert written == (FOLDER / f"meeting.{wanted}").read_text(encoding="utf-8")


class TestRender:
    def test_gives_what_is_asked_for_in_that_order(self) -> None:
        assert list(render(meeting(), ["vtt", "json"])) == ["vtt", "json"]
        assert render(meeting(), []) == {}
        assert render(meeting(), ["txt"])["txt"] == to_txt(meeting())

    def test_names_the_recording(self) -> None:
        written = render(meeting(), ["rttm", "ctm"], name="team call\t(2).wav")
        assert written["rttm"].split()[1] == "team_call_2_.wav"
        assert written["ctm"].split()[0] == "team_call_2_.wav"

    def test_writes_a_transcript_of_nothing(self) -> None:
        assert {wanted: text for wanted, text in render(EMPTY, FORMATS).items() if text} == {
            "json": '{"text":"","speakers":[],"segments":[],"turns":[]}',
            "diarized_json": '{"task":"transcribe","duration":0.0,"text":"","segments":[]}',
            "vtt": "WEBVTT\n",
        }


class TestClocks:
    @pytest.mark.parametrize(
        ("seconds", "clock"),
        [
            (0, "00:00:00.000"),
            (-0.2, "00:00:00.000"),
            (1.2, "00:00:01.200"),
            (59.9994, "00:00:59.999"),
            (59.9996, "00:01:00.000"),
            (3599.9999, "01:00:00.000"),
            (360_000.5, "100:00:00.500"),
        ],
    )
    def test_round_to_times_that_exist(self, seconds: float, clock: str) -> None:
        transcript = Transcript((Segment(seconds, seconds + 2, "so"),))
        assert to_vtt(transcript).splitlines()[2].startswith(f"{clock} --> ")
        assert to_srt(transcript).splitlines()[1].startswith(clock.replace(".", ","))

    def test_of_reading_texts_have_hundredths(self) -> None:
        transcript = Transcript((Segment(59.996, 3601.234, "so"),))
        assert to_txt(transcript) == "[00:01:00.00 - 01:00:01.23] so\n"

    @pytest.mark.parametrize("wanted", ["json", "diarized_json", "srt", "vtt", "txt"])
    def test_are_never_nan(self, wanted: Format) -> None:
        with pytest.raises(ValueError, match=r"NaN|JSON"):
            render(Transcript((Segment(0, float("nan"), "so"),)), [wanted])


class TestCues:
    def test_put_a_long_sentence_into_two_lines_and_then_into_two_cues(self) -> None:
        (cue,) = build_cues(one(*spoken(*["fourteen"] * 8, pace=0.3)))
        assert cue.lines == (" ".join(["fourteen"] * 4), " ".join(["fourteen"] * 4))
        assert len(build_cues(one(*spoken(*["fourteen"] * 9, pace=0.3)))) == 2

    def test_last_seven_seconds_at_most_and_a_second_at_least(self) -> None:
        slow = build_cues(one(*spoken(*["so"] * 16)))
        assert [cue.end - cue.start for cue in slow] == [4.0, 4.0]
        (quick,) = build_cues(one(word("so", 1.0, 1.2)))
        assert (quick.start, quick.end) == (1.0, 2.0)

    def test_give_way_to_the_next(self) -> None:
        cues = build_cues(one(word("Yes?", 1, 1.2, A), word("No.", 1.5, 1.7, B)))
        assert [(cue.start, cue.end) for cue in cues] == [(1.0, 1.5), (1.5, 2.5)]

    def test_wait_where_two_come_at_once(self) -> None:
        cues = build_cues(one(word("Yes?", 1, 1, A), word("No.", 1, 1, B)))
        assert [(cue.start, cue.end) for cue in cues] == [(1.0, 1.2), (1.2, 2.2)]

    def test_join_sentences_too_short_to_read(self) -> None:
        words = spoken("Yes.", "No.", "Maybe.", speaker=A)
        assert [cue.lines for cue in build_cues(one(*words))] == [("Yes. No. Maybe.",)]
        paused = [*spoken("Yes.", speaker=A), *spoken("No.", start=1.1, speaker=A)]
        assert len(build_cues(one(*paused))) == 2
        asked = [*spoken("Yes?", speaker=A), *spoken("No.", start=0.5, speaker=B)]
        assert len(build_cues(one(*asked))) == 2

    def test_count_the_prefix_where_it_is_shown(self) -> None:
        words = spoken(*["fourteen"] * 8, pace=0.3, speaker=A)
        assert len(build_cues(one(*words))) == 1
        assert len(build_cues(one(*words), prefixed=True)) == 2

    def test_spread_a_text_without_words_over_its_time(self) -> None:
        long = " ".join(["fourteen"] * 16)
        cues = build_cues(Transcript((Segment(10, 20, long),)))
        assert [(cue.start, cue.end) for cue in cues] == [(10, 15), (15, 20)]

    @unhurried
    @given(transcripts(), st.booleans())
    def test_ascend_never_overlap_and_can_be_read(
        self,
        transcript: Transcript,
        prefixed: bool,  # noqa: FBT001
    ) -> None:
        cues = build_cues(transcript, prefixed=prefixed)
        shown_until = 0.0
        for cue in cues:
            assert shown_until <= cue.start < cue.end <= cue.start + 7
            shown_until = cue.end
            assert 1 <= len(cue.lines) <= 2
            words = len(tokens(*cue.lines)) - len(tokens(cue.speaker or "") if prefixed else ())
            assert words <= 1 or max(map(len, cue.lines)) <= 42


class TestSubtitlesReadBack:
    @unhurried
    @given(transcripts())
    def test_as_srt(self, transcript: Transcript) -> None:
        read = list(srt.parse(to_srt(transcript)))
        cues = build_cues(transcript, prefixed=True)
        assert [cue.index for cue in read] == list(range(1, len(cues) + 1))
        assert [(cue.start.total_seconds(), cue.end.total_seconds()) for cue in read] == [
            (cue.start, cue.end) for cue in cues
        ]
        seen = []
        for cue, made in zip(read, cues, strict=True):
            speaker = " ".join(tokens(made.speaker)) if made.speaker else None
            text = cue.content.replace("\n", " ")
            prefix = f"{speaker}: " if speaker else ""
            assert text.startswith(prefix)
            seen += [(speaker, token) for token in text.removeprefix(prefix).split()]
        assert seen == shown(transcript)

    @unhurried
    @given(transcripts())
    def test_as_vtt(self, transcript: Transcript) -> None:
        written = to_vtt(transcript)
        read = webvtt.from_string(written)
        cues = build_cues(transcript)
        assert written.count("-->") == len(cues)
        assert [
            (cue.start_time.in_milliseconds() / 1000, cue.end_time.in_milliseconds() / 1000)
            for cue in read
        ] == [(cue.start, cue.end) for cue in cues]
        seen = []
        for cue in read:
            speaker = None if cue.voice is None else html.unescape(cue.voice)
            text = html.unescape(re.sub(r"^<v [^>]*>", "", cue.raw_text))
            assert html.unescape(cue.text) == text
            seen += [(speaker, token) for token in text.split()]
        assert seen == shown(transcript)

    def test_escape_what_vtt_reads_as_its_own(self) -> None:
        written = to_vtt(one(*spoken("<v", "Eve>", "a", "-->", "b", "&lt;", speaker="R&D <x>")))
        assert written.splitlines()[3] == "<v R&amp;D &lt;x&gt;>&lt;v Eve&gt; a --&gt; b &amp;lt;"

    def test_leave_srt_as_it_is_said(self) -> None:
        written = to_srt(one(*spoken("a", "-->", "b", "\n\n2\n", "<i>", speaker=A)))
        assert written == "1\n00:00:00,000 --> 00:00:02,500\nSPEAKER_00: a --> b 2 <i>\n"


class TestRttm:
    def read(self, written: str) -> list[tuple[float, float, str]]:
        lines = meeteval.io.RTTM.parse(written).lines
        return [
            (float(line.begin_time), float(line.begin_time + line.duration), line.speaker_id)
            for line in lines
        ]

    @unhurried
    @given(turn_lists())
    def test_holds_every_turn_that_lasts(self, turns: list[Turn]) -> None:
        written = to_rttm(Transcript(turns=tuple(turns)))
        assert self.read(written) == [
            (turn.start, turn.end, turn.speaker) for turn in turns if turn.start < turn.end
        ]
        assert all(len(line.split()) == 10 for line in written.splitlines())

    def test_is_read_by_pyannote(self, tmp_path: Path) -> None:
        from pyannote.database.util import load_rttm  # noqa: PLC0415 - heavy, and only here

        path = tmp_path / "meeting.rttm"
        path.write_text(to_rttm(meeting(), name=NAME))
        (annotation,) = load_rttm(path).values()
        assert annotation.uri == "board_meeting"
        assert [
            Turn(round(turn.start, 3), round(turn.end, 3), speaker)
            for turn, _, speaker in annotation.itertracks(yield_label=True)
        ] == list(meeting().turns)

    def test_comes_from_segments_where_there_are_no_turns(self) -> None:
        transcript = one(*spoken("Hi.", speaker="L"), *spoken("So.", start=2, speaker="R 2"))
        assert self.read(to_rttm(transcript)) == [(0, 0.5, "L"), (2, 2.5, "R_2")]
        assert to_rttm(one(*spoken("Hi."))) == ""

    def test_keeps_turns_that_touch_touching(self) -> None:
        written = to_rttm(Transcript(turns=(Turn(0.0004, 1.0006, A), Turn(1.0006, 2.0, B))))
        assert self.read(written) == [(0, 1.001, A), (1.001, 2, B)]


class TestCtm:
    @unhurried
    @given(transcripts())
    def test_holds_every_word_with_its_time_and_confidence(self, transcript: Transcript) -> None:
        words = sorted(transcript.words, key=lambda said: said.start)
        assert [
            (
                line.filename,
                line.channel,
                line.begin_time,
                line.duration,
                line.word,
                line.confidence,
            )
            for line in meeteval.io.CTM.parse(to_ctm(transcript, name="a b")).lines
        ] == [
            (
                "a_b",
                "1",
                Decimal(f"{said.start:.3f}"),
                Decimal(f"{said.end:.3f}") - Decimal(f"{said.start:.3f}"),
                "_".join(tokens(said.text)),
                None if said.confidence is None else f"{said.confidence:.3f}",
            )
            for said in words
            if tokens(said.text)
        ]

    def test_never_has_a_negative_duration(self) -> None:
        assert to_ctm(Transcript((Segment(2, 2, "so", words=(word("so", 2, 1),)),))) == (
            "audio 1 2.000 0.000 so\n"
        )


class TestTxt:
    def test_is_a_paragraph_for_as_long_as_one_speaker_talks(self) -> None:
        transcript = one(
            *spoken("Good", "morning.", "Sit", "down.", start=1.2, speaker=A),
            *spoken("Thank\nyou.", start=3.5, speaker=B),
        )
        assert to_txt(transcript) == (
            "[00:00:01.20 - 00:00:03.20] SPEAKER_00: Good morning. Sit down.\n"
            "[00:00:03.50 - 00:00:04.00] SPEAKER_01: Thank you.\n"
        )

    def test_breaks_a_monologue_after_a_sentence_each_minute(self) -> None:
        words = spoken(*["so", "it", "goes."] * 50, speaker=A)
        assert [line[:25] for line in to_txt(one(*words)).splitlines()] == [
            "[00:00:00.00 - 00:01:00.0",
            "[00:01:00.00 - 00:01:15.0",
        ]

    @unhurried
    @given(transcripts())
    def test_holds_every_token(self, transcript: Transcript) -> None:
        read = [
            token
            for line in to_txt(transcript).splitlines()
            for token in re.sub(r"^\[[\d:.]+ - [\d:.]+\] ", "", line).split(" ")
        ]
        expected: list[str] = []
        last: object = object()
        for segment in transcript.segments:
            if tokens(segment.text):
                if segment.speaker is not None and segment.speaker != last:
                    expected += tokens(segment.speaker + ":")
                expected += tokens(segment.text)
                last = segment.speaker
        assert read == expected


def reread(document: dict[str, Any]) -> Transcript:
    return Transcript(
        segments=tuple(
            Segment(**{**segment, "words": tuple(Word(**said) for said in segment["words"])})
            for segment in document["segments"]
        ),
        speakers=tuple(Speaker(**speaker) for speaker in document["speakers"]),
        turns=tuple(Turn(**turn) for turn in document["turns"]),
    )


def refuse(constant: str) -> None:
    raise AssertionError(constant)


class TestJson:
    @unhurried
    @given(transcripts())
    def test_reads_back_as_the_same_transcript(self, transcript: Transcript) -> None:
        document = json.loads(to_json(transcript), parse_constant=refuse)
        assert document == to_dict(transcript)
        assert document.pop("text") == transcript.text
        assert reread(document) == transcript

    def test_has_no_nan_where_a_confidence_is_none(self) -> None:
        sure = replace(word("so", 0, 1), confidence=float("nan"), speaker_confidence=1 / 3)
        (said,) = to_dict(one(sure))["segments"][0]["words"]
        assert said == {
            "text": "so",
            "start": 0,
            "end": 0.95,
            "confidence": None,
            "speaker": None,
            "speaker_confidence": 0.333,
            "overlap": False,
        }

    def test_keys_keep_their_order(self) -> None:
        document = json.loads(to_json(meeting()))
        assert list(document) == ["text", "speakers", "segments", "turns"]
        assert list(document["segments"][0]) == ["start", "end", "speaker", "text", "words"]

    def test_in_openais_shape_names_everybody_and_lasts_to_the_last_word(self) -> None:
        transcript = one(*spoken("Hi.", speaker=A), *spoken("So.", start=0.5))
        document = json.loads(to_diarized_json(transcript))
        assert document["duration"] == 1.0
        assert [segment["speaker"] for segment in document["segments"]] == [A, "unknown"]
        assert [segment["id"] for segment in document["segments"]] == ["seg_000", "seg_001"]
