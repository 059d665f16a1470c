import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import handlers
from handlers.alignment import assign_speakers, clamp_durations
from handlers.smoothing import collapse_islands, settle_sentences
from handlers.timeline import Diarization, Turn, Word
from handlers.turns import overlapped, tidy
from tests.timelines import SPEAKERS, spoken, turn_lists, unhurried, word, word_lists

A, B, C = SPEAKERS


def exclusive(*turns: Turn) -> Diarization:
    return Diarization(turns=turns, exclusive=turns)


def speakers(words: Sequence[Word]) -> list[str | None]:
    return [said.speaker for said in words]


def swept(words: Sequence[Word], diarization: Diarization) -> tuple[Word, ...]:
    """Only what the turns say, without any smoothing."""
    return assign_speakers(words, diarization, island_words=0, sentence_words=0)


def ticks(start: float, end: float) -> range:
    return range(round(start * 1000), round(end * 1000))


def heard(said: Word) -> range:
    """The milliseconds of a word; one with no duration has its first."""
    return ticks(said.start, heard_until(said))


def heard_until(said: Word) -> float:
    return max(said.end, said.start + 0.001)


def ticks_by_speaker(said: Word, turns: Sequence[Turn]) -> Counter[str]:
    """Look at every millisecond of a word and ask every turn: slow, and plainly right."""
    count: Counter[str] = Counter()
    turns = [turn for turn in turns if turn.start <= heard_until(said) and said.start <= turn.end]
    for tick in heard(said):
        count.update({turn.speaker for turn in turns if tick in during(turn)})
    return count


def during(turn: Turn) -> range:
    return ticks(turn.start, turn.end)


def distance(said: Word, turn: Turn) -> float:
    return round(max(turn.start - said.end, said.start - turn.end), 3)


class TestASingleWord:
    TURNS = exclusive(Turn(1, 2, A), Turn(2, 3, B), Turn(5, 6, A))

    @pytest.mark.parametrize(
        ("start", "end", "speaker", "confidence"),
        [
            (1.2, 1.7, A, 1.0),
            (2.0, 2.5, B, 1.0),
            (1.9, 2.3, B, 0.75),
            (1.7, 2.1, A, 0.75),
            (2.8, 3.2, B, 0.5),
            (3.2, 3.6, B, 0.0),
            (4.2, 4.6, A, 0.0),
            (0.0, 0.5, A, 0.0),
            (9.0, 9.5, A, 0.0),
        ],
    )
    def test_goes_to_the_turn_that_holds_most_of_it_or_is_nearest(
        self, start: float, end: float, speaker: str, confidence: float
    ) -> None:
        (placed,) = swept([word("so", start, end)], self.TURNS)
        assert placed.speaker == speaker
        assert placed.speaker_confidence == pytest.approx(confidence)

    @pytest.mark.parametrize(
        ("turns", "start", "end"),
        [
            ([Turn(0, 1, A), Turn(1, 2, B)], 0.8, 1.2),
            ([Turn(0, 1, A), Turn(2, 3, B)], 1.3, 1.7),
            ([Turn(0, 1.1, A), Turn(1.2, 2, B)], 1.1, 1.2),
        ],
    )
    def test_goes_to_the_earlier_turn_when_they_tie(
        self, turns: list[Turn], start: float, end: float
    ) -> None:
        assert speakers(swept([word("so", start, end)], exclusive(*turns))) == [A]

    def test_measures_a_gap_from_edges_and_not_from_the_middle_of_turns(self) -> None:
        turns = exclusive(Turn(0, 100, A), Turn(103, 104, B))
        assert speakers(swept([word("so", 101, 101.4)], turns)) == [A]

    def test_measures_a_gap_from_the_turn_that_ended_last_and_not_from_the_one_that_began_last(
        self,
    ) -> None:
        turns = exclusive(Turn(0, 5, A), Turn(1, 2, B), Turn(8, 9, C))
        assert speakers(swept([word("so", 6, 6.4)], turns)) == [A]

    def test_goes_to_the_turn_that_holds_it_whole_and_not_to_one_that_ends_in_it(self) -> None:
        turns = exclusive(Turn(0, 1.2, A), Turn(0.5, 3, B))
        (placed,) = swept([word("so", 1.0, 1.6)], turns)
        assert (placed.speaker, placed.speaker_confidence) == (B, 1.0)

    def test_adds_up_the_turns_of_one_speaker(self) -> None:
        turns = exclusive(
            Turn(0.0, 0.2, A), Turn(0.2, 0.5, B), Turn(0.5, 0.7, A), Turn(0.7, 0.8, C)
        )
        (placed,) = swept([word("so", 0.0, 0.8)], turns)
        assert (placed.speaker, placed.speaker_confidence) == (A, 0.5)

    @pytest.mark.parametrize(("moment", "speaker"), [(1.999, A), (2.0, B)])
    def test_without_duration_belongs_to_the_turn_that_it_starts_in(
        self, moment: float, speaker: str
    ) -> None:
        (placed,) = swept([word("so", moment, moment)], self.TURNS)
        assert (placed.speaker, placed.speaker_confidence) == (speaker, 1.0)
        assert (placed.start, placed.end) == (moment, moment)


