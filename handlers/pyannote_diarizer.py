"""Turns from a pyannote.audio 4 pipeline in this process."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from handlers.audio import Recording
from handlers.audio.tape import SAMPLE_RATE, Samples
from handlers.cold_start import STOPWATCH
from handlers.diarizer import SpeakerCount
from handlers.errors import ModelBroken
from handlers.lean_imports import import_leanly
from handlers.loading import IMPORTS, read_ahead, without_collection
from handlers.model_thread import CheckCancelled, ModelThread
from handlers.progress import Progress, Step
from handlers.settings import Settings
from handlers.timeline import Diarization, Model, Turn, milliseconds
from handlers.torch_device import pick_device, typed_failures, typed_load
from handlers.weights import Weights, find_weights
from handlers.windows import is_silent

_log = logging.getLogger(__name__)

SHORTEST_SECONDS: Final = 0.1
"""Less audio than this is no turn."""

_STRETCH_SECONDS: Final = 10.0
"""What the networks see at once."""

_STRETCHES: Final = 5
"""With one stretch beginning each second, so many end to end fill a batch of 32 and more."""

_FRAMES: Final = 100
"""Frames of a mask; the network stretches it to its own."""

_STEP_SHARES: Final = {"segmentation": (0.0, 0.25), "embeddings": (0.25, 0.95)}
"""Where the pipeline's two long steps begin and end within the whole."""


class PyannoteDiarizer:
    """A speaker diarization pipeline of pyannote.audio 4 in this process."""

    def __init__(self, pipeline: Any, *, model: Model) -> None:  # noqa: ANN401
        self._pipeline = pipeline
        self._model = model
        self._thread = ModelThread("diarizer")

    async def diarize(
        self, audio: Recording, *, speakers: SpeakerCount, progress: Progress
    ) -> Diarization:
        """Give every turn with its speaker; silent and very short audio is answered at once.

        Raises:
            OutOfMemory: the pipeline does not fit.

        """
        silent = audio.duration < SHORTEST_SECONDS or is_silent(
            audio.samples, sample_rate=audio.sample_rate
        )
        found = Diarization(model=self._model)
        if not silent:
            found = await self._thread.run(
                lambda check: self._turns(audio, speakers, progress, check)
            )
        progress(Step("diarize", 1.0))
        return found

    def warm_up(self) -> None:
        """Run the pipeline on noise, so that no job meets a first time.

        On a GPU both networks get their largest batch; noise alone would not bring the second one
        to work, as nobody speaks in it. A processor plans nothing ahead: there one stretch loads
        what is loaded on first use.
        """
        planned = self._pipeline.device.type == "cuda"
        stretch = round(_STRETCH_SECONDS * SAMPLE_RATE)
        noise = np.random.default_rng(0).normal(scale=0.01, size=stretch).astype(np.float32)
        self._apply(np.tile(noise, _STRETCHES) if planned else noise, SAMPLE_RATE)
        if planned:
            self._embed(np.tile(noise, (self._pipeline.embedding_batch_size, 1, 1)))

    def _embed(self, stretches: Samples) -> None:
        import torch  # noqa: PLC0415

        waveforms = torch.from_numpy(stretches)
        with typed_failures("diarizer", advice="Lower the pipeline's embedding_batch_size"):
            self._pipeline._embedding(waveforms, masks=torch.ones(len(stretches), _FRAMES))  # noqa: SLF001

    def _turns(
        self, audio: Recording, speakers: SpeakerCount, progress: Progress, check: CheckCancelled
    ) -> Diarization:
        output = self._apply(
            np.array(audio.samples),
            audio.sample_rate,
            hook=_hook(progress, check),
            num_speakers=speakers.exactly,
            min_speakers=speakers.least,
            max_speakers=speakers.most,
        )
        return _read(output, model=self._model)

    def _apply(self, samples: Samples, rate: int, **options: object) -> Any:  # noqa: ANN401
        import torch  # noqa: PLC0415

        # samples as an array: pyannote then needs no decoder, and reads nothing twice
        file = {"waveform": torch.from_numpy(samples).unsqueeze(0), "sample_rate": rate}
        with typed_failures("diarizer", advice="Send the audio in parts"), _tf32_kept():
            return self._pipeline(file, **options)


