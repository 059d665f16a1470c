"""Which endpoints a shape has, and what may be said of them: every value is checked."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from deploy.endpoint import FlashBoot, ScalingType
from deploy.schedule import DAYS, Day, Schedule

Shape = Literal["single", "split", "orch"]
Variant = Literal["thin", "baked", "baked-diarizer"]
Role = Literal["single", "transcription", "diarization", "orchestrator"]

SHAPES: Final[tuple[Shape, ...]] = get_args(Shape)
ROLES: Final[Mapping[Shape, frozenset[Role]]] = {
    "single": frozenset({"single"}),
    "split": frozenset({"transcription", "diarization"}),
    "orch": frozenset({"transcription", "diarization", "orchestrator"}),
}

_NAME: Final = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")
_IMAGE: Final = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLACEHOLDER: Final = re.compile(r"\$\{(?:(endpoint):([a-z]+)|([A-Za-z_][A-Za-z0-9_]*)(\?)?)\}")
_LONGEST_NAME: Final = 191
_DISK_GB_OF_A_VCPU: Final = {"cpu5c": 15}
_LEAST_DISK_GB_OF_A_VCPU: Final = 10

_List = Field(strict=False)  # TOML has lists, frozen values have tuples
_Minutes = Field(ge=5, le=7 * 86400)


class Table(BaseModel):
    """A table of the file: exactly these keys, of exactly these types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Model(Table):
    """Weights of an endpoint, and where its workers find them.

    Attributes:
        repository: on the hub.
        revision: a branch, a tag or a commit.
        source: `store` has RunPod put them on the machine before a worker starts; `image` holds
            them; `volume` keeps what the first worker downloaded.
        gated: whether the hub gives them only to those who accepted their conditions.

    """

    repository: str
    revision: str = "main"
    source: Literal["store", "image", "volume"] = "store"
    gated: bool = False

    @field_validator("repository")
    @classmethod
    def _is_one(cls, value: str) -> str:
        return _matching(value, _REPOSITORY, "organisation/name, as on the hub")

    @property
    def reference(self) -> str:
        """What RunPod calls it."""
        return f"https://huggingface.co/{self.repository}:{self.revision}"


class GpuTable(Table):
    """See `deploy.endpoint.Gpu`."""

    pools: Annotated[tuple[str, ...], _List, Field(min_length=1)]
    excluded: Annotated[tuple[str, ...], _List] = ()
    count: int = Field(default=1, ge=1)
    min_cuda: str | None = Field(default=None, pattern=r"^\d+\.\d+$")


class CpuTable(Table):
    """See `deploy.endpoint.Cpu`."""

    flavor: str = Field(min_length=1)
    vcpus: int = Field(ge=2)

    @field_validator("vcpus")
    @classmethod
    def _is_power_of_two(cls, value: int) -> int:
        if value & (value - 1):
            message = "should be a power of two: 2, 4, 8 or 16"
            raise ValueError(message)
        return value