class TestTurns:
    def test_none_at_all_leave_words_without_a_speaker(self) -> None:
        words = spoken("Nobody", "knows.")
        assert assign_speakers(words, Diarization()) == tuple(words)
        empty = exclusive(Turn(0.2, 0.2, A))
        assert speakers(assign_speakers(words, empty)) == [None, None]

    def test_that_are_regular_decide_where_there_are_no_exclusive_ones(self) -> None:
        diarization = Diarization(turns=(Turn(0, 1, A), Turn(0.9, 2, B)))
        placed = assign_speakers(spoken("one", "two", "three"), diarization)
        assert speakers(placed) == [A, A, B]

    @pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
    def test_without_real_times_are_refused_and_so_are_words(self, wrong: float) -> None:
        with pytest.raises(ValueError, match="A turn of SPEAKER_00 lasts from 0 to"):
            assign_speakers([], exclusive(Turn(0, wrong, A)))
        with pytest.raises(ValueError, match="The word 'so' lasts from"):
            assign_speakers([word("so", wrong, 1)], exclusive(Turn(0, 1, A)))

    def test_of_one_speaker_become_disjoint(self) -> None:
        untidy = [Turn(3, 4, A), Turn(0, 2, A), Turn(1, 3, A), Turn(1, 2, B), Turn(5, 5, C)]
        assert tidy(untidy) == [Turn(0, 4, A), Turn(1, 2, B)]

    def test_overlap_where_two_speak(self) -> None:
        turns = [Turn(0, 4, A), Turn(1, 2, B), Turn(2, 3, C), Turn(4, 5, B), Turn(0, 1, A)]
        assert overlapped(turns) == [(1, 2), (2, 3)]
        assert overlapped([Turn(0, 4, A), Turn(1, 3, B), Turn(2, 4, C)]) == [(1, 4)]

    def test_overlap_ends_for_an_instant_where_one_begins_as_another_ends(self) -> None:
        turns = [Turn(0, 4, A), Turn(1, 2, B), Turn(2, 3, C)]
        assert overlapped(turns) == [(1, 2), (2, 3)]

    @unhurried
    @given(turn_lists())
    def test_overlap_where_looking_at_every_millisecond_finds_two(self, turns: list[Turn]) -> None:
        stretches = overlapped(turns)
        assert all(begin < end for begin, end in stretches)
        assert all(end <= begin for (_, end), (begin, _) in pairwise(stretches))
        speaking = Counter(
            tick
            for speaker in SPEAKERS
            for tick in {t for turn in turns if turn.speaker == speaker for t in during(turn)}
        )
        assert [tick for begin, end in stretches for tick in ticks(begin, end)] == sorted(
            tick for tick, count in speaking.items() if count > 1
        )

    @unhurried
    @given(turn_lists())
    def test_are_in_order_when_they_are_tidy_and_say_what_they_said(
        self, turns: list[Turn]
    ) -> None:
        clean = tidy(turns)
        assert clean == sorted(clean)
        for speaker in SPEAKERS:
            own = [turn for turn in clean if turn.speaker == speaker]
            assert all(turn.end < following.start for turn, following in pairwise(own))
            assert [tick for turn in own for tick in during(turn)] == sorted(
                {t for turn in turns if turn.speaker == speaker for t in during(turn)}
            )


