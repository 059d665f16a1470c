from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.alignment import assign_speakers, clamp_durations
from handlers.segments import build_segments, build_transcript, relabel, summarise_speakers
from handlers.sentences import break_up, ends_sentence, sentences
from handlers.timeline import Diarization, Segment, Speaker, Turn, Word
from tests.timelines import SPEAKERS, any_texts, spoken, turn_lists, unhurried, word, word_lists

A, B, C = SPEAKERS


def lines(segments: Sequence[Segment]) -> list[str]:
    return [segment.text for segment in segments]


class TestSentenceEnds:
    @pytest.mark.parametrize(
        "text", ["so.", "so?", "so!", "so?!", "No.", "I.", "è.", "1984.", "etc."]
    )
    @pytest.mark.parametrize("quoted", ["{}", "«{}»", "„{}“", "({})", '{}"', "{}’"])  # noqa: RUF001
    def test_are_marked_by_punctuation(self, text: str, quoted: str) -> None:
        assert ends_sentence(quoted.format(text), "We")

    @pytest.mark.parametrize("text", ["好。", "好？", "هل؟", "है।", "U.S.?"])  # noqa: RUF001
    def test_are_marked_in_other_scripts_too(self, text: str) -> None:
        assert ends_sentence(text)

    @pytest.mark.parametrize("text", ["so", "so,", "so:", "3.14", "a.b", "”", ""])
    def test_are_nothing_else(self, text: str) -> None:
        assert not ends_sentence(text, "We")

    @pytest.mark.parametrize(
        ("text", "following"),
        [
            ("Dr.", "Chen"),
            ("(Mrs.", "Chen"),
            ("vs.", "the"),
            ("J.", "Robert"),
            ("U.S.", "Army"),
            ("e.g.", "this"),
            ("p.m.", "today"),
            ("3.", "14"),
            ("3.", "day"),
            ("etc.", "and"),
            ("Well...", "maybe"),
            ("Well…", "maybe"),
        ],
    )
    def test_are_not_in_abbreviations_and_numbers_that_go_on(
        self, text: str, following: str
    ) -> None:
        assert not ends_sentence(text, following)

    @pytest.mark.parametrize("text", ["Well...", "Well…", "3.", "etc."])
    def test_depend_on_how_the_next_word_starts(self, text: str) -> None:
        assert ends_sentence(text, "“Maybe")
        assert ends_sentence(text)
        assert not ends_sentence(text, "“maybe")

    @unhurried
    @given(word_lists(text=any_texts))
    def test_tile_the_words(self, words: list[Word]) -> None:
        tiles = sentences(words, max_gap=0.5)
        assert [index for tile in tiles for index in tile] == list(range(len(words)))


class TestBreakingUp:
    def halves(self, words: Sequence[Word]) -> list[str]:
        parts = break_up(words, lambda part: len(part) < len(words))
        return [" ".join(said.text for said in part) for part in parts]

    def test_takes_the_middle(self) -> None:
        assert self.halves(spoken("aa", "bb", "cc", "dd")) == ["aa bb", "cc dd"]

    def test_prefers_a_comma_near_the_middle(self) -> None:
        words = spoken("well", "yes,", "of", "course", "you", "can")
        assert self.halves(words) == ["well yes,", "of course you can"]

    def test_prefers_a_pause_near_the_middle(self) -> None:
        words = [*spoken("a", "b", "c"), *spoken("d", "e", "f", "g", "h", start=2.3)]
        assert self.halves(words) == ["a b c", "d e f g h"]

    def test_never_breaks_a_word(self) -> None:
        words = spoken("a", "b", "c")
        assert list(break_up(words, lambda _: False)) == [[said] for said in words]

    @unhurried
    @given(word_lists(text=any_texts), st.integers(1, 30))
    def test_gives_parts_that_fit_and_loses_nothing(self, words: list[Word], limit: int) -> None:
        def fits(part: Sequence[Word]) -> bool:
            return sum(len(said.text) for said in part) <= limit

        parts = list(break_up(words, fits))
        assert [said for part in parts for said in part] == words
        assert all(len(part) <= 1 or fits(part) for part in parts)


