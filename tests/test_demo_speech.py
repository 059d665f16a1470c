"""Synthetic speech: a closed language, voices that speak, conversations that can be relied on."""

from itertools import islice, pairwise
from random import Random

import numpy as np
import pytest

from demo.references import overlaps, segment_of
from demo.speech.bank import UtteranceBank
from demo.speech.conversations import (
    Conversation,
    Manner,
    converse,
    converse_at_length,
    fresh_speech,
    noise,
)
from demo.speech.sentences import Split, sentences, split_of, vocabulary
from demo.speech.synthesis import SAMPLE_RATE, SynthesisError, synthesise
from demo.speech.voices import CAST, FURTHER, UNSEEN, Voice
from handlers.timeline import Turn

SPLITS: tuple[Split, ...] = ("train", "dev", "test")
CROWDED = Manner(sentences_per_turn=(1, 1), overlap_share=1.0, overlap=(1.0, 3.0))


def draw(split: Split, count: int, seed: int = 0) -> list[str]:
    return list(islice(sentences(split, Random(seed)), count))


def talk(seed: int, *, seconds: float = 20, manner: Manner | None = None) -> Conversation:
    rng = Random(seed)
    return converse(CAST[:3], seconds=seconds, speak=fresh_speech("test"), rng=rng, manner=manner)


def turns_of(conversation: Conversation) -> list[Turn]:
    return [Turn(part.start, part.end, part.speaker) for part in conversation.parts]


@pytest.mark.parametrize("split", SPLITS)
def test_a_sentence_belongs_to_one_split(split: Split) -> None:
    assert {split_of(sentence) for sentence in draw(split, 300)} == {split}


def test_the_splits_of_known_sentences_never_change() -> None:
    assert split_of("Did Robert finish the report this morning?") == "test"
    assert split_of("Peter has painted the broken message.") == "train"
    assert split_of("My number is eleven three eight two.") == "dev"


def test_the_vocabulary_is_closed() -> None:
    words = vocabulary()
    for split in SPLITS:
        for sentence in draw(split, 300):
            assert {word.strip(".?").lower() for word in sentence.split()} <= words


def test_no_word_fills_two_slots() -> None:
    for sentence in draw("train", 500):
        if " and " in sentence and " are in " in sentence:
            first, _, second = sentence.split()[:3]
            assert first != second


@pytest.mark.parametrize("voice", CAST, ids=lambda voice: voice.label)
def test_the_cast_speaks(voice: Voice) -> None:
    said = synthesise("We need seven chairs on Friday.", voice)
    assert 1.0 < said.duration < 4.0
    assert float(np.abs(said.samples).max()) > 0.05
    assert " ".join(word.text for word in said.words) == said.text


def test_no_two_voices_share_a_label() -> None:
    labels = [voice.label for voice in (*CAST, *FURTHER, *UNSEEN)]
    assert len(set(labels)) == len(labels)


def test_unseen_variants_are_not_trained_on() -> None:
    trained = {voice.variant for voice in (*CAST, *FURTHER)}
    assert not trained & {voice.variant for voice in UNSEEN}


def test_an_utterance_does_not_depend_on_what_was_said_before() -> None:
    breathy, other = CAST[6], CAST[1]
    first = synthesise("The kitchen is empty.", breathy)
    synthesise("Please send ten lamps to Berlin.", other)
    again = synthesise("The kitchen is empty.", breathy)
    assert np.array_equal(first.samples, again.samples)
    assert first.words == again.words


def test_words_of_an_utterance_follow_each_other() -> None:
    rng = Random(5)
    for text in draw("test", 40):
        said = synthesise(text, rng.choice((*CAST, *FURTHER)).varied(rng))
        assert said.words[0].start == 0
        assert said.words[-1].end == pytest.approx(said.duration)
        assert all(word.end > word.start for word in said.words)
        assert all(a.end == pytest.approx(b.start) for a, b in pairwise(said.words))


@pytest.mark.parametrize(
    ("text", "voice"), [("Hello.", Voice("x", "nobody+zz")), ("", CAST[0]), (" . ", CAST[0])]
)
def test_what_cannot_be_said_is_refused(text: str, voice: Voice) -> None:
    with pytest.raises(SynthesisError):
        synthesise(text, voice)