class TestClampedDurations:
    def test_end_before_the_silence_that_follows(self) -> None:
        stretched, following = clamp_durations([word("well", 1, 6), word("yes", 6, 6.3)])
        assert stretched.start == 1
        assert stretched.end < 2.5
        assert following == word("yes", 6, 6.3)

    def test_keep_a_word_out_of_the_turn_of_whoever_answers(self) -> None:
        words = [word("ready?", 0.5, 4.0), word("Yes.", 4.0, 4.3)]
        turns = exclusive(Turn(0, 1, A), Turn(2, 5, B))
        assert speakers(swept(words, turns)) == [A, B]

    def test_leave_numerals_the_time_to_be_read_out(self) -> None:
        words = [word("$1,250,000", 0, 3.2), word("1984.", 4, 5.6)]
        assert list(clamp_durations(words)) == words

    def test_stop_at_the_next_word_and_never_before_their_own_start(self) -> None:
        words = [word("a", 0, 0.9), word("b", 0.4, 0.2), word("c", 0.4, 0.7)]
        assert [said.end for said in clamp_durations(words)] == [0.4, 0.4, 0.7]

    def test_never_end_a_word_before_it_starts_where_words_go_back_in_time(self) -> None:
        words = [word("b", 1.0, 1.4), word("a", 0.2, 0.5)]
        assert list(clamp_durations(words)) == words

    @unhurried
    @given(word_lists())
    def test_only_shorten_and_once_is_enough(self, words: list[Word]) -> None:
        words = sorted(words, key=lambda said: said.start)
        clamped = clamp_durations(words)
        for before, after in zip(words, clamped, strict=True):
            assert after == replace(before, end=after.end)
            assert after.start <= after.end <= before.end
        assert all(said.end <= following.start for said, following in pairwise(clamped))
        assert clamp_durations(clamped) == clamped


class TestOverlap:
    REGULAR = (Turn(0, 2, A), Turn(1, 3, B))

    @pytest.mark.parametrize(
        ("start", "end", "overlap"),
        [(0.2, 0.6, False), (1.2, 1.6, True), (0.8, 1.2, True), (0.7, 1.2, False), (2, 2.5, False)],
    )
    def test_marks_words_that_lie_at_least_half_where_two_speak(
        self, start: float, end: float, *, overlap: bool
    ) -> None:
        diarization = Diarization(self.REGULAR, (Turn(0, 1.5, A), Turn(1.5, 3, B)))
        (placed,) = assign_speakers([word("so", start, end)], diarization)
        assert placed.overlap is overlap

    def test_has_a_threshold(self) -> None:
        said = [word("so", 0.7, 1.1)]
        diarization = Diarization(self.REGULAR)
        (lenient,) = assign_speakers(said, diarization, overlap_share=0.2)
        (strict,) = assign_speakers(said, diarization, overlap_share=0.3)
        assert (lenient.overlap, strict.overlap) == (True, False)

    def test_is_never_where_nobody_else_speaks(self) -> None:
        (alone,) = assign_speakers([word("so", 0, 1)], Diarization(self.REGULAR), overlap_share=0)
        assert not alone.overlap


