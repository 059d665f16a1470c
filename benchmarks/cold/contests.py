"""What is compared: our workers, plain ones for the same job, and what is allowed."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import soundfile

from benchmarks.cold.cache import Cache
from benchmarks.cold.weights import DIARIZER, TRANSCRIBER, FullSize

_AUDIO_SECONDS: Final = 2.0
_RATE: Final = 16_000

TRANSCRIPTION_ENDPOINT: Final = "words"
DIARIZATION_ENDPOINT: Final = "turns"

PLAIN: Final = "plain"
OURS: Final = "ours"
PREPARED: Final = "ours, prepared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker to start: its entry point, as `python -m` takes it, and its settings."""

    module: str
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """The most that counts as reached.

    Attributes:
        share: of the plain worker's time, by the state of the page cache.
        memory: peak bytes.

    """

    share: Mapping[Cache, float]
    memory: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """One kind of worker.

    Attributes:
        workers: by what they are called; all get the same job.
        job: the first job's input.
        weight_bytes: what has to be in memory for it.
        is_orchestrator: whether it asks endpoints instead of an engine.

    """

    name: str
    workers: Mapping[str, Worker]
    job: Mapping[str, Any]
    allowed: Allowed
    weight_bytes: int = 0
    is_orchestrator: bool = False


def contests(models: FullSize) -> tuple[Contest, ...]:
    """All of them; the models' files lie as on RunPod."""
    offline = {"HF_HUB_OFFLINE": "1", "PYANNOTE_METRICS_ENABLED": "0"}
    plain = {**offline, "PLAIN_NEMO": str(models.nemo), "PLAIN_PIPELINE": str(models.pipeline)}
    ours = {
        **offline,
        "PARLEY_TRANSCRIBER_MODEL": TRANSCRIBER,
        "PARLEY_DIARIZER_MODEL": DIARIZER,
        "PARLEY_MODEL_STORE": str(models.store),
        "PARLEY_WEIGHTS_FROM": "store",
    }
    prepared = {**ours, "PARLEY_WEIGHTS_FROM": "volume", "HF_HUB_CACHE": str(models.volume)}
    job = {"audio_base64": _audio()}
    return (
        Contest(
            name="transcription",
            workers={
                PLAIN: Worker(module="benchmarks.plain_transcription", environment=plain),
                OURS: Worker(module="handlers.transcription", environment=ours),
                PREPARED: Worker(module="handlers.transcription", environment=prepared),
            },
            job=job,
            allowed=Allowed(
                share={"warm": 0.25, "dropped": 0.40}, memory=1.3 * models.transcriber_bytes
            ),
            weight_bytes=models.transcriber_bytes,
        ),
        Contest(
            name="single",
            workers={
                PLAIN: Worker(module="benchmarks.plain_single", environment=plain),
                OURS: Worker(module="handlers.single", environment=ours),
            },
            job=job,
            allowed=Allowed(share={"warm": 0.35, "dropped": 0.35}),
            weight_bytes=models.transcriber_bytes + models.diarizer_bytes,
        ),
        Contest(
            name="diarization",
            workers={
                PLAIN: Worker(module="benchmarks.plain_diarization", environment=plain),
                OURS: Worker(module="handlers.diarization", environment=ours),
            },
            job=job,
            allowed=Allowed(share={"warm": 0.60, "dropped": 0.60}),
            weight_bytes=models.diarizer_bytes,
        ),
        Contest(
            name="orchestrator",
            workers={
                PLAIN: Worker(module="benchmarks.plain_orchestrator"),
                OURS: Worker(module="orchestrator.handler", environment=_endpoints()),
            },
            job={"audio_url": "https://example.com/meeting.wav"},
            allowed=Allowed(share={"warm": 0.50, "dropped": 0.50}, memory=100e6),
            is_orchestrator=True,
        ),
    )


def _endpoints() -> Mapping[str, str]:
    return {
        "PARLEY_TRANSCRIPTION_ENDPOINT": TRANSCRIPTION_ENDPOINT,
        "PARLEY_DIARIZATION_ENDPOINT": DIARIZATION_ENDPOINT,
    }


def _audio() -> str:
    """Noise, loud enough not to be taken for silence."""
    noise = np.random.default_rng(0).normal(scale=0.1, size=round(_AUDIO_SECONDS * _RATE))
    file = io.BytesIO()
    soundfile.write(file, noise, _RATE, format="WAV", subtype="PCM_16")
    return base64.b64encode(file.getvalue()).decode()