class ScalingTable(Table):
    """See `deploy.endpoint.Scaling`."""

    type: ScalingType = "QUEUE_DELAY"
    value: float = Field(default=4.0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.type == "QUEUE_DELAY" and self.value < 0.5:  # noqa: PLR2004
            message = "value should be 0.5 seconds or more"
            raise ValueError(message)
        if self.type == "REQUEST_COUNT" and (self.value < 1 or self.value % 1):
            message = "value should be a whole number of jobs, 1 or more"
            raise ValueError(message)
        return self


class WorkersTable(Table):
    """See `deploy.endpoint.Workers`."""

    min: int = Field(default=0, ge=0)
    max: int = Field(default=3, ge=1)
    idle_seconds: int | None = Field(default=None, ge=1, le=3600)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            message = f"min should be 0 to max, which is {self.max}"
            raise ValueError(message)
        return self


class WarmTable(Table):
    """Hours in which more workers are kept running than `workers.min`."""

    workers: int = Field(default=1, ge=1)
    hours: str
    days: Annotated[tuple[Day, ...], _List, Field(min_length=1)] = DAYS
    time_zone: str = "UTC"

    @model_validator(mode="after")
    def _readable(self) -> Self:
        _ = self.schedule
        return self

    @property
    def schedule(self) -> Schedule:
        """When that is."""
        return Schedule.read(self.hours, days=self.days, zone=self.time_zone)


class EndpointTable(Table):
    """One endpoint: `deploy.endpoint.EndpointSpec` says what most of its values mean.

    Attributes:
        role: which of the shape's endpoints it is.
        image: its name, without registry and tag.
        variant: `thin` holds no weights; the others have a tag of their own.

    """

    name: str = Field(max_length=_LONGEST_NAME)
    role: Role
    image: str
    variant: Variant = "thin"
    disk_gb: int = Field(ge=1)
    timeout_seconds: int = _Minutes
    flashboot: FlashBoot
    workers: WorkersTable
    scaling: ScalingTable
    registry: str | None = Field(default=None, min_length=1)
    data_centers: Annotated[tuple[str, ...], _List] = ()
    gpu: GpuTable | None = None
    cpu: Annotated[tuple[CpuTable, ...], _List] = ()
    models: Annotated[tuple[Model, ...], _List] = ()
    environment: dict[str, str] = Field(default_factory=dict)
    warm: WarmTable | None = None

    @field_validator("name")
    @classmethod
    def _name_is_one(cls, value: str) -> str:
        return _matching(value, _NAME, "letters, digits and single hyphens")

    @field_validator("image")
    @classmethod
    def _image_is_one(cls, value: str) -> str:
        advice = "an image's name without registry and tag, such as parley-single"
        return _matching(value, _IMAGE, advice)

    @field_validator("environment")
    @classmethod
    def _variables_are_some(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            _matching(name, _VARIABLE, "a variable's name")
            if "${" in text and not _PLACEHOLDER.fullmatch(text):
                message = (
                    f"{name} should be a text without ${{, or one of ${{VARIABLE}}, "
                    "${VARIABLE?} and ${endpoint:ROLE}, and nothing beside it"
                )
                raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        if (self.gpu is None) == (not self.cpu):
            yield "gpu or cpu should be given, and not both"
        yield from self._wrong_models()
        for cpu in self.cpu:
            most = cpu.vcpus * _DISK_GB_OF_A_VCPU.get(cpu.flavor, _LEAST_DISK_GB_OF_A_VCPU)
            if self.disk_gb > most:
                yield f"disk_gb should be at most {most} for {cpu.vcpus} vCPUs of {cpu.flavor}"
        if self.scaling.type == "REQUEST_COUNT" and self.workers.idle_seconds is not None:
            yield "workers.idle_seconds should be left out with scaling.type REQUEST_COUNT"
        if self.scaling.type == "QUEUE_DELAY" and self.workers.idle_seconds is None:
            yield "workers.idle_seconds should be given with scaling.type QUEUE_DELAY"
        if self.warm is not None and not self.workers.min <= self.warm.workers <= self.workers.max:
            yield (
                f"warm.workers should be workers.min to workers.max, {self.workers.min} to "
                f"{self.workers.max}"
            )

    def _wrong_models(self) -> Iterator[str]:
        sources = {model.source for model in self.models}
        if self.cpu and "store" in sources:
            yield "models with source store need gpu: RunPod caches models for GPU endpoints only"
        if self.scaling.value % 1 and "store" in sources:
            yield "scaling.value should be whole: what sets cached models takes no other"
        if self.variant == "thin" and "image" in sources:
            yield "variant should be baked or baked-diarizer: models with source image lie in it"
        if "HF_TOKEN" not in self.environment and any(
            model.gated and model.source != "image" for model in self.models
        ):
            yield 'environment should hold HF_TOKEN = "${HF_TOKEN}": a model is gated'
        said = self.environment.get("PARLEY_WEIGHTS_FROM")
        if said is not None:
            allowed = {part.strip() for part in said.split(",")}
            for source in sorted(sources - allowed):
                yield f"environment.PARLEY_WEIGHTS_FROM should hold {source}, of a model"
            if "volume" in sources and not allowed & {"hub", "mirror"}:
                yield "environment.PARLEY_WEIGHTS_FROM should hold hub: it fills the volume once"


class VolumeTable(Table):
    """A network volume of all GPU endpoints: see `deploy.endpoint.VolumeSpec`."""

    name: str
    size_gb: int = Field(ge=10, le=4096)
    data_center: str = Field(min_length=1)

    @field_validator("name")
    @classmethod
    def _name_is_one(cls, value: str) -> str:
        return _matching(value, _NAME, "letters, digits and single hyphens")


class Manifest(Table):
    """A shape."""

    shape: Shape
    endpoints: Annotated[tuple[EndpointTable, ...], _List]
    volume: VolumeTable | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        roles = [endpoint.role for endpoint in self.endpoints]
        wanted = ROLES[self.shape]
        if sorted(roles) != sorted(wanted):
            listed = ", ".join(sorted(wanted))
            yield f"endpoints should have these roles, one each, for {self.shape}: {listed}"
        names = [endpoint.name for endpoint in self.endpoints]
        if len(set(names)) < len(names):
            yield "endpoints should have different names"
        for endpoint in self.endpoints:
            yield from (f"endpoints[{endpoint.name}]: {text}" for text in self._wrong(endpoint))

    def _wrong(self, endpoint: EndpointTable) -> Iterator[str]:
        uses_volume = any(model.source == "volume" for model in endpoint.models)
        if uses_volume and self.volume is None:
            yield "models with source volume need a table [volume]"
        if self.volume is not None and endpoint.gpu is not None:
            allowed = ((), (self.volume.data_center,))
            if endpoint.data_centers not in allowed:
                yield f"data_centers should be [] or [{self.volume.data_center!r}], of the volume"
        roles = ROLES[self.shape]
        for name, text in endpoint.environment.items():
            named = placeholder(text)
            if isinstance(named, OfEndpoint) and named.role not in roles - {endpoint.role}:
                others = ", ".join(sorted(roles - {endpoint.role})) or "none"
                yield f"environment.{name} should name another endpoint's role: {others}"

    def role(self, role: Role) -> EndpointTable:
        """The endpoint of a role that the shape has."""
        return next(endpoint for endpoint in self.endpoints if endpoint.role == role)


class OfEndpoint(BaseModel):
    """A value that is the id of another endpoint."""

    role: Role


class OfVariable(BaseModel):
    """A value that is a variable of whoever deploys."""

    name: str
    needed: bool


def placeholder(text: str) -> OfEndpoint | OfVariable | None:
    """What a variable of a manifest stands for; None for what it says itself."""
    match = _PLACEHOLDER.fullmatch(text)
    if match is None:
        return None
    kind, role, variable, optional = match.groups()
    if kind:
        return OfEndpoint.model_construct(role=role)
    return OfVariable(name=variable, needed=not optional)


def _matching(value: str, form: re.Pattern[str], advice: str) -> str:
    if not form.fullmatch(value):
        message = f"{value!r} should be {advice}"
        raise ValueError(message)
    return value