def test_the_same_seed_gives_the_same_conversation() -> None:
    first, second, other = talk(1), talk(1), talk(2)
    assert np.array_equal(first.samples, second.samples)
    assert [segment_of(part) for part in first.parts] == [segment_of(p) for p in second.parts]
    assert [part.utterance.text for part in first.parts] != [p.utterance.text for p in other.parts]


def test_everything_said_is_inside_the_recording() -> None:
    conversation = talk(3)
    assert {part.speaker for part in conversation.parts} == {v.label for v in CAST[:3]}
    for part in conversation.parts:
        assert 0 <= part.start < part.end <= conversation.duration
        for word in part.words:
            assert part.start <= word.start < word.end <= part.end + 1e-9
    assert float(np.abs(conversation.samples).max()) <= 0.9 + 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_two_may_speak_at_once_but_not_three_and_nobody_over_themselves(seed: int) -> None:
    turns = turns_of(talk(seed, manner=CROWDED))
    both = [(Turn(start, end, "both")) for start, end in overlaps(turns)]
    assert both
    for stretch in both:
        open_turns = [t for t in turns if t.start < stretch.end and t.end > stretch.start]
        speaking = {t.speaker for t in open_turns}
        assert len(speaking) == len(open_turns) == 2


def test_everybody_speaks_however_short_the_conversation_is() -> None:
    for seed in range(4):
        spoken = {part.speaker for part in talk(seed, seconds=1).parts}
        assert spoken == {voice.label for voice in CAST[:3]}


def test_speech_is_where_the_references_say() -> None:
    quiet = Manner(snr=(60.0, 60.0), room_share=0.0, overlap_share=0.0)
    conversation = talk(4, manner=quiet)
    inside = np.zeros(len(conversation.samples), dtype=bool)
    for part in conversation.parts:
        first = round(part.start * SAMPLE_RATE)
        inside[first : first + len(part.utterance.samples)] = True
    power = conversation.samples**2
    assert float(power[~inside].mean()) < 1e-4 * float(power[inside].mean())


def test_a_long_conversation_comes_in_pieces_without_a_seam() -> None:
    def speak_again(voice: Voice, rng: Random) -> object:
        return rng.choice(said[voice.label])

    rng = Random(6)
    said = {v.label: [synthesise(text, v) for text in draw("test", 4, 7)] for v in CAST[:2]}
    pieces = list(
        converse_at_length(CAST[:2], seconds=200, speak=speak_again, rng=rng)  # type: ignore[arg-type]
    )
    parts = [part for piece in pieces for part in piece.parts]
    total = sum(piece.duration for piece in pieces)
    assert len(pieces) > 2
    assert max(piece.duration for piece in pieces) < 90
    assert [part.start for part in parts] == sorted(part.start for part in parts)
    assert 190 < max(part.end for part in parts) <= total < 202
    samples = np.concatenate([piece.samples for piece in pieces])
    steps = np.abs(np.diff(samples))
    seams = np.cumsum([len(piece.samples) for piece in pieces])[:-1] - 1
    assert all(steps[seam] < np.percentile(steps, 99.9) for seam in seams)
    assert float(np.abs(samples).max()) < 1
    for part in parts:
        first = round(part.start * SAMPLE_RATE)
        heard = samples[first : first + len(part.utterance.samples)]
        assert float((heard**2).mean()) > 1e-4


def test_noise_has_the_level_that_is_asked_for() -> None:
    wave = noise(SAMPLE_RATE, level_db=-30, rng=Random(0))
    assert 10 * np.log10(float(np.mean(wave**2))) == pytest.approx(-30, abs=0.1)


def test_a_bank_gives_back_what_was_synthesised(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("bank")
    counts = {CAST[0]: 2, CAST[1]: 1}
    bank = UtteranceBank.build(folder, counts, split="dev", seed=1)
    assert len(bank) == 3
    drawn = bank.speak(CAST[1], Random(0))
    fresh = synthesise(drawn.text, drawn.voice)
    assert split_of(drawn.text) == "dev"
    assert drawn.words == fresh.words
    assert float(np.abs(drawn.samples - np.clip(fresh.samples, -1, 1)).max()) < 1e-4
