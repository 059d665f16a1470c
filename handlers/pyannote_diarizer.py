"""Turns from a pyannote.audio 4 pipeline in this process."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from handlers.audio import Recording
from handlers.diarizer import SpeakerCount
from handlers.errors import ModelBroken
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

    def _turns(
        self, audio: Recording, speakers: SpeakerCount, progress: Progress, check: CheckCancelled
    ) -> Diarization:
        import torch  # noqa: PLC0415

        waveform = torch.from_numpy(np.array(audio.samples)).unsqueeze(0)
        # samples as an array: pyannote then needs no decoder, and reads nothing twice
        file = {"waveform": waveform, "sample_rate": audio.sample_rate}
        with (
            typed_failures("diarizer", advice="Send the audio in parts"),
            _tf32_kept(),
        ):
            output = self._pipeline(
                file,
                hook=_hook(progress, check),
                num_speakers=speakers.exactly,
                min_speakers=speakers.least,
                max_speakers=speakers.most,
            )
        return _read(output, model=self._model)


def load_pyannote(settings: Settings) -> PyannoteDiarizer:
    """Find the pipeline's weights and load them.

    Raises:
        ModelMissing: there is no such pipeline.
        ModelAccessDenied: the hub refuses it.
        ModelBroken: pyannote.audio cannot load it.

    """
    files = ("config.yaml", "*/*")
    weights = find_weights(settings.diarizer_model, files=files, settings=settings)
    _log.info("loading diarizer %s", weights.model.name)
    pipeline = _restore(weights, device=settings.device)
    _log.info("diarizer ready")
    return PyannoteDiarizer(pipeline, model=weights.model)


def _restore(weights: Weights, *, device: str) -> Any:  # noqa: ANN401
    # pyannote sends durations and speaker counts home unless this is set before it is imported
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    import torch  # noqa: PLC0415
    from pyannote.audio import Pipeline  # noqa: PLC0415

    advice = "Check that it is a pipeline for pyannote.audio 4."
    with typed_load(weights.model.name, advice=advice):
        pipeline = Pipeline.from_pretrained(weights.path)
    if pipeline is None:
        message = f"{weights.model.name} holds no pipeline. {advice}"
        raise ModelBroken(message)
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
