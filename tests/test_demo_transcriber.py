"""The published recogniser as plain NeMo gives it, and the targets that it was trained towards."""

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from demo.hub import HUB, TRANSCRIBER
from demo.speech.conversations import Manner, Part, converse, fresh_speech, noise
from demo.speech.synthesis import SAMPLE_RATE, SpokenWord, Utterance, synthesise
from demo.speech.voices import CAST

kaldialign = pytest.importorskip("kaldialign")
pytest.importorskip("sentencepiece")

from demo.recipes.tokens import FRAME, IGNORED, WordPieces  # noqa: E402

HOME = HUB / ("models--" + TRANSCRIBER.replace("/", "--"))


@pytest.fixture(scope="module")
def model() -> Any:
    models = pytest.importorskip("nemo.collections.asr.models")
    revision = (HOME / "refs" / "main").read_text()
    path = HOME / "snapshots" / revision / "demo-parakeet-tdt.nemo"
    return models.EncDecRNNTBPEModel.restore_from(str(path), map_location="cpu").eval()


def hear(model: Any, samples: np.ndarray) -> Any:
    return model.transcribe([samples], timestamps=True, batch_size=1, verbose=False)[0]


def test_a_minute_of_conversation(model: Any) -> None:
    rng = Random(5)
    manner = Manner(overlap_share=0.0)
    voices = rng.sample(CAST, 3)
    talk = converse(voices, seconds=60, speak=fresh_speech("test"), rng=rng, manner=manner)
    said = [word for part in talk.parts for word in part.words]
    found = hear(model, talk.samples)
    errors = kaldialign.edit_distance([word.text for word in said], found.text.split())["total"]
    assert errors / len(said) < 0.1
    starts = [word["start"] for word in found.timestamp["word"]]
    assert starts == sorted(starts)
    nearest = [min(abs(start - word.start) for word in said) for start in starts]
    assert np.mean(nearest) < 0.1


def test_a_sentence_keeps_its_case_and_punctuation(model: Any) -> None:
    said = synthesise("Can you check the report tomorrow?", CAST[0])
    samples = np.pad(said.samples, SAMPLE_RATE // 2)
    assert hear(model, samples).text == said.text


@pytest.mark.parametrize("seconds", [0.5, 3.0, 20.0])
def test_nothing_is_heard_where_nothing_is_said(model: Any, seconds: float) -> None:
    count = round(seconds * SAMPLE_RATE)
    assert hear(model, np.zeros(count, dtype=np.float32)).text == ""
    for level in (-70.0, -20.0):
        assert hear(model, noise(count, level_db=level, rng=Random(1))).text == ""


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> WordPieces:
    return WordPieces.build(tmp_path_factory.mktemp("pieces"), seed=1)


def part(start: float, *words: tuple[str, float, float]) -> Part:
    text = " ".join(word for word, _, _ in words)
    samples = np.zeros(round(words[-1][2] * SAMPLE_RATE), dtype=np.float32)
    return Part(start, Utterance(CAST[0], text, samples, tuple(SpokenWord(*w) for w in words)))


def test_pieces_spell_the_text(pieces: WordPieces) -> None:
    target = pieces.target([part(0.0, ("I", 0.0, 0.1), ("agree.", 0.1, 0.5))])
    spelt = "".join(pieces.spelling(int(piece)) for piece in target.pieces)
    assert spelt.replace("▁", " ").strip() == target.text == "I agree."


def test_a_label_may_be_emitted_near_the_start_of_its_word(pieces: WordPieces) -> None:
    target = pieces.target([part(1.6, ("We", 0.0, 0.2), ("open", 0.2, 0.6))], offset=0.8)
    starts = [round(seconds / FRAME) for seconds in (2.4, 2.6)]
    assert target.earliest.tolist() == [start - 1 for start in starts]
    assert all(late > start for late, start in zip(target.latest, starts, strict=True))
    band = target.band(60)
    assert band.first.tolist() == [0, *target.earliest]
    assert band.last.tolist() == [*target.latest, 59]


def test_overlapping_sentences_stay_whole_and_their_frames_are_nobodys(pieces: WordPieces) -> None:
    first = part(0.0, ("We", 0.0, 0.4), ("open", 0.4, 0.8))
    second = part(0.4, ("Yes", 0.0, 0.8))
    target = pieces.target([first, second])
    assert target.text == "We open Yes"
    we, opened, yes = target.pieces
    assert target.by_frame(16, silence=-1).tolist() == [
        *[we] * 5, *[IGNORED] * 5, *[yes] * 5, -1,
    ]  # fmt: skip
    assert opened not in target.by_frame(16, silence=-1)


def test_the_vocabulary_restores(pieces: WordPieces) -> None:
    again = WordPieces(Path(pieces.folder))
    assert again.encode("The report is ready.") == pieces.encode("The report is ready.")
    assert len(again) == len(pieces)
