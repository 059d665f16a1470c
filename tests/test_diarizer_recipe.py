"""What the diarizer's recipe rests on: targets, the loss, pooling and the PLDA."""

import os
from pathlib import Path
from random import Random

os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "0")

import numpy as np
import pytest
import torch
from pyannote.audio.core.plda import PLDA
from pyannote.audio.utils.powerset import Powerset

from demo.recipes import embedding, plda
from demo.recipes.examples import without_speech
from demo.recipes.pool import Clip, Span, distinct
from demo.recipes.segmentation import AnyOrderLoss
from demo.speech.voices import UNSEEN


def test_activity_puts_the_longest_speaker_first() -> None:
    clip = Clip(np.zeros(16000, np.float32), (Span(0.0, 0.2, 7), Span(0.1, 1.0, 3)))
    active, speakers = clip.activity(np.array([0.05, 0.15, 0.5]))
    assert speakers == (3, 7)
    assert active.tolist() == [[False, True], [True, True], [True, False]]


def test_activity_leaves_out_who_is_heard_in_no_frame() -> None:
    clip = Clip(np.zeros(16000, np.float32), (Span(-1.0, 0.01, 7),))
    active, speakers = clip.activity(np.array([0.5]))
    assert speakers == ()
    assert active.shape == (1, 0)


def test_nobody_meets_a_near_twin() -> None:
    company = distinct(UNSEEN, 4, Random(1))
    assert len({voice.variant for voice in company}) == 4


def test_no_speech_is_bounded_and_finite() -> None:
    sounds = np.stack([without_speech(16000, rng) for rng in map(Random, range(40))])
    assert sounds.dtype == np.float32
    assert np.isfinite(sounds).all()
    assert np.abs(sounds).max() <= 1


@pytest.mark.parametrize("order", [[0, 1, 2], [1, 2, 0], [2, 1, 0]])
def test_the_loss_does_not_mind_the_order_of_speakers(order: list[int]) -> None:
    active = torch.tensor([[[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]]]).bool()
    said = Powerset(3, 2).to_powerset(active[..., order].float())
    scores = torch.log_softmax(said.float() * 50, dim=-1)
    assert AnyOrderLoss()(scores, active).item() < 1e-6


def test_the_loss_minds_who_speaks() -> None:
    active = torch.tensor([[[1, 0, 0], [0, 1, 0]]]).bool()
    same = Powerset(3, 2).to_powerset(torch.tensor([[[1, 0, 0], [1, 0, 0]]]).float())
    assert AnyOrderLoss()(torch.log_softmax(same.float() * 50, dim=-1), active).item() > 10


def test_pooling_in_training_is_the_model_s_own() -> None:
    torch.manual_seed(0)
    model = embedding.untrained().eval()
    waves = torch.randn(2, 1, 32000) * 0.1
    masks = (torch.rand(2, 2, 60) > 0.5).float()
    with torch.inference_mode():
        own = model(waves, weights=masks).flatten(0, 1)
        ours = embedding.pooled(model, waves, masks.flatten(0, 1), torch.tensor([0, 0, 1, 1]))
    torch.testing.assert_close(ours, own, atol=2e-3, rtol=0)


def test_plda_loads_and_whitens_what_one_voice_varies(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = np.repeat(np.arange(80), 12)
    voices = rng.standard_normal((80, 24)) * 2
    vectors = voices[names] + rng.standard_normal((len(names), 24))
    plda.estimate(vectors, names, dimension=8).save(tmp_path)
    loaded = PLDA.from_pretrained(tmp_path)
    assert loaded is not None
    mapped = loaded(vectors)
    residue = mapped - np.stack([mapped[names == name].mean(axis=0) for name in names])
    assert mapped.shape == (len(names), 8)
    assert np.allclose(residue.var(axis=0) * 12 / 11, 1, atol=0.1)
    assert (np.diff(loaded.phi) <= 1e-9).all()
    assert loaded.phi[-1] > 1
