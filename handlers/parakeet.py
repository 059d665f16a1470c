"""Words from NVIDIA Parakeet-TDT, through NeMo, in this process."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from handlers.audio import Recording
from handlers.audio.tape import SAMPLE_RATE
from handlers.batching import Batcher
from handlers.cold_start import STOPWATCH
from handlers.errors import ModelMissing, OutOfMemory, UnsupportedLanguage
from handlers.hearing import SHORTEST_SECONDS, Hearing
from handlers.lean_imports import import_leanly
from handlers.loading import IMPORTS, read_ahead, without_collection
from handlers.model_thread import ModelThread
from handlers.prepared import is_prepared
from handlers.progress import Progress, Step
from handlers.settings import Precision, Settings
from handlers.timeline import Model, Transcription, Word
from handlers.torch_device import machine_of, pick_device, typed_load
from handlers.weights import Weights, find_weights
from handlers.word_decoder import Stretch, WordDecoder

_log = logging.getLogger(__name__)

_AHEAD: Final = 4
"""Batches of windows that one job has in the queue: to choose windows of like lengths from."""

_CONFIDENCE: Final = {
    "preserve_word_confidence": True,
    "preserve_token_confidence": True,
    "exclude_blank": True,
    "aggregation": "mean",
    "method_cfg": {"name": "max_prob"},
}

_LANGUAGES: Final = {
    "nvidia/parakeet-tdt-0.6b-v2": ("en",),
    "nvidia/parakeet-tdt-0.6b-v3": (
        "bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "hr", "hu", "it", "lt", "lv",
        "mt", "nl", "pl", "pt", "ro", "ru", "sk", "sl", "sv", "uk",
    ),
}  # fmt: skip


class ParakeetTranscriber:
    """A Parakeet-TDT model of NVIDIA NeMo in this process."""

    def __init__(
        self,
        engine: Any,  # noqa: ANN401
        *,
        model: Model,
        settings: Settings,
        thread: ModelThread,
    ) -> None:
        """Take a loaded model, and the thread that it was loaded on."""
        self._engine = engine
        self._model = model
        self._machine = machine_of(engine.device)
        self._settings = settings
        self._decoder = WordDecoder(engine)
        self._batcher = Batcher(
            self._decoder.hear,
            thread=thread,
            length=lambda stretch: stretch.seconds,
            most=settings.window_batch,
            budget=settings.batch_seconds or settings.window_batch * settings.window_seconds,
        )

    async def transcribe(
        self, audio: Recording, *, language: str | None, progress: Progress
    ) -> Transcription:
        """Give every word with its time; silent and very short audio is answered at once.

        Any number may run at the same time: their windows share batches.

        Raises:
            UnsupportedLanguage: the model does not speak it.
            OutOfMemory: a single window does not fit.

        """
        spoken = self._language(language)
        job = object()

        async def decode(stretch: Stretch) -> Sequence[Word]:
            heard = await self._batcher.do(stretch, job=job)
            return await asyncio.to_thread(self._decoder.read, heard)

        hearing = Hearing(
            audio,
            decode=decode,
            longest=self._settings.window_seconds,
            frame=self._decoder.frame,
        )
        words = await hearing.words(progress, ahead=_AHEAD * self._settings.window_batch)
        progress(Step("transcribe", 1.0))
        return Transcription(
            tuple(words),
            language=spoken,
            model=self._model,
            warnings=hearing.warnings,
            machine=self._machine,
        )

    def warm_up(self) -> None:
        """Decode noise of the largest shape that jobs bring, so that no job meets a first time.

        A GPU plans its memory for that shape and captures the decoder's graphs, which NeMo captures
        anew whenever a batch has more windows or longer ones than any before. A processor plans
        nothing: there the shortest audio fetches every weight, and the largest would only take as
        long as a job.
        """
        planned = self._engine.device.type == "cuda"
        windows = self._settings.window_batch if planned else 1
        seconds = self._settings.window_seconds if planned else SHORTEST_SECONDS
        noise = np.random.default_rng(0).normal(scale=0.01, size=round(seconds * SAMPLE_RATE))
        stretch = Stretch(noise.astype(np.float32), first=0)
        while True:
            try:
                self._decoder.words([stretch] * windows)
            except OutOfMemory:
                if windows == 1:
                    raise
                windows //= 2
            else:
                break
        if planned:
            computer = getattr(self._engine.decoding.decoding, "decoding_computer", None)
            mode = getattr(computer, "cuda_graphs_mode", None)
            _log.info("transcriber takes %d windows at once, CUDA graphs: %s", windows, mode)

    def _language(self, wanted: str | None) -> str | None:
        known = _LANGUAGES.get(self._model.name)
        if wanted and known and wanted not in known:
            raise UnsupportedLanguage(wanted, model=self._model.name, known=known)
        return wanted or (known[0] if known and len(known) == 1 else None)


def load_parakeet(settings: Settings) -> ParakeetTranscriber:
    """Find the transcriber's weights, load them, and run the model once, on a thread of its own.

    Word times and confidences are switched on here, for good: a flag that changes between calls
    makes NeMo rebuild its decoder.

    Raises:
        ModelMissing: there is no such model, or it holds no `.nemo` file.
        ModelAccessDenied: the hub refuses it.
        ModelBroken: NeMo cannot load it.

    """
    thread = ModelThread("transcriber")
    return thread.call(lambda: _load(settings, thread=thread))


def _load(settings: Settings, *, thread: ModelThread) -> ParakeetTranscriber:
    with STOPWATCH.phase("transcriber found"):
        weights = find_weights(settings.transcriber_model, files=("*.nemo",), settings=settings)
        path = _model_file(weights)
    read_ahead(path.iterdir() if path.is_dir() else (path,))
    _log.info("loading transcriber %s", weights.model.name)
    with without_collection():
        engine = _restore(path, device=settings.device, precision=settings.transcriber_precision)
    transcriber = ParakeetTranscriber(engine, model=weights.model, settings=settings, thread=thread)
    with STOPWATCH.phase("transcriber warmed up"):
        transcriber.warm_up()
    _log.info("transcriber ready on %s", engine.device)
    return transcriber


def _model_file(weights: Weights) -> Path:
    """The `.nemo` file, or the folder that was prepared from one."""
    if weights.path.is_file() or is_prepared(weights.path):
        return weights.path
    found = sorted(weights.path.glob("*.nemo"))
    if len(found) != 1:
        message = (
            f"{weights.model.name} holds {len(found)} .nemo files where one is needed. Set "
            "PARLEY_TRANSCRIBER_MODEL to a NeMo model such as nvidia/parakeet-tdt-0.6b-v2."
        )
        raise ModelMissing(message)
    return found[0]


def _restore(path: Path, *, device: str, precision: Precision) -> Any:  # noqa: ANN401
    with IMPORTS, STOPWATCH.phase("transcriber imported"):
        import_leanly()
        from nemo.utils import logging as nemo_logging  # noqa: PLC0415

        nemo_logging.setLevel(logging.ERROR)
        from omegaconf import open_dict  # noqa: PLC0415

        from handlers import nemo_file  # noqa: PLC0415

    with typed_load(path.name, advice="Check that it is a NeMo 3 transducer; fetch it again."):
        with STOPWATCH.phase("transcriber built"):
            engine = nemo_file.restore(path)
        with STOPWATCH.phase("transcriber moved"):
            engine.to(pick_device(device))
        decoding = engine.cfg.decoding
        with open_dict(decoding):
            decoding.compute_timestamps = True
            decoding.confidence_cfg = _CONFIDENCE
        engine.change_decoding_strategy(decoding, verbose=False)
        _set_precision(engine, precision)
        _set_attention(engine)
    engine.eval()
    return engine


def _set_precision(engine: Any, precision: Precision) -> None:  # noqa: ANN401
    """Let all but the features be computed in a precision; these need every bit of float32."""
    import torch  # noqa: PLC0415

    if precision == "bfloat16" or (precision == "auto" and engine.device.type == "cuda"):
        for part in (engine.encoder, engine.decoder, engine.joint):
            part.to(torch.bfloat16)


def _set_attention(engine: Any) -> None:  # noqa: ANN401
    """Let a processor compute attention in one piece, as NeMo's option `use_pytorch_sdpa` does.

    The answers are the same and come a tenth sooner; what a GPU gains is not measured.
    """
    if engine.device.type == "cpu":
        for layer in engine.encoder.layers:
            layer.self_attn.use_pytorch_sdpa = True