class TestIslands:
    """One or a few doubtful words between words of one speaker."""

    WORDS = spoken("I", "think", "we", "should", "go", "home.")

    def smooth(self, *turns: Turn, words: Sequence[Word] = WORDS) -> str:
        placed = assign_speakers(words, exclusive(*turns), sentence_words=0)
        return "".join(str(said.speaker)[-1] for said in placed)

    def test_that_the_turns_hardly_hold_join_their_shores(self) -> None:
        assert self.smooth(Turn(0, 1, A), Turn(1.3, 1.5, B), Turn(1.5, 3, A)) == "000000"

    def test_that_the_diarizer_heard_stay(self) -> None:
        assert self.smooth(Turn(0, 1, A), Turn(1.1, 1.4, B), Turn(1.5, 3, A)) == "001000"

    def test_between_two_speakers_stay(self) -> None:
        assert self.smooth(Turn(0, 1, A), Turn(1.3, 1.5, B), Turn(1.5, 3, C)) == "001222"

    def test_behind_a_pause_stay(self) -> None:
        words = [word("well", 0, 0.4), word("no", 1, 1.4), word("maybe", 1.4, 1.9)]
        turns = Turn(0, 0.5, A), Turn(0.9, 1.05, B), Turn(1.5, 2, A)
        assert self.smooth(*turns, words=words) == "010"

    def test_before_a_pause_stay(self) -> None:
        words = [word("well", 0, 0.5), word("no", 0.5, 0.9), word("maybe", 1.5, 1.9)]
        turns = Turn(0, 0.4, A), Turn(0.55, 0.7, B), Turn(1.5, 2, A)
        assert self.smooth(*turns, words=words) == "010"

    def test_that_last_too_long_stay(self) -> None:
        words = spoken("and", "nevertheless", "everybody", "agreed", pace=1.0)
        turns = Turn(0, 1, A), Turn(1.6, 1.8, B), Turn(2.5, 2.7, B), Turn(3, 4, A)
        assert self.smooth(*turns, words=words) == "0110"

    UNSURE = Turn(0, 1, A), Turn(1.3, 1.5, B), Turn(1.5, 3, A)

    def test_that_are_a_sentence_of_their_own_may_be_a_reply(self) -> None:
        words = spoken("We", "go.", "Really?", "Yes,", "we", "do.")
        assert self.smooth(*self.UNSURE, words=words) == "001000"

    def test_that_end_a_sentence_of_their_shore_are_no_reply(self) -> None:
        words = spoken("We", "go", "home.", "Yes,", "we", "do.")
        assert self.smooth(*self.UNSURE, words=words) == "000000"

    def test_keep_the_share_of_the_speaker_they_end_with(self) -> None:
        turns = exclusive(Turn(0, 1.15, A), Turn(1.3, 1.5, B), Turn(1.5, 3, A))
        assert assign_speakers(self.WORDS, turns)[2] == replace(
            self.WORDS[2], speaker=A, speaker_confidence=0.3
        )


class TestSentences:
    """A doubtful rim of a sentence follows the rest of it."""

    def test_take_back_a_last_word_that_slipped_into_the_answer(self) -> None:
        words = spoken("How", "are", "you", "today?", "Fine,", "thanks.")
        turns = exclusive(Turn(0, 1.7, A), Turn(1.76, 3, B))
        assert speakers(swept(words, turns)) == [A, A, A, B, B, B]
        assert speakers(assign_speakers(words, turns)) == [A, A, A, A, B, B]

    def test_leave_a_change_of_speaker_that_the_turns_are_sure_of(self) -> None:
        words = spoken("I", "thought", "that", "you", "were", "done?")
        turns = exclusive(Turn(0, 2, A), Turn(2, 3, B))
        assert speakers(assign_speakers(words, turns)) == [A, A, A, A, B, B]

    def test_need_more_than_half_of_the_words(self) -> None:
        words = spoken("Is", "that", "so", "then?")
        turns = exclusive(Turn(0, 1, A), Turn(1.3, 1.5, B), Turn(1.8, 2, B))
        assert speakers(assign_speakers(words, turns, island_words=0)) == [A, A, B, B]

    def test_pass_it_on_from_word_to_word(self) -> None:
        words = spoken("No", "way", "that", "I", "said", "so.")
        turns = exclusive(Turn(0.1, 0.2, B), Turn(0.6, 0.7, C), Turn(1, 3, A))
        assert speakers(swept(words, turns)) == [B, C, A, A, A, A]
        assert speakers(assign_speakers(words, turns)) == [A] * 6

    def test_never_reach_over_a_word_that_is_sure(self) -> None:
        words = spoken("No", "way", "that", "I", "said", "so.")
        turns = exclusive(Turn(0.1, 0.2, B), Turn(0.5, 1, C), Turn(1, 3, A))
        assert speakers(assign_speakers(words, turns)) == [B, C, A, A, A, A]

    def test_that_are_very_long_are_left_alone(self) -> None:
        words = spoken("How", "are", "you", "today?", "Fine.")
        turns = exclusive(Turn(0, 1.7, A), Turn(1.76, 3, B))
        assert speakers(assign_speakers(words, turns, sentence_words=3)) == [A, A, A, B, B]


