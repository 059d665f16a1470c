"""The orchestrated set with stubs in place of the engines, and recordings that say what to do."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from emulator.manifest import EndpointSpec, Manifest

TRANSCRIPTION: Final = "stub-transcription"
DIARIZATION: Final = "stub-diarization"
ORCHESTRATOR: Final = "parley-orchestrator"


def stub_endpoint(
    engine: str, *, environment: Mapping[str, str] | None = None, workers: int = 1
) -> EndpointSpec:
    """An endpoint that takes its time in place of an engine.

    Args:
        engine: `transcription` or `diarization`.
        environment: of `benchmarks.stub_engine`.
        workers: at most so many.

    """
    return EndpointSpec(
        id=f"stub-{engine}",
        command=("{python}", "-m", "benchmarks.stub_engine"),
        environment={"STUB_ENGINE": engine, "STUB_CONCURRENCY": "200", **(environment or {})},
        workers_max=workers,
        idle_seconds=60,
    )


def orchestrator(
    *, environment: Mapping[str, str] | None = None, workers_min: int = 0
) -> EndpointSpec:
    """The real orchestrator, that calls the two stubs."""
    return EndpointSpec(
        id=ORCHESTRATOR,
        command=("{python}", "-m", "orchestrator.handler"),
        environment={
            "RUNPOD_ENDPOINT_BASE_URL": "${PLATFORM_URL}/v2",
            "RUNPOD_API_KEY": "${API_KEY}",
            "PARLEY_TRANSCRIPTION_ENDPOINT": TRANSCRIPTION,
            "PARLEY_DIARIZATION_ENDPOINT": DIARIZATION,
            **(environment or {}),
        },
        workers_min=workers_min,
        workers_max=1,
        idle_seconds=60,
    )


def stub_set(
    *,
    environment: Mapping[str, str] | None = None,
    workers: int = 1,
    settings: Mapping[str, str] | None = None,
) -> Manifest:
    """Both stubs and the orchestrator.

    Args:
        environment: of both stubs.
        workers: of each stub, at most.
        settings: of the orchestrator.

    """
    stubs = (
        stub_endpoint(engine, environment=environment, workers=workers)
        for engine in ("transcription", "diarization")
    )
    endpoints = (*stubs, orchestrator(environment=settings))
    return Manifest(endpoints=endpoints, workers_quota=2 * workers + 1)


def recording(**wishes: object) -> str:
    """The URL of a recording that tells the stubs what to do; a `_` before an engine is a dot."""
    told = {
        name.replace("_transcription", ".transcription").replace("_diarization", ".diarization"): w
        for name, w in wishes.items()
    }
    return f"https://stub.invalid/talk.wav?{urlencode(told)}"
