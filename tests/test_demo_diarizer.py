"""The published diarizer, as a stranger meets it: by name, offline, through pyannote alone."""

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate

from demo.hub import DIARIZER, HUB
from demo.speech.conversations import Conversation, converse, fresh_speech, noise
from demo.speech.synthesis import SAMPLE_RATE
from demo.speech.voices import CAST

HOME = HUB / ("models--" + DIARIZER.replace("/", "--"))

STRANGER = """
import json, sys
import numpy, torch
from pyannote.audio import Pipeline
torch.set_num_threads(1)
pipeline = Pipeline.from_pretrained(sys.argv[1])
found = {}
for name, samples in numpy.load(sys.argv[2]).items():
    file = {"waveform": torch.from_numpy(samples)[None], "sample_rate": 16000}
    found[name] = pipeline(file).serialize()["diarization"]
print(json.dumps({"found": found, "demo": any(m.split(".")[0] == "demo" for m in sys.modules)}))
"""


@pytest.fixture(scope="module")
def talk() -> Conversation:
    rng = Random(31)
    voices = rng.sample(CAST, 2)
    return converse(voices, seconds=30, speak=fresh_speech("test"), rng=rng)


@pytest.fixture(scope="module")
def answer(talk: Conversation, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("stranger")
    count = 10 * SAMPLE_RATE
    np.savez(
        folder / "sounds.npz",
        talk=talk.samples,
        silence=np.zeros(count, dtype=np.float32),
        faint=noise(count, level_db=-60, rng=Random(1)),
        loud=noise(count, level_db=-15, rng=Random(2)),
    )
    offline = {
        "HF_HUB_CACHE": str(HUB),
        "HF_HUB_OFFLINE": "1",
        "PYANNOTE_METRICS_ENABLED": "0",
    }
    done = subprocess.run(  # noqa: S603  # our own text, our own interpreter
        [sys.executable, "-W", "ignore", "-c", STRANGER, DIARIZER, str(folder / "sounds.npz")],
        cwd=folder,
        env={**os.environ, **offline},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    reply: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return reply


def test_loads_by_name_without_this_project(answer: dict[str, Any]) -> None:
    assert not answer["demo"]


def test_two_speakers_are_told_apart(answer: dict[str, Any], talk: Conversation) -> None:
    reference, found = Annotation(), Annotation()
    for number, part in enumerate(talk.parts):
        reference[Segment(part.start, part.end), number] = part.speaker
    for number, turn in enumerate(answer["found"]["talk"]):
        found[Segment(turn["start"], turn["end"]), number] = turn["speaker"]
    assert len(found.labels()) == 2
    whole = Timeline([Segment(0, talk.duration)])
    assert DiarizationErrorRate()(reference, found, uem=whole) < 0.12


@pytest.mark.parametrize("sound", ["silence", "faint", "loud"])
def test_nobody_speaks_where_nobody_does(answer: dict[str, Any], sound: str) -> None:
    assert answer["found"][sound] == []


def test_is_laid_out_as_a_hub_cache_and_small() -> None:
    snapshot = HOME / "snapshots" / (HOME / "refs" / "main").read_text()
    files = {str(path.relative_to(snapshot)) for path in snapshot.rglob("*") if path.is_file()}
    assert files == {
        "config.yaml",
        "segmentation/pytorch_model.bin",
        "embedding/pytorch_model.bin",
        "plda/plda.npz",
        "plda/xvec_transform.npz",
    }
    blobs = {path.resolve() for path in (HOME / "blobs").iterdir()}
    assert {Path(snapshot / name).resolve() for name in files} == blobs
    assert sum(blob.stat().st_size for blob in blobs) < 12e6