@st.composite
def judgements(draw: st.DrawFn) -> tuple[list[Word], list[str], list[dict[str, float]]]:
    words = sorted(draw(word_lists()), key=lambda said: said.start)
    labels = [draw(st.sampled_from(SPEAKERS)) for _ in words]
    sure = st.sampled_from((0.0, 0.3, 0.49, 0.5, 1.0))
    return words, labels, [{label: draw(sure)} for label in labels]


def changes(labels: Sequence[str]) -> int:
    return sum(before != after for before, after in pairwise(labels))


def islands_collapsed(
    words: Sequence[Word], labels: Sequence[str], shares: Sequence[dict[str, float]]
) -> list[str]:
    return collapse_islands(
        words, labels, shares, max_words=3, max_seconds=1.0, max_gap=0.5, confident=0.5
    )


def sentences_settled(
    words: Sequence[Word], labels: Sequence[str], shares: Sequence[dict[str, float]]
) -> list[str]:
    return settle_sentences(words, labels, shares, max_words=50, max_gap=1.0, confident=0.5)


@pytest.mark.parametrize("smooth", [islands_collapsed, sentences_settled])
@unhurried
@given(judgements())
def test_smoothing_moves_doubtful_words_only_and_once_is_enough(
    smooth: Callable[..., list[str]],
    judgement: tuple[list[Word], list[str], list[dict[str, float]]],
) -> None:
    words, labels, shares = judgement
    smoothed = smooth(words, labels, shares)
    for before, after, share in zip(labels, smoothed, shares, strict=True):
        assert before == after or share[before] < 0.5
    assert set(smoothed) <= set(labels)
    assert changes(smoothed) <= changes(labels)
    assert smooth(words, smoothed, shares) == smoothed


class TestOnAnyInput:
    @unhurried
    @given(word_lists(), turn_lists(), turn_lists(exclusive=True))
    def test_words_are_kept_and_labels_come_from_the_turns(
        self, words: list[Word], regular: list[Turn], alone: list[Turn]
    ) -> None:
        placed = assign_speakers(words, Diarization(tuple(regular), tuple(alone)))
        assert [(said.text, said.start, said.confidence) for said in placed] == [
            (said.text, said.start, said.confidence) for said in words
        ]
        assert all(
            after.start <= after.end <= max(before.start, before.end)
            for before, after in zip(words, placed, strict=True)
        )
        known: set[str | None] = {turn.speaker for turn in tidy(alone) or tidy(regular)}
        assert {said.speaker for said in placed} <= (known or {None})
        assert all(0 <= (said.speaker_confidence or 0) <= 1 for said in placed)

    @unhurried
    @given(word_lists(), turn_lists(exclusive=True) | turn_lists())
    def test_the_sweep_finds_what_looking_everywhere_finds(
        self, words: list[Word], turns: list[Turn]
    ) -> None:
        real = [turn for turn in turns if turn.start < turn.end]
        if not real:
            return
        for said in swept(words, Diarization(exclusive=tuple(turns))):
            counts = ticks_by_speaker(said, real)
            assert said.speaker is not None
            assert counts[said.speaker] == max(counts.values(), default=0)
            assert said.speaker_confidence == pytest.approx(
                counts[said.speaker] / len(heard(said)), abs=1e-6
            )
            if not counts:
                nearest = min(distance(said, turn) for turn in real)
                assert nearest == min(
                    distance(said, turn) for turn in real if turn.speaker == said.speaker
                )

    @unhurried
    @given(word_lists(), turn_lists())
    def test_confidence_is_the_share_of_the_final_speaker(
        self, words: list[Word], turns: list[Turn]
    ) -> None:
        for said in assign_speakers(words, Diarization(tuple(turns))):
            if said.speaker is not None:
                share = ticks_by_speaker(said, turns)[said.speaker] / len(heard(said))
                assert said.speaker_confidence == pytest.approx(share, abs=1e-6)

    @unhurried
    @given(word_lists(), turn_lists())
    def test_overlap_is_two_speakers_for_half_the_word(
        self, words: list[Word], turns: list[Turn]
    ) -> None:
        for said in assign_speakers(words, Diarization(tuple(turns))):
            crowded = sum(
                len({turn.speaker for turn in turns if tick in during(turn)}) > 1
                for tick in heard(said)
            )
            assert said.overlap == (2 * crowded >= len(heard(said)))

    @unhurried
    @given(
        word_lists(), turn_lists(), turn_lists(exclusive=True), st.randoms(use_true_random=False)
    )
    def test_the_order_of_turns_means_nothing(
        self, words: list[Word], regular: list[Turn], alone: list[Turn], rng: Random
    ) -> None:
        shuffled = rng.sample(regular, len(regular)), rng.sample(alone, len(alone))
        assert assign_speakers(words, Diarization(tuple(regular), tuple(alone))) == assign_speakers(
            words, Diarization(tuple(shuffled[0]), tuple(shuffled[1]))
        )

    @unhurried
    @given(word_lists(), turn_lists(exclusive=True))
    def test_assigning_again_changes_nothing(self, words: list[Word], turns: list[Turn]) -> None:
        diarization = Diarization(tuple(turns), tuple(turns))
        placed = assign_speakers(words, diarization)
        assert assign_speakers(placed, diarization) == placed


