"""The environment of whoever calls endpoints, read once."""

from typing import Final

from pydantic import Field, SecretStr

from handlers.settings import Settings

RUNPOD: Final = "https://api.runpod.ai/v2"
"""Where RunPod takes jobs."""


class CallerSettings(Settings):
    """What a client needs to call endpoints, beside what all of Parley knows."""

    api_key: SecretStr | None = Field(default=None, validation_alias="RUNPOD_API_KEY")
    """RUNPOD_API_KEY: may use the endpoints that are called."""
    base_url: str = Field(default=RUNPOD, validation_alias="RUNPOD_ENDPOINT_BASE_URL")
    """RUNPOD_ENDPOINT_BASE_URL: another platform than RunPod, such as the local one."""
    transcription_endpoint: str | None = Field(default=None, min_length=1)
    """Id of the endpoint that gives the words."""
    diarization_endpoint: str | None = Field(default=None, min_length=1)
    """Id of the endpoint that gives the turns."""


class OrchestratorSettings(CallerSettings):
    """What an operator of the orchestrator can set."""

    concurrency: int = Field(default=200, ge=1, le=1000)
    """Jobs that one worker takes at once: it only waits for others."""
    job_seconds: float = Field(default=3600, gt=0)
    """Deadline of a job, its waiting for GPU workers included; the endpoint's own execution
    timeout must be longer, or it ends the job first."""
