"""Make the demo's diarizer, from nothing to a published pipeline: one command, under 45 minutes.

    python -m demo.recipes.diarizer

Both models train at the same time, each on one core. Then the PLDA is estimated, the clustering
is tuned on development conversations, and the whole is published in the layout of
pyannote/speaker-diarization-community-1 and scored on fresh conversations.
"""

import argparse
import itertools
import json
import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "0")

import numpy as np
import torch
from pyannote.audio import Model, Pipeline

from demo.hub import DIARIZER, publish
from demo.meeting import meeting
from demo.recipes import embedding, plda, segmentation
from demo.recipes.checkpoint import training_of
from demo.recipes.pool import BUILD, Pool
from demo.recipes.scoring import (
    Score,
    Trial,
    fresh_trials,
    processor_seconds,
    score,
    speech_in_nothing,
    trial,
)
from demo.speech.voices import CAST, FURTHER, UNSEEN

RECORD: Final = Path(__file__).with_suffix(".json")
"""What the last run reached."""

_FOLDER: Final = BUILD / "diarizer"
_WINDOWS: Final = 2000
_TRIALS: Final = 10
_THRESHOLDS: Final = (0.6, 0.75, 0.9)
_FA: Final = (0.07, 0.15)
_FB: Final = (0.8, 2.0, 4.0, 8.0)
_WRONG_COUNT: Final = 0.1  # what a wrong number of speakers weighs beside the error rate

_CONFIG: Final = """\
dependencies:
  pyannote.audio: 4.0.0

pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    clustering: VBxClustering
    segmentation: $model/segmentation
    segmentation_batch_size: 32
    embedding: $model/embedding
    embedding_batch_size: 32
    embedding_exclude_overlap: true
    plda: $model/plda

params:
  clustering:
    threshold: {threshold}
    Fa: {Fa}
    Fb: {Fb}
  segmentation:
    min_duration_off: 0.0
"""

Parameters = dict[str, float]


def train_parts(*, segmentation_minutes: float, embedding_minutes: float, hours: float) -> None:
    """Train both models side by side, one thread each."""
    Pool.build(hours=hours)
    spawn = multiprocessing.get_context("spawn")
    jobs = [
        spawn.Process(target=part.train, kwargs={"minutes": minutes, "seed": seed, "hours": hours})
        for part, minutes, seed in (
            (segmentation, segmentation_minutes, 1),
            (embedding, embedding_minutes, 2),
        )
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    if any(job.exitcode for job in jobs):
        message = "training failed: see above"
        raise RuntimeError(message)


def assemble(*, hours: float) -> dict[str, Path]:
    """Put trained models, a PLDA and a first configuration together: path in it -> file."""
    model = Model.from_pretrained(embedding.CHECKPOINT)
    model.eval()
    vectors, names = plda.collect(model, hours=hours, windows=_WINDOWS, seed=3)
    estimated = plda.estimate(vectors, names, dimension=plda.DIMENSION)
    print(f"PLDA from {len(names)} embeddings of {len(np.unique(names))} voices", flush=True)
    files = {f"plda/{name}": at for name, at in estimated.save(_FOLDER / "plda").items()}
    for part in (segmentation, embedding):
        name = f"{part.CHECKPOINT.parent.name}/{part.CHECKPOINT.name}"
        files[name] = _FOLDER / name
        files[name].parent.mkdir(parents=True, exist_ok=True)
        files[name].write_bytes(part.CHECKPOINT.read_bytes())
    return files | configure({"threshold": 0.6, "Fa": 0.07, "Fb": 0.8})


def configure(parameters: Parameters) -> dict[str, Path]:
    """Write the pipeline's configuration."""
    config = _FOLDER / "config.yaml"
    config.write_text(_CONFIG.format(**parameters))
    return {config.name: config}


def tune(pipeline: Any, trials: Sequence[Trial]) -> Parameters:  # noqa: ANN401
    """Find clustering parameters; models run once for each trial, clustering once a point."""
    pipeline.training = True  # pyannote then keeps scores and embeddings with each file
    results: list[tuple[float, Parameters]] = []
    for threshold, fa, fb in itertools.product(_THRESHOLDS, _FA, _FB):
        parameters = {"threshold": threshold, "Fa": fa, "Fb": fb}
        pipeline.instantiate({"clustering": parameters, "segmentation": {"min_duration_off": 0.0}})
        reached = score(pipeline, trials)
        cost = reached.mean + _WRONG_COUNT * (1 - reached.counted / len(trials))
        results.append((cost, parameters))
        print(f"{parameters}: error {reached.mean:.4f}, {reached.counted} counted", flush=True)
    pipeline.training = False
    return min(results, key=lambda result: result[0])[1]


def measure(pipeline: Any) -> dict[str, Any]:  # noqa: ANN401
    """Score the finished pipeline under every condition that the record names."""
    sample = trial(meeting())
    conditions: dict[str, Score] = {"the sample": score(pipeline, [sample])}
    for number, (name, voices) in enumerate(
        (("cast", CAST), ("further voices", FURTHER), ("unseen voices", UNSEEN))
    ):
        trials = fresh_trials(voices, count=_TRIALS, split="test", seed=100 + number)
        conditions[name] = score(pipeline, trials)
        print(f"{name}: {conditions[name].as_json()}", flush=True)
    return {
        "conditions": {name: reached.as_json() for name, reached in conditions.items()},
        "processor_seconds_per_minute": processor_seconds(pipeline, sample),
        "silence_and_noise": speech_in_nothing(pipeline),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--segmentation-minutes", type=float, default=33.0)
    parser.add_argument("--embedding-minutes", type=float, default=18.0)
    parser.add_argument("--hours", type=float, default=10.0, help="of conversation to mix")
    parser.add_argument(
        "--assemble", action="store_true", help="do not train: take the models trained before"
    )
    options = parser.parse_args()
    if not options.assemble:
        train_parts(
            segmentation_minutes=options.segmentation_minutes,
            embedding_minutes=options.embedding_minutes,
            hours=options.hours,
        )
    torch.set_num_threads(2)
    files = assemble(hours=options.hours)
    trials = [
        *fresh_trials(CAST, count=6, split="dev", seed=9),
        *fresh_trials(FURTHER, count=6, split="dev", seed=10),
    ]
    parameters = tune(Pipeline.from_pretrained(_FOLDER), trials)
    snapshot = publish(DIARIZER, files | configure(parameters))
    record = {
        "training": {
            "hours_of_conversation": options.hours,
            "segmentation": training_of(segmentation.CHECKPOINT),
            "embedding": training_of(embedding.CHECKPOINT),
        },
        "parameters": parameters,
        "bytes": {name: path.stat().st_size for name, path in sorted(files.items())},
        **measure(Pipeline.from_pretrained(snapshot)),
    }
    RECORD.write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