def load_pyannote(settings: Settings) -> PyannoteDiarizer:
    """Find the pipeline's weights, load them, and run it once.

    Raises:
        ModelMissing: there is no such pipeline.
        ModelAccessDenied: the hub refuses it.
        ModelBroken: pyannote.audio cannot load it.

    """
    files = ("config.yaml", "*/*")
    with STOPWATCH.phase("diarizer found"):
        weights = find_weights(settings.diarizer_model, files=files, settings=settings)
    read_ahead(weights.path.glob("*/*"))
    _log.info("loading diarizer %s", weights.model.name)
    with without_collection():
        pipeline = _restore(weights, device=settings.device)
    diarizer = PyannoteDiarizer(pipeline, model=weights.model)
    with STOPWATCH.phase("diarizer warmed up"):
        diarizer.warm_up()
    _log.info("diarizer ready")
    return diarizer


def _restore(weights: Weights, *, device: str) -> Any:  # noqa: ANN401
    # pyannote sends durations and speaker counts home unless this is set before it is imported
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    with IMPORTS, STOPWATCH.phase("diarizer imported"):
        import_leanly()
        import torch  # noqa: PLC0415
        from pyannote.audio import Pipeline  # noqa: PLC0415
        from pyannote.audio.pipelines import speaker_diarization  # noqa: F401, PLC0415  its class

    advice = "Check that it is a pipeline for pyannote.audio 4."
    with STOPWATCH.phase("diarizer built"), typed_load(weights.model.name, advice=advice):
        pipeline = Pipeline.from_pretrained(weights.path)
    if pipeline is None:
        message = f"{weights.model.name} holds no pipeline. {advice}"
        raise ModelBroken(message)
    with STOPWATCH.phase("diarizer moved"):
        return pipeline.to(torch.device(pick_device(device)))


def _hook(progress: Progress, check: CheckCancelled) -> Callable[..., None]:
    """The pipeline's own progress callback: `step` is its name for what it does."""

    def hook(
        step: str,
        _artifact: object,
        *,
        completed: int | None = None,
        total: int | None = None,
        **_: object,
    ) -> None:
        check()
        begin, end = _STEP_SHARES.get(step, (0.0, 0.0))
        if completed is not None and total:
            progress(Step("diarize", begin + (end - begin) * completed / total))

    return hook


@contextmanager
def _tf32_kept() -> Iterator[None]:
    """Put back the TF32 switches that pyannote turns off for the whole process at each call."""
    import torch  # noqa: PLC0415

    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = matmul
        torch.backends.cudnn.allow_tf32 = cudnn


def _read(output: Any, *, model: Model) -> Diarization:  # noqa: ANN401
    """Copy pyannote's answer into plain values."""
    labels = output.speaker_diarization.labels()
    vectors = output.speaker_embeddings
    embeddings = (
        {}
        if vectors is None
        else {
            label: tuple(round(float(x), 6) for x in vector)
            for label, vector in zip(labels, vectors, strict=False)
            if np.isfinite(vector).all() and np.any(vector)
        }
    )
    return Diarization(
        turns=_turns(output.speaker_diarization),
        exclusive=_turns(output.exclusive_speaker_diarization),
        embeddings=embeddings,
        model=model,
    )


def _turns(annotation: Any) -> tuple[Turn, ...]:  # noqa: ANN401
    return tuple(
        sorted(
            Turn(milliseconds(segment.start), milliseconds(segment.end), speaker=str(label))
            for segment, _, label in annotation.itertracks(yield_label=True)
        )
    )
