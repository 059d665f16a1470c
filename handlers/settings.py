"""The environment, read once."""

from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

DeviceChoice = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16"]
DiarizerPrecision = Literal["exact", "mixed"]
DiarizerProfile = Literal["exact", "fast"]
WeightsSource = Literal["store", "volume", "image", "mirror", "hub"]


class SettingsError(ValueError):
    """The environment holds a value that cannot be; the message names the variable."""


class Settings(BaseSettings):
    """What an operator can set; each field is the variable PARLEY_<FIELD>, unless it says else."""

    model_config = SettingsConfigDict(
        env_prefix="PARLEY_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    transcriber_model: str = "nvidia/parakeet-tdt-0.6b-v2"
    """Repository `organisation/name`, or a local path, of the transcriber."""
    diarizer_model: str = "pyannote/speaker-diarization-community-1"
    """Repository `organisation/name`, or a local folder, of the diarization pipeline."""
    device: DeviceChoice = "auto"
    """`auto` takes a GPU where there is one."""
    transcriber_precision: Precision = "auto"
    """What the transcriber computes in; `auto` is bfloat16 on a GPU, float32 elsewhere."""

    on_missing_weights: Literal["answer", "unfit"] = "answer"
    """Tell every job what is missing, or fail the fitness check and be replaced."""

    max_audio_bytes: int = Field(default=2 * 1024**3, gt=0)
    """Largest recording that is accepted, as it is sent."""
    max_audio_seconds: float = Field(default=6 * 3600, gt=0)
    """Longest recording that is accepted."""
    max_result_bytes: int = Field(default=19_000_000, gt=0)
    """Largest reply; RunPod silently loses what is above 20 MB."""

    download_connect_seconds: float = Field(default=10, gt=0)
    """Deadline of one connection to the audio's host."""
    download_idle_seconds: float = Field(default=30, gt=0)
    """Longest wait for the next bytes of a download."""
    download_total_seconds: float = Field(default=600, gt=0)
    """Deadline of a download with its redirects and retries."""
    download_attempts: int = Field(default=3, ge=1, le=10)
    """How often a download is tried where trying again can help."""
    allow_private_addresses: bool = False
    """Let audio URLs point to private networks and this machine: for development alone."""

    concurrency: int = Field(default=1, ge=1, le=1000)
    """Jobs that one worker takes at once."""
    price_per_second: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Dollars that a second of this worker costs, for the estimates in replies: instead of the
    published price of its GPU, and where none is published, as for CPU workers."""
    own_endpoint: str | None = Field(default=None, validation_alias="RUNPOD_ENDPOINT_ID")
    """RUNPOD_ENDPOINT_ID: set by the platform; replies name it, and no endpoint calls itself."""
    diarizer_precision: DiarizerPrecision = "exact"
    """`mixed` embeds voices in bfloat16: faster where the device has it, and the answer may change
    a little; replies then say so."""
    diarizer_profile: DiarizerProfile = "exact"
    """`fast` looks at the audio every two seconds instead of every one: half the work, more errors,
    and a speaker with little to say may be lost; replies then say so."""
    window_seconds: float = Field(default=30, ge=5, le=600)
    """Longest stretch of audio that the transcriber sees at once."""
    window_batch: int = Field(default=32, ge=1, le=128)
    """Windows that the transcriber decodes together, of one job or of many, at most."""
    batch_seconds: float | None = Field(default=None, gt=0)
    """Audio that it decodes together, padding counted; `window_batch` longest windows where this is
    not set. What does not fit into memory is halved."""
    progress_interval_seconds: float = Field(default=1, ge=0)
    """Least time between two progress messages of one job."""

    bucket_name: str | None = Field(default=None, min_length=1)
    """S3-compatible bucket for what the platform does not carry: large replies, inline audio."""
    bucket_prefix: str = "parley/"
    """What the names of Parley's objects in the bucket begin with."""
    bucket_link_seconds: int = Field(default=24 * 3600, ge=60, le=7 * 24 * 3600)
    """How long a signed link to an object is valid."""
    bucket_region: str = "auto"
    """Region of the bucket; `auto` suits R2, and Amazon where its address tells the region."""
    bucket_url: str | None = Field(default=None, validation_alias="BUCKET_ENDPOINT_URL")
    """BUCKET_ENDPOINT_URL: where the bucket's host is, as for RunPod's own SDK."""
    bucket_key_id: SecretStr | None = Field(default=None, validation_alias="BUCKET_ACCESS_KEY_ID")
    """BUCKET_ACCESS_KEY_ID."""
    bucket_secret: SecretStr | None = Field(
        default=None, validation_alias="BUCKET_SECRET_ACCESS_KEY"
    )
    """BUCKET_SECRET_ACCESS_KEY."""

    hf_token: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
    )
    """HF_TOKEN: reads gated repositories."""
    hub_offline: bool = Field(default=False, validation_alias="HF_HUB_OFFLINE")
    """HF_HUB_OFFLINE: never ask the hub."""
    hub_endpoint: str | None = Field(default=None, validation_alias="HF_ENDPOINT")
    """HF_ENDPOINT: a mirror of the hub."""

    weights_from: Annotated[tuple[WeightsSource, ...], NoDecode] = get_args(WeightsSource)
    """Where weights may come from, by commas; the order of the search is always this one."""
    model_store: Path = Path("/runpod-volume/huggingface-cache/hub")
    """RunPod's cache of models, in the layout of the hub's."""
    image_models: Path = Path("/opt/parley/models")
    """Weights that the image brings, in the layout of the hub's cache."""
    image_seeds: bool = False
    """Copy the image's weights to the volume once, and use them there."""
    mirror_bucket: str | None = Field(default=None, min_length=1)
    """S3-compatible bucket that holds weights; the BUCKET_* variables open it."""
    mirror_prefix: str = "weights/"
    """What the names of the mirror's objects begin with."""
    lease_seconds: float = Field(default=30, gt=0)
    """Without a sign of life, after which another worker takes over a download to the volume."""
    models_dir: Path | None = Field(default=None, validation_alias="MODELS_DIR")
    """MODELS_DIR: where weights are kept, on a volume; the three below are inside if not set."""
    hf_home: Path | None = Field(default=None, validation_alias="HF_HOME")
    """HF_HOME."""
    hub_cache: Path | None = Field(default=None, validation_alias="HF_HUB_CACHE")
    """HF_HUB_CACHE: where the hub's files are kept."""
    torch_home: Path | None = Field(default=None, validation_alias="TORCH_HOME")
    """TORCH_HOME."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """How much the worker logs. Transcripts are logged at DEBUG only."""

    @field_validator("weights_from", mode="before")
    @classmethod
    def _by_commas(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(word for part in value.split(",") if (word := part.strip()))

    @classmethod
    def read(cls) -> Self:
        """Read the environment.

        Raises:
            SettingsError: a variable has a value that cannot be.

        """
        try:
            return cls()
        except ValidationError as error:
            wrong = (
                f"{_variable(str(detail['loc'][0]))}: {detail['msg']}"
                for detail in error.errors(include_url=False, include_input=False)
            )
            raise SettingsError("; ".join(wrong)) from None

    def secrets(self) -> tuple[str, ...]:
        """Every value that no log may show."""
        values = (getattr(self, name) for name in type(self).model_fields)
        found = (value.get_secret_value() for value in values if isinstance(value, SecretStr))
        return tuple(secret for secret in found if secret)


class TranscriptionSettings(Settings):
    """The environment of the transcription endpoint."""

    concurrency: int = Field(default=16, ge=1, le=1000)
    """Jobs that one worker takes at once: their windows share the model's batches."""


class DiarizationSettings(Settings):
    """The environment of the diarization endpoint."""

    concurrency: int = Field(default=2, ge=1, le=1000)
    """Jobs that one worker takes at once: the networks hear one while the speakers of another are
    told apart."""


def _variable(field: str) -> str:
    """The environment variable of a field; an alias is a variable already."""
    return field if field.isupper() else f"PARLEY_{field.upper()}"
