"""Turns from a pyannote.audio 4 pipeline in this process."""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import numpy as np

from handlers.audio import Recording
from handlers.audio.tape import SAMPLE_RATE
from handlers.cold_start import STOPWATCH
from handlers.conclusion import conclude
from handlers.diarizer import SpeakerCount
from handlers.errors import ModelBroken
from handlers.lean_imports import import_leanly
from handlers.loading import IMPORTS, read_ahead, without_collection
from handlers.model_thread import CheckCancelled, ModelThread, Steps
from handlers.observation import Observation, Observer
from handlers.progress import Progress, Step
from handlers.settings import DiarizerPrecision, DiarizerProfile, Settings
from handlers.timeline import Diarization, Model, Turn, milliseconds
from handlers.torch_device import machine_of, pick_device, typed_failures, typed_load
from handlers.weights import Weights, find_weights
from handlers.windows import is_silent

_log = logging.getLogger(__name__)

SHORTEST_SECONDS: Final = 0.1
"""Less audio than this is no turn."""

_KIND: Final = "Check that it is a pipeline for pyannote.audio 4."
_ADVICE: Final = "Send the audio in parts"

_STEP_SHARES: Final = {"segmentation": (0.0, 0.25), "embeddings": (0.25, 0.95)}
"""Where the two long steps begin and end within the whole."""

_FAST_STEP: Final = 0.2
"""From one chunk to the next in the profile `fast`, as a share of a chunk; 0.1 is usual."""

_FAST: Final = (
    "Speakers were looked for in the profile `fast`: more errors than usual, and a speaker with "
    "little to say may be missing. Unset PARLEY_DIARIZER_PROFILE for the exact answer."
)
_MIXED: Final = (
    "Voices were compared in mixed precision, which can change who is taken for whom a little. "
    "Unset PARLEY_DIARIZER_PRECISION for the exact answer."
)


class PyannoteDiarizer:
    """A speaker diarization pipeline of pyannote.audio 4 in this process.

    The networks run on one thread and clustering on another: while the speakers of one recording
    are sorted out on the processor, the networks look at the next one. Recordings that are there
    at the same time take turns at the networks, batch by batch: a short one is soon done.
    """

    def __init__(
        self,
        pipeline: Any,  # noqa: ANN401
        *,
        model: Model,
        precision: DiarizerPrecision = "exact",
        profile: DiarizerProfile = "exact",
        thread: ModelThread | None = None,
    ) -> None:
        """Take a loaded pipeline, and the thread that it was loaded on.

        Raises:
            ValueError: this kind of pipeline cannot be run; the message says what it has.

        """
        step = _FAST_STEP if profile == "fast" else None
        self._observer = Observer(pipeline, precision=precision, step=step)
        self._pipeline = pipeline
        self._model = model
        self._machine = machine_of(self._observer.device)
        said = {_FAST: profile == "fast", _MIXED: precision == "mixed"}
        self._warnings = tuple(warning for warning, on in said.items() if on)
        self._networks = thread or ModelThread("diarizer")
        self._clustering = ModelThread("speakers")

    async def diarize(
        self, audio: Recording, *, speakers: SpeakerCount, progress: Progress
    ) -> Diarization:
        """Give every turn with its speaker; silent and very short audio is answered at once.

        Raises:
            OutOfMemory: the pipeline does not fit.

        """
        silent = audio.duration < SHORTEST_SECONDS or await asyncio.to_thread(
            is_silent, audio.samples, sample_rate=audio.sample_rate
        )
        found = Diarization()
        if not silent:
            observation = await self._networks.in_turns(
                lambda check: self._observe(audio, progress, check)
            )
            found = await self._clustering.run(lambda _check: self._conclude(observation, speakers))
        progress(Step("diarize", 1.0))
        return replace(found, model=self._model, warnings=self._warnings, machine=self._machine)

    def warm_up(self) -> None:
        """Run both networks on noise, so that no job meets a first time.

        On a GPU they get their largest batches, and two made-up speakers are told apart.
        """
        planned = self._observer.device.type == "cuda"
        with typed_failures("diarizer", advice="Lower the pipeline's batch sizes"), _exact():
            if not planned:
                self._observer.introduce()
                return
            self._observer.rehearse()
            noise = np.random.default_rng(0).normal(scale=0.01, size=SAMPLE_RATE)
            observation = self._observer.observe(noise.astype(np.float32), told=lambda *_: None)
        dimension = self._pipeline._embedding.dimension  # noqa: SLF001
        self._conclude(_made_up(observation, dimension=dimension), SpeakerCount())

    def _observe(
        self, audio: Recording, progress: Progress, check: CheckCancelled
    ) -> Steps[Observation]:
        steps = self._observer.steps(audio.samples, told=_told(progress, check))
        while True:
            with typed_failures("diarizer", advice=_ADVICE), _exact():
                try:
                    next(steps)
                except StopIteration as end:
                    observation: Observation = end.value
                    return observation
            yield

    def _conclude(self, observation: Observation, speakers: SpeakerCount) -> Diarization:
        with typed_failures("diarizer", advice=_ADVICE):
            output = conclude(observation, pipeline=self._pipeline, speakers=speakers)
        return _read(output)