def long_meeting(turns: int) -> tuple[list[Word], Diarization]:
    """Nine words to a turn; every third turn overlaps the next; some words stand in gaps."""
    random = Random(turns)
    words: list[Word] = []
    regular: list[Turn] = []
    alone: list[Turn] = []
    clock = 0.0
    for number in range(turns):
        start, speaker = clock, SPEAKERS[number % 3]
        for position in range(9):
            end = clock + random.randint(80, 400) / 1000
            words.append(word("end." if position == 8 else "so", clock, end))
            clock = end + random.choice((0.0, 0.0, 0.08, 0.3))
        alone.append(Turn(start + 0.05, clock - 0.2, speaker))
        regular.append(Turn(start + 0.05, clock + (0.5 if number % 3 == 0 else -0.2), speaker))
    return words, Diarization(tuple(regular), tuple(alone))


def steps(call: Callable[[], object]) -> int:
    """Count the lines of the handler library that a call executes."""
    library = str(Path(handlers.__file__).parent)
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(library):
            return None
        count += event == "line"
        return trace

    tracer = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(tracer)
    return count


class TestLength:
    def test_twice_the_meeting_takes_twice_the_steps(self) -> None:
        short, long = long_meeting(100), long_meeting(200)
        ratio = steps(lambda: assign_speakers(*long)) / steps(lambda: assign_speakers(*short))
        assert ratio == pytest.approx(2, rel=0.05)

    def test_one_turn_under_all_words_is_no_worse(self) -> None:
        def monologue(count: int) -> tuple[list[Word], Diarization]:
            turns = Turn(0, count, A), *(Turn(i + 0.2, i + 0.4, B) for i in range(count))
            return spoken(*["so"] * count, pace=1.0), Diarization(turns)

        short, long = monologue(500), monologue(1000)
        ratio = steps(lambda: assign_speakers(*long)) / steps(lambda: assign_speakers(*short))
        assert ratio == pytest.approx(2, rel=0.05)

    def test_words_that_no_turn_touches_are_no_worse(self) -> None:
        def silence(count: int) -> tuple[list[Word], Diarization]:
            turns = (Turn(i + 0.7, i + 0.9, SPEAKERS[i % 2]) for i in range(0, count, 2))
            return [word("so", i, i + 0.4) for i in range(count)], exclusive(*turns)

        short, long = silence(500), silence(1000)
        ratio = steps(lambda: assign_speakers(*long)) / steps(lambda: assign_speakers(*short))
        assert ratio == pytest.approx(2, rel=0.05)

    def test_a_whole_day_agrees_with_looking_everywhere(self) -> None:
        words, diarization = long_meeting(6000)
        assert len(words) == 54_000
        placed = swept(words, diarization)
        for index in Random(1).sample(range(len(words)), 40):
            counts = ticks_by_speaker(placed[index], diarization.exclusive)
            speaker = placed[index].speaker
            assert speaker is not None
            assert counts[speaker] == max(counts.values(), default=0)
