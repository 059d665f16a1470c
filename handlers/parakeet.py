"""Words from NVIDIA Parakeet-TDT, through NeMo, in this process."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from handlers.audio import Recording
from handlers.audio.tape import SAMPLE_RATE, Samples
from handlers.cold_start import STOPWATCH
from handlers.errors import ModelMissing, UnsupportedLanguage
from handlers.lean_imports import import_leanly
from handlers.loading import IMPORTS, read_ahead, without_collection
from handlers.model_thread import CheckCancelled, ModelThread
from handlers.prepared import is_prepared
from handlers.progress import Progress, Step
from handlers.settings import Settings
from handlers.timeline import Model, Transcription, Word, milliseconds
from handlers.torch_device import pick_device, typed_failures, typed_load
from handlers.weights import Weights, find_weights
from handlers.windows import Window, cut, is_silent

_log = logging.getLogger(__name__)

SHORTEST_SECONDS: Final = 0.1
"""Less audio than this holds no word, and engines fail on it or invent one."""

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

    def __init__(self, engine: Any, *, model: Model, settings: Settings) -> None:  # noqa: ANN401
        self._engine = engine
        self._model = model
        self._settings = settings
        self._thread = ModelThread("transcriber")

    async def transcribe(
        self, audio: Recording, *, language: str | None, progress: Progress
    ) -> Transcription:
        """Give every word with its time; silent and very short audio is answered at once.

        Raises:
            UnsupportedLanguage: the model does not speak it.
            OutOfMemory: a single window does not fit.

        """
        spoken = self._language(language)
        silent = audio.duration < SHORTEST_SECONDS or is_silent(
            audio.samples, sample_rate=audio.sample_rate
        )
        words: tuple[Word, ...] = ()
        if not silent:
            words = await self._thread.run(lambda check: self._words(audio, progress, check))
        progress(Step("transcribe", 1.0))
        return Transcription(words, language=spoken, model=self._model)

    def warm_up(self) -> None:
        """Decode noise of the largest shape that jobs bring, so that no job meets a first time.

        A GPU plans its memory and its graphs for that shape. A processor plans nothing: there the
        shortest audio fetches every weight, and the largest would only take as long as a job.
        """
        planned = self._engine.device.type == "cuda"
        windows = self._settings.window_batch if planned else 1
        seconds = self._settings.window_seconds if planned else SHORTEST_SECONDS
        noise = np.random.default_rng(0).normal(scale=0.01, size=round(seconds * SAMPLE_RATE))
        self._decode([noise.astype(np.float32)] * windows)

    def _language(self, wanted: str | None) -> str | None:
        known = _LANGUAGES.get(self._model.name)
        if wanted and known and wanted not in known:
            raise UnsupportedLanguage(wanted, model=self._model.name, known=known)
        return wanted or (known[0] if known and len(known) == 1 else None)

    def _words(
        self, audio: Recording, progress: Progress, check: CheckCancelled
    ) -> tuple[Word, ...]:
        rate = audio.sample_rate
        windows = cut(audio.samples, sample_rate=rate, longest=self._settings.window_seconds)
        words: list[Word] = []
        for batch in _batches(windows, self._settings.window_batch):
            check()
            heard = [w for w in batch if not _is_empty(audio.samples[w.first : w.last], rate)]
            arrays = [np.array(audio.samples[w.first : w.last]) for w in heard]
            for window, hypothesis in zip(heard, self._decode(arrays), strict=True):
                words += _read_words(hypothesis, offset=window.first / rate)
            progress(Step("transcribe", batch[-1].last / len(audio.samples)))
        return tuple(words)

    def _decode(self, arrays: Sequence[Samples]) -> Sequence[Any]:
        if not arrays:
            return ()
        with typed_failures("transcriber", advice="Lower PARLEY_WINDOW_BATCH"):
            hypotheses: Sequence[Any] = self._engine.transcribe(
                list(arrays),
                batch_size=len(arrays),
                timestamps=True,  # as configured at the load: nothing is rebuilt
                num_workers=0,
                verbose=False,
            )
        return hypotheses


def load_parakeet(settings: Settings) -> ParakeetTranscriber:
    """Find the transcriber's weights, load them, and run the model once.

    Word times and confidences are switched on here, for good: a flag that changes between calls
    makes NeMo rebuild its decoder.

    Raises:
        ModelMissing: there is no such model, or it holds no `.nemo` file.
        ModelAccessDenied: the hub refuses it.
        ModelBroken: NeMo cannot load it.

    """
    with STOPWATCH.phase("transcriber found"):
        weights = find_weights(settings.transcriber_model, files=("*.nemo",), settings=settings)
        path = _model_file(weights)
    read_ahead(path.iterdir() if path.is_dir() else (path,))
    _log.info("loading transcriber %s", weights.model.name)
    with without_collection():
        engine = _restore(path, device=settings.device)
    transcriber = ParakeetTranscriber(engine, model=weights.model, settings=settings)
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


def _restore(path: Path, *, device: str) -> Any:  # noqa: ANN401
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
    engine.eval()
    return engine


def _read_words(hypothesis: Any, *, offset: float) -> Iterator[Word]:  # noqa: ANN401
    """Words of one window; `offset` is the window's place in the recording, in seconds."""
    items = hypothesis.timestamp.get("word", []) if hypothesis.timestamp else []
    confidences = hypothesis.word_confidence
    if confidences is None or len(confidences) != len(items):
        confidences = [None] * len(items)
    for item, confidence in zip(items, confidences, strict=True):
        if text := item["word"].strip():
            start, end = float(item["start"]), float(item["end"])
            yield Word(
                text=text,
                start=milliseconds(offset + start),
                end=milliseconds(offset + max(start, end)),
                confidence=None if confidence is None else _probability(confidence),
            )


def _probability(value: Any) -> float:  # noqa: ANN401
    return round(min(max(float(value), 0.0), 1.0), 3)


def _is_empty(samples: Samples, rate: int) -> bool:
    return len(samples) < SHORTEST_SECONDS * rate or is_silent(samples, sample_rate=rate)


def _batches(windows: Iterable[Window], size: int) -> Iterator[Sequence[Window]]:
    remaining = iter(windows)
    while batch := tuple(islice(remaining, size)):
        yield batch