def load_pyannote(settings: Settings) -> PyannoteDiarizer:
    """Find the pipeline's weights, load them, and run it once, on a thread of its own.

    Raises:
        ModelMissing: there is no such pipeline.
        ModelAccessDenied: the hub refuses it.
        ModelBroken: pyannote.audio cannot load it.

    """
    thread = ModelThread("diarizer")
    return thread.call(lambda: _load(settings, thread=thread))


def _load(settings: Settings, *, thread: ModelThread) -> PyannoteDiarizer:
    files = ("config.yaml", "*/*")
    with STOPWATCH.phase("diarizer found"):
        weights = find_weights(settings.diarizer_model, files=files, settings=settings)
    read_ahead(weights.path.glob("*/*"))
    _log.info("loading diarizer %s", weights.model.name)
    with without_collection():
        pipeline = _restore(weights, device=settings.device)
    try:
        diarizer = PyannoteDiarizer(
            pipeline,
            model=weights.model,
            precision=settings.diarizer_precision,
            profile=settings.diarizer_profile,
            thread=thread,
        )
    except ValueError as error:
        message = f"{weights.model.name} cannot be used. {error} {_KIND}"
        raise ModelBroken(message) from error
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

    with STOPWATCH.phase("diarizer built"), typed_load(weights.model.name, advice=_KIND):
        pipeline = Pipeline.from_pretrained(weights.path)
    if pipeline is None:
        message = f"{weights.model.name} holds no pipeline. {_KIND}"
        raise ModelBroken(message)
    with STOPWATCH.phase("diarizer moved"):
        return pipeline.to(torch.device(pick_device(device)))


def _told(progress: Progress, check: CheckCancelled) -> Callable[[str, int, int], None]:
    def told(step: str, done: int, total: int) -> None:
        check()
        begin, end = _STEP_SHARES[step]
        progress(Step("diarize", begin + (end - begin) * done / total))

    return told


def _made_up(observation: Observation, *, dimension: int) -> Observation:
    """One speaker, and then another, where nobody spoke."""
    masks = np.zeros_like(observation.masks)
    middle = masks.shape[1] // 2
    masks[:, :middle, 0] = masks[:, middle:, -1] = 1
    voices = np.random.default_rng(0).normal(size=(len(masks), masks.shape[2], dimension))
    return replace(
        observation,
        masks=masks,
        count=np.ones_like(observation.count),
        embeddings=voices.astype(np.float32),
    )


@contextmanager
def _exact() -> Iterator[None]:
    """Keep TF32 off, as pyannote does for its answers' sake, and put the switches back after."""
    import torch  # noqa: PLC0415

    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = matmul
        torch.backends.cudnn.allow_tf32 = cudnn


def _read(output: Any) -> Diarization:  # noqa: ANN401
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
    )


def _turns(annotation: Any) -> tuple[Turn, ...]:  # noqa: ANN401
    return tuple(
        sorted(
            Turn(milliseconds(segment.start), milliseconds(segment.end), speaker=str(label))
            for segment, _, label in annotation.itertracks(yield_label=True)
        )
    )