class TestSegments:
    def test_hold_what_was_said_from_first_to_last_word(self) -> None:
        words = spoken("Good", "morning.", start=1.0, speaker=A)
        assert build_segments(words) == (Segment(1.0, 2.0, "Good morning.", A, tuple(words)),)

    def test_start_anew_at_every_change_of_speaker(self) -> None:
        words = [
            *spoken("I", "think", speaker=A),
            *spoken("yes", start=1.0, speaker=B),
            *spoken("we", "go", start=1.5, speaker=A),
            *spoken("somewhere", start=2.5),
        ]
        segments = build_segments(words)
        assert lines(segments) == ["I think", "yes", "we go", "somewhere"]
        assert [segment.speaker for segment in segments] == [A, B, A, None]

    def test_start_anew_at_every_sentence(self) -> None:
        words = spoken("Is", "Dr.", "Chen", "in?", "No.", "She", "left", "at", "3.", "15", "p.m.")
        assert lines(build_segments(words)) == ["Is Dr. Chen in?", "No.", "She left at 3. 15 p.m."]

    def test_start_anew_after_a_long_pause(self) -> None:
        words = [*spoken("and", "then"), *spoken("we", "left", start=1.8)]
        assert lines(build_segments(words, max_gap=0.5)) == ["and then", "we left"]
        assert lines(build_segments(words, max_gap=1.0)) == ["and then we left"]

    def test_break_a_long_sentence_at_a_comma(self) -> None:
        words = spoken("if", "you", "can", "come,", "we", "will", "start", "at", "nine")
        assert lines(build_segments(words, max_seconds=3.0)) == [
            "if you can come,",
            "we will start at nine",
        ]
        assert lines(build_segments(words, max_chars=25)) == [
            "if you can come,",
            "we will start at nine",
        ]

    @unhurried
    @given(
        word_lists(text=any_texts),
        st.lists(st.sampled_from([*SPEAKERS, None]), min_size=12, max_size=12),
    )
    def test_partition_the_words(self, words: list[Word], labels: list[str | None]) -> None:
        words = sorted(words, key=lambda said: said.start)
        words = [
            replace(said, speaker=label)
            for said, label in zip(clamp_durations(words), labels, strict=False)
        ]
        segments = build_segments(words, max_gap=0.5, max_seconds=2.0, max_chars=30)
        assert [said for segment in segments for said in segment.words] == words
        for segment in segments:
            assert {said.speaker for said in segment.words} == {segment.speaker}
            assert segment.start == segment.words[0].start
            assert segment.end == segment.words[-1].end
            assert segment.text == " ".join(said.text for said in segment.words)
            if len(segment.words) > 1:
                assert segment.end - segment.start <= 2.0
                assert len(segment.text) <= 30


class TestSpeakers:
    SEGMENTS = (Segment(0, 1, "Hi.", B), Segment(1, 3, "Hello.", A), Segment(3, 4, "So.", B))

    def test_come_by_first_appearance(self) -> None:
        assert summarise_speakers(self.SEGMENTS) == (Speaker(B, 2, 2), Speaker(A, 2, 1))

    def test_last_as_long_as_their_turns(self) -> None:
        turns = [Turn(0, 3, A), Turn(2, 4, A), Turn(1, 1.5, B)]
        assert summarise_speakers(self.SEGMENTS, turns) == (Speaker(A, 4, 1), Speaker(B, 0.5, 2))

    def test_count_who_said_no_word_and_who_has_no_turn(self) -> None:
        turns = [Turn(5, 6, C), Turn(1, 2, A)]
        assert summarise_speakers(self.SEGMENTS, turns) == (
            Speaker(B, 2, 2),
            Speaker(A, 1, 1),
            Speaker(C, 1, 0),
        )

    def test_are_none_where_nobody_is_known(self) -> None:
        assert summarise_speakers([Segment(0, 1, "Hi.")]) == ()


class TestRelabelling:
    def test_names_speakers_by_first_appearance_and_keeps_embeddings_in_step(self) -> None:
        found = Diarization(
            turns=(Turn(0, 1, "x"), Turn(1, 2, "b"), Turn(2, 3, "x")),
            exclusive=(Turn(0, 1, "x"), Turn(1, 2, "b")),
            embeddings={"a": (0.0,), "b": (1.0,), "x": (2.0,)},
        )
        assert relabel(found) == Diarization(
            turns=(Turn(0, 1, A), Turn(1, 2, B), Turn(2, 3, A)),
            exclusive=(Turn(0, 1, A), Turn(1, 2, B)),
            embeddings={A: (2.0,), B: (1.0,), C: (0.0,)},
        )

    def test_has_names_for_more_than_a_hundred(self) -> None:
        turns = tuple(Turn(number, number + 1, f"{number}") for number in range(101))
        assert relabel(Diarization(turns)).turns[-1].speaker == "SPEAKER_100"

    @unhurried
    @given(turn_lists(), st.randoms())
    def test_is_stable(self, turns: list[Turn], rng: Random) -> None:
        found = relabel(Diarization(tuple(turns)))
        assert relabel(Diarization(tuple(rng.sample(turns, len(turns))))) == found
        assert relabel(found) == found
        assert list(found.turns) == sorted(found.turns)
        firsts = list(dict.fromkeys(turn.speaker for turn in found.turns))
        assert len(firsts) == len({turn.speaker for turn in turns})
        assert set(firsts) == set(SPEAKERS[: len(firsts)])


class TestTranscript:
    WORDS = (word("Hi.", 0.1, 0.5), word("Hello.", 1.1, 1.6))

    def test_is_segments_speakers_and_turns(self) -> None:
        turns = (Turn(0, 1, A), Turn(1, 2, B))
        transcript = build_transcript(self.WORDS, Diarization(turns, turns))
        assert lines(transcript.segments) == ["Hi.", "Hello."]
        assert transcript.speakers == (Speaker(A, 1, 1), Speaker(B, 1, 1))
        assert transcript.turns == turns
        assert tuple(transcript.words) == assign_speakers(self.WORDS, Diarization(turns, turns))

    def test_keeps_the_speakers_of_channels_where_nobody_diarized(self) -> None:
        left, right = (
            replace(said, speaker=name) for said, name in zip(self.WORDS, "LR", strict=True)
        )
        transcript = build_transcript([left, right])
        assert [segment.speaker for segment in transcript.segments] == ["L", "R"]
        assert transcript.turns == ()

    def test_may_be_empty(self) -> None:
        assert build_transcript([]).text == ""
        turns = (Turn(0, 1, A),)
        assert build_transcript([], Diarization(turns)).speakers == (Speaker(A, 1, 0),)
